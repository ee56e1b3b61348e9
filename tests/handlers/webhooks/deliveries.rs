//! The routes of deliveries: list, replay, recover, test.

use shared_domain::webhook::delivery::DeliveryState;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_is_queued_once_and_signed() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, secret) = webhooks.create(&receiver.url).await;
    let event = at("POST /test", "olga", &id).header("idempotency-key", "k-1");
    let (status, queued) = webhooks.call(&event).await;
    assert_eq!((status, &queued["type"], &queued["state"]), (202, &json!("test"), &json!("pending")));
    assert_eq!(webhooks.call(&event).await, (202, queued.clone()));
    let jobs = webhooks.queued();
    assert_eq!(jobs.len(), 1, "a repeated request");
    webhooks.work(&jobs[0].0).await;
    webhooks.work(&jobs[0].0).await;
    let received = receiver.received();
    assert_eq!(received.len(), 1, "delivered twice by the queue");
    assert!(is_signed(&received[0], &secret));
    assert_eq!(received[0].header("webhook-id"), queued["webhookId"]);
    assert_eq!(received[0].json()["data"]["data"], json!({ "endpointId": id.as_str() }));

    let (_, page) = webhooks.call(&at("GET /deliveries", "olga", &id)).await;
    let listed = &page["items"][0];
    assert_eq!((&listed["state"], &listed["attempts"][0]["status"]), (&json!("succeeded"), &json!(204)));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_newest_first_in_pages_of_the_caller() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.create("https://receiver.example").await;
    for index in 0..5 {
        webhooks.add_delivery(&id, index).await;
    }
    let (_, first) = webhooks.call(&at("GET /deliveries", "olga", &id).query("limit=3")).await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let query = format!("limit=3&cursor={cursor}");
    let (_, second) = webhooks.call(&at("GET /deliveries", "olga", &id).query(&query)).await;
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    let all: Vec<_> = items(&first).into_iter().chain(items(&second)).collect();
    let mut ids: Vec<_> = all.iter().map(|item| item["deliveryId"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), second["nextCursor"].is_null()), (5, true));
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let (other, _) = webhooks.create("https://receiver.example").await;
    assert_eq!(webhooks.call(&at("GET /deliveries", "olga", &other).query(&query)).await.0, 400);
}

fn replay(endpoint: &WebhookEndpointId, delivery: &WebhookDeliveryId) -> Event {
    let route = format!("POST {ROUTE}/{{endpointId}}/deliveries/{{deliveryId}}/replay");
    let parameters = [("endpointId", endpoint.as_str()), ("deliveryId", delivery.as_str())];
    Event::new(&route, &parameters).user(ORGANIZATION, "olga")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_the_same_webhook_again_also_if_it_succeeded() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&job).await;
    let (status, replayed) = webhooks.call(&replay(&id, &delivery.id).header("idempotency-key", "k")).await;
    assert_eq!((status, &replayed["state"]), (202, &json!("pending")));
    assert_eq!(webhooks.call(&replay(&id, &delivery.id).header("idempotency-key", "k")).await.0, 202);
    let jobs = webhooks.queued();
    assert_eq!(jobs.len(), 1, "a repeated request");
    webhooks.work(&job).await;
    webhooks.queued();
    webhooks.work(&jobs[0].0).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    let unknown = WebhookDeliveryId::parse("del_unknown").unwrap();
    assert_eq!(webhooks.call(&replay(&id, &unknown)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn recover_sends_the_failed_deliveries_of_a_period_again() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::Status(410));
    let mut jobs = Vec::new();
    for index in 0..3 {
        jobs.push(webhooks.add_delivery(&id, index).await.1.body());
    }
    webhooks.work_at(&jobs, NOW).await;
    receiver.behave(Behavior::Status(204));
    let recover = |since: &str| at("POST /recover", "olga", &id).json(&json!({ "since": since }));
    let since = (NOW - std::time::Duration::from_secs(60)).to_string();
    let (status, refused) = webhooks.call(&recover(&since)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("endpoint_disabled")));
    let enable = at("PATCH ", "olga", &id).json(&json!({ "status": "enabled" }));
    assert_eq!(webhooks.call(&enable).await.0, 200);

    let later = NOW + std::time::Duration::from_secs(60);
    let again = recover(&since).header("idempotency-key", "k");
    assert_eq!(webhooks.call_at(&again, later).await, (202, json!({ "queued": 3 })));
    assert_eq!(webhooks.call_at(&again, later).await, (202, json!({ "queued": 3 })), "a repeated request");
    assert_eq!(webhooks.call_at(&recover(&since), later).await, (202, json!({ "queued": 0 })));
    let queued: Vec<String> = webhooks.queued().iter().map(|(job, _)| job.body()).collect();
    assert_eq!(queued.len(), 3);
    receiver.drain();
    webhooks.work_at(&queued, later).await;
    assert_eq!(receiver.received().len(), 3);

    assert_eq!(webhooks.call_at(&recover(&later.to_string()), later).await, (202, json!({ "queued": 0 })));
    let (status, refused) = webhooks.call(&recover("yesterday")).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/since"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_the_queue_does_not_accept_is_sent_by_the_sweep() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.create("https://receiver.example").await;
    let (delivery, _) = webhooks.add_delivery(&id, 1).await;
    webhooks.test.queue.refuse(&["0"]);
    let (status, refused) = webhooks.call(&replay(&id, &delivery.id)).await;
    assert_eq!((status, &refused["code"]), (503, &json!("unavailable")));
    assert_eq!(webhooks.delivery(&id, &delivery.id).await.state, DeliveryState::Pending);
    let due = webhooks.endpoints().due(NOW + shared_app::webhook::ATTEMPT_LEASE).await.unwrap();
    assert_eq!(due.len(), 1);
}
