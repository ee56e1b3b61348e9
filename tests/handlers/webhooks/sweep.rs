//! `webhook-sweep`: attempts that wait in the table, probes of a dead endpoint, the end of a disabled one.

use std::time::Duration;

use shared_domain::webhook::{delivery::DeliveryState, health::PROBE_INTERVAL};
use webhook_sweep::{App, Tally, handle};

use super::*;

async fn sweep(webhooks: &Webhooks, now: Timestamp) -> Tally {
    let app = App::new(&webhooks.test.table(), webhook_queue(&webhooks.test.queue.url));
    handle(&app, now).await.unwrap()
}

fn queued(count: usize) -> Tally {
    Tally { queued: count, ..Tally::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_attempt_waits_in_the_table_and_is_queued_once_when_it_is_due() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::WithHeader { status: 503, name: "retry-after", value: "3600" });
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&job).await;
    let due = webhooks.delivery(&id, &delivery.id).await.next_attempt_at.unwrap();
    assert_eq!(sweep(&webhooks, due - Duration::from_millis(1)).await, queued(0));
    assert_eq!(sweep(&webhooks, due).await, queued(1));
    assert_eq!(sweep(&webhooks, due).await, queued(0), "two runs at the same time");
    assert_eq!(sweep(&webhooks, due + PROBE_INTERVAL).await, queued(0), "the attempt is on its way");

    receiver.behave(Behavior::Status(200));
    let jobs = webhooks.queued();
    webhooks.work_at(&[jobs[0].0.body()], due).await;
    assert_eq!(webhooks.delivery(&id, &delivery.id).await.state, DeliveryState::Succeeded);
    assert_eq!(sweep(&webhooks, due + Duration::from_hours(2)).await, queued(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_message_is_lost_is_queued_again() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::WithHeader { status: 503, name: "retry-after", value: "3600" });
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&job).await;
    let mut now = webhooks.delivery(&id, &delivery.id).await.next_attempt_at.unwrap();
    assert_eq!(sweep(&webhooks, now).await, queued(1));
    let mut again = 0;
    for _ in 0..15 {
        now = now + PROBE_INTERVAL;
        again += sweep(&webhooks, now).await.queued;
    }
    assert_eq!(again, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_gets_one_probe_in_an_interval_and_the_rest_after_a_success() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::Status(500));
    for index in 0..8 {
        let (_, job) = webhooks.add_delivery(&id, index).await;
        webhooks.work(&job).await;
    }
    webhooks.queued();
    receiver.drain();
    let mut now = NOW;
    for _ in 0..2 {
        now = now + PROBE_INTERVAL;
        assert_eq!(sweep(&webhooks, now).await, queued(1));
        let probe = webhooks.queued().remove(0).0;
        assert!(probe.probe);
        webhooks.work_at(&[probe.body()], now).await;
        webhooks.queued();
    }
    assert_eq!(receiver.drain().len(), 2);
    receiver.behave(Behavior::Status(200));
    now = now + PROBE_INTERVAL;
    assert_eq!(sweep(&webhooks, now).await, queued(1));
    webhooks.work_at(&[webhooks.queued().remove(0).0.body()], now).await;
    assert_eq!(webhooks.endpoint(&id).await.health.failures, 0);
    for index in 8..10 {
        let (_, job) = webhooks.add_delivery(&id, index).await;
        webhooks.work_at(&[job.body()], now).await;
    }
    assert_eq!(receiver.drain().len(), 3, "the circuit is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_a_disabled_endpoint_end_and_those_of_a_removed_one_are_forgotten() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (disabled, _) = webhooks.create(&receiver.url).await;
    let (removed, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::WithHeader { status: 503, name: "retry-after", value: "3600" });
    let mut waiting = Vec::new();
    for id in [&disabled, &removed] {
        let (delivery, job) = webhooks.add_delivery(id, 1).await;
        webhooks.work(&job).await;
        waiting.push(delivery);
    }
    let disable = at("PATCH ", "olga", &disabled).json(&json!({ "status": "disabled" }));
    assert_eq!(webhooks.call(&disable).await.0, 200);
    assert_eq!(webhooks.call(&at("DELETE ", "olga", &removed)).await.0, 204);
    let later = NOW + Duration::from_hours(2);
    assert_eq!(sweep(&webhooks, later).await, Tally { ended: 1, ..Tally::default() });
    assert_eq!(webhooks.delivery(&disabled, &waiting[0].id).await.state, DeliveryState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_with_many_deliveries_does_not_delay_another_one() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.create("https://dead.example").await;
    let (other, _) = webhooks.create("https://receiver.example").await;
    for index in 0..150 {
        let (delivery, _) = webhooks.add_delivery(&id, index).await;
        webhooks.deliveries().wait(&delivery, NOW).await.unwrap();
    }
    let (delivery, _) = webhooks.add_delivery(&other, 1).await;
    webhooks.deliveries().wait(&delivery, NOW).await.unwrap();
    let organization = build::organization_id(ORGANIZATION);
    for endpoint in [&id, &other] {
        webhooks.endpoints().check_at(&organization, endpoint, NOW).await.unwrap();
    }
    assert_eq!(sweep(&webhooks, NOW).await, queued(101), "a hundred of one and one of the other");
    assert_eq!(sweep(&webhooks, NOW + PROBE_INTERVAL).await, queued(50));
}
