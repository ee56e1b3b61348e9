//! `webhook-deliver`: signatures, retries, hostile receivers, and what failures do to an endpoint.

use std::time::{Duration, Instant};

use shared_aws::notification::Notifications;
use shared_domain::{
    notification::NotificationKind,
    webhook::{
        delivery::{ATTEMPT_TIMEOUT, AttemptError, DeliveryState},
        endpoint::DisabledReason,
        health::Health,
    },
};
use shared_lambda::queue::SqsEvent;

use super::*;

/// The delay of an attempt that comes this many seconds after the end of the last one, in whole seconds.
fn delay_after(delivery: &Delivery, seconds: u64) -> u64 {
    (delivery.attempts.last().unwrap().ms + seconds * 1_000) / 1_000
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_library_makes_the_same_signatures_also_during_a_rotation() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, first) = webhooks.create(&receiver.url).await;
    let (_, rotated) = webhooks.call(&at("POST /rotate-secret", "olga", &id)).await;
    let second = rotated["secret"].as_str().unwrap();
    let verified = async |index: u64, now: Timestamp| {
        let (_, job) = webhooks.add_delivery(&id, index).await;
        webhooks.work_at(&[job.body()], now).await;
        let received = receiver.drain().remove(0);
        assert_eq!(received.header("webhook-timestamp"), now.seconds().to_string());
        assert_eq!(received.header("content-type"), "application/json");
        [first.as_str(), second].map(|secret| is_signed(&received, secret))
    };
    assert_eq!(verified(1, NOW).await, [true, true]);
    assert_eq!(verified(2, NOW + Duration::from_hours(24)).await, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_retried_later_and_a_message_that_is_delivered_twice_makes_one_attempt() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::Status(500));
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&job).await;
    let queued = webhooks.queued();
    let failed = webhooks.delivery(&id, &delivery.id).await;
    let delays: Vec<_> = queued.iter().map(|(_, delay)| *delay).collect();
    assert_eq!(delays, [delay_after(&failed, 5)]);
    webhooks.work(&job).await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(webhooks.queued().len(), 1, "the next attempt is queued again, in case that it was not");

    receiver.behave(Behavior::Status(200));
    webhooks.work(&queued[0].0).await;
    webhooks.work(&queued[0].0).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    let delivery = webhooks.delivery(&id, &delivery.id).await;
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::Succeeded, 2));
    assert_eq!(webhooks.endpoint(&id).await.health, Health::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_time_gets_it() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    for (index, (value, delay)) in [("90", 90), ("1", 60), ("soon", 60)].into_iter().enumerate() {
        receiver.behave(Behavior::WithHeader { status: 429, name: "retry-after", value });
        let (delivery, job) = webhooks.add_delivery(&id, index as u64).await;
        webhooks.work(&job).await;
        let delivery = webhooks.delivery(&id, &delivery.id).await;
        assert_eq!(webhooks.queued()[0].1, delay_after(&delivery, delay), "{value}");
    }
    receiver.behave(Behavior::WithHeader { status: 503, name: "retry-after", value: "86400" });
    let (delivery, job) = webhooks.add_delivery(&id, 9).await;
    webhooks.work(&job).await;
    assert_eq!(webhooks.queued(), [], "too long for the queue");
    let next = webhooks.delivery(&id, &delivery.id).await.next_attempt_at.unwrap();
    let delay = NOW.duration_until(next);
    assert!(delay >= Duration::from_hours(1) && delay < Duration::from_mins(61), "{delay:?}");
}

async fn error_of(webhooks: &Webhooks, url: &str) -> (Option<u16>, Option<AttemptError>) {
    let (id, _) = webhooks.create("https://receiver.example").await;
    // Written past the check of the route, as if the name had resolved to another address then.
    let change = shared_aws::webhook::EndpointChange { url: Some(url.into()), ..Default::default() };
    let actor = build::user_id("olga");
    let event = shared_aws::team::AuditEvent {
        actor: &actor,
        action: "webhook.update",
        target: "x",
        at: NOW,
        entropy: 1,
    };
    let endpoint = webhooks.endpoint(&id).await;
    let organization = build::organization_id(ORGANIZATION);
    assert!(webhooks.endpoints().update(&organization, &endpoint, &change, &event).await.unwrap());
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&job).await;
    let delivery = webhooks.delivery(&id, &delivery.id).await;
    assert_eq!(delivery.state, DeliveryState::Pending, "{url}");
    (delivery.attempts[0].status, delivery.attempts[0].error)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_an_address_inside_or_to_a_redirect() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let not_allowed = (None, Some(AttemptError::UrlNotAllowed));
    for url in
        ["https://inside.example", "http://10.0.0.1", "http://[::1]/", "http://169.254.169.254/", "nonsense"]
    {
        assert_eq!(error_of(&webhooks, url).await, not_allowed, "{url}");
    }
    assert_eq!(error_of(&webhooks, "https://unknown.example").await, (None, Some(AttemptError::NotResolved)));
    let closed = error_of(&webhooks, "http://127.0.0.1:9/").await;
    assert_eq!(closed, (None, Some(AttemptError::ConnectionFailed)));

    receiver.behave(Behavior::WithHeader { status: 302, name: "location", value: "http://169.254.169.254/" });
    let redirected = error_of(&webhooks, &receiver.url).await;
    assert_eq!(redirected, (Some(302), Some(AttemptError::Redirected)));
    assert_eq!(receiver.received().len(), 1);
}

/// The name is looked up once for each attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_address_after_the_check_is_not_looked_up_again() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let lookups = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = lookups.clone();
    let rebinding = Resolver::with(move |_| {
        let first = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move { Ok(vec![if first { "127.0.0.1" } else { "10.0.0.7" }.parse().unwrap()]) }
    });
    let sender = Sender::new(rebinding, "127.0.0.1").unwrap();
    let worker =
        webhook_deliver::App::new(&webhooks.test.table(), webhook_queue(&webhooks.test.queue.url), sender);
    let webhooks = Webhooks { worker, ..webhooks };
    let (id, _) = webhooks.create(&receiver.url.replace("127.0.0.1", "local.example")).await;
    let (_, first) = webhooks.add_delivery(&id, 1).await;
    webhooks.work(&first).await;
    assert_eq!((receiver.drain().len(), lookups.load(std::sync::atomic::Ordering::SeqCst)), (1, 1));
    let (_, second) = webhooks.add_delivery(&id, 2).await;
    webhooks.work(&second).await;
    assert_eq!((receiver.received().len(), lookups.load(std::sync::atomic::Ordering::SeqCst)), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_not_read() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::Endless);
    let (delivery, job) = webhooks.add_delivery(&id, 1).await;
    let began = Instant::now();
    webhooks.work(&job).await;
    // Somebody who reads the body stops at the end of the attempt.
    assert!(began.elapsed() < ATTEMPT_TIMEOUT, "{:?}", began.elapsed());
    assert_eq!(webhooks.delivery(&id, &delivery.id).await.state, DeliveryState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_delays_no_other_one_and_ends_after_15_seconds() {
    let webhooks = Webhooks::start().await;
    let (slow, quick) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    slow.behave(Behavior::Hang);
    let (slow_id, _) = webhooks.create(&slow.url).await;
    let (quick_id, _) = webhooks.create(&quick.url).await;
    let (hanging, hanging_job) = webhooks.add_delivery(&slow_id, 1).await;
    let (_, job) = webhooks.add_delivery(&quick_id, 1).await;
    let began = Instant::now();
    assert!(webhooks.work_at(&[hanging_job.body(), job.body()], NOW).await.is_empty());
    let took = began.elapsed();
    assert!(quick.received()[0].at.duration_since(began) < ATTEMPT_TIMEOUT, "before the other attempt ended");
    assert_eq!(ATTEMPT_TIMEOUT, Duration::from_secs(15), "docs/webhooks.md says so");
    assert!(took >= ATTEMPT_TIMEOUT && took < 2 * ATTEMPT_TIMEOUT, "{took:?}");
    let hanging = webhooks.delivery(&slow_id, &hanging.id).await;
    assert_eq!(hanging.attempts[0].error, Some(AttemptError::TimedOut));
    assert_eq!(webhooks.queued()[0].1, delay_after(&hanging, 60), "a minute after the timeout");
}

async fn notifications(webhooks: &Webhooks) -> Vec<shared_domain::notification::Notification> {
    Notifications::new(webhooks.test.table()).overdue(NOW + Duration::from_hours(1)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_failures_are_mailed_and_five_open_the_circuit() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    receiver.behave(Behavior::Status(500));
    let body = json!({ "url": receiver.url, "types": ["*"] });
    let (_, created) = webhooks.call(&create("ada", &body)).await;
    let id = WebhookEndpointId::parse(created["endpointId"].as_str().unwrap()).unwrap();
    for index in 0..7 {
        assert_eq!(notifications(&webhooks).await.len(), usize::from(index >= 4), "{index}");
        let (_, job) = webhooks.add_delivery(&id, index).await;
        webhooks.work(&job).await;
    }
    let [notification] = &notifications(&webhooks).await[..] else { panic!("one e-mail") };
    let receiver_name = receiver.url.trim_start_matches("http://").trim_end_matches("/hook").to_owned();
    assert_eq!(notification.subject, NotificationKind::WebhookFailing { receiver: receiver_name });
    assert_eq!(
        (notification.team.as_ref(), &notification.admins[..]),
        (Some(&build::team_id("team_1")), &[build::user_id("ada")][..])
    );

    assert_eq!(receiver.received().len(), 5, "the others wait");
    let organization = build::organization_id(ORGANIZATION);
    assert_eq!(webhooks.deliveries().waiting(&organization, &id, 10).await.unwrap().len(), 2);
    let health = webhooks.endpoint(&id).await.health;
    assert_eq!((health.failures, health.failing_since), (5, Some(NOW)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_disabled_by_410_or_after_five_days_without_success() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    for (status, days, reason) in [(410, 0, DisabledReason::Gone), (500, 5, DisabledReason::NoSuccess)] {
        let (id, _) = webhooks.create(&receiver.url).await;
        receiver.behave(Behavior::Status(500));
        let (_, first) = webhooks.add_delivery(&id, 1).await;
        webhooks.work(&first).await;
        receiver.behave(Behavior::Status(status));
        let (_, second) = webhooks.add_delivery(&id, 2).await;
        webhooks.work_at(&[second.body()], NOW + Duration::from_hours(24 * days)).await;
        assert_eq!(webhooks.endpoint(&id).await.disabled, Some(reason));

        receiver.drain();
        let (late, job) = webhooks.add_delivery(&id, 3).await;
        webhooks.work(&job).await;
        let late = webhooks.delivery(&id, &late.id).await;
        assert_eq!(
            (late.state, late.attempts[0].error),
            (DeliveryState::Failed, Some(AttemptError::EndpointDisabled))
        );
        assert_eq!(receiver.received().len(), 0, "a disabled endpoint gets nothing");
    }
    let overdue =
        Notifications::new(webhooks.test.table()).overdue(NOW + Duration::from_hours(6 * 24)).await.unwrap();
    let is_gone = |subject: &NotificationKind| match subject {
        NotificationKind::WebhookDisabled { gone, .. } => *gone,
        other => panic!("{other:?}"),
    };
    let mut gone: Vec<bool> = overdue.iter().map(|notification| is_gone(&notification.subject)).collect();
    gone.sort_unstable();
    assert_eq!(gone, [false, true]);
    assert_eq!(overdue[0].admins, [build::user_id("olga")], "the owner who created it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_test_says_nothing_about_the_endpoint() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    receiver.behave(Behavior::Status(410));
    webhooks.call(&at("POST /test", "olga", &id)).await;
    webhooks.work(&webhooks.queued()[0].0).await;
    let endpoint = webhooks.endpoint(&id).await;
    assert_eq!((endpoint.disabled, endpoint.health), (None, Health::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_removed_endpoint_and_unreadable_ones_are_not_sent() {
    let webhooks = Webhooks::start().await;
    let receiver = WebhookReceiver::start().await;
    let (id, _) = webhooks.create(&receiver.url).await;
    let (_, job) = webhooks.add_delivery(&id, 1).await;
    assert_eq!(webhooks.call(&at("DELETE ", "olga", &id)).await.0, 204);
    let failed = webhooks.work_at(&[job.body(), "nonsense".into()], NOW).await;
    assert_eq!((failed, receiver.received().len()), (vec!["1".to_owned()], 0));
    let empty: SqsEvent = event(Vec::new());
    let response = webhook_deliver::handle(&webhooks.worker, NOW, || 0, empty).await;
    assert!(response.batch_item_failures.is_empty());
}
