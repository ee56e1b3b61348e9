//! `outbox-relay` and `send-reconcile`: notifications on their way to the mail queue.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use outbox_relay::{App, Queues, handle};
use serde_json::{Value, json};
use shared_aws::{messaging::SWEEP_AFTER, notification::Notifications};
use shared_domain::{
    ids::ContactId,
    notification::{Notification, NotificationKind},
    registration::CarrierReason,
    time::Timestamp,
};

use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    build,
    lambda_event::{event, stream_record},
    queue::{FakeQueue, broadcast_queue, import_queue, mail_queue, media_queue, send_queues},
};

fn queued(queue: &FakeQueue) -> Vec<Notification> {
    queue.bodies().iter().map(|body| Notifications::of_text(body).unwrap()).collect()
}

fn relay(test: &TestApp, queue: &str) -> App {
    let queues = Queues {
        messages: send_queues(NO_SERVICE),
        notifications: mail_queue(queue),
        media: media_queue(NO_SERVICE),
    };
    App::new(&test.table(), queues)
}

fn reconcile(test: &TestApp, queue: &str) -> send_reconcile::App {
    let carrier = test.carrier.client();
    let queues = Queues {
        messages: send_queues(NO_SERVICE),
        notifications: mail_queue(queue),
        media: media_queue(NO_SERVICE),
    };
    send_reconcile::App::new(
        test.table(),
        carrier,
        queues,
        import_queue(queue),
        broadcast_queue(queue),
        Duration::from_secs(300),
    )
}

fn notification(test: &TestApp, id: &str, subject: NotificationKind, at: Timestamp) -> Notification {
    Notification {
        id: id.into(),
        organization: test.organization().clone(),
        team: Some(test.team.id.clone()),
        subject,
        at,
        admins: vec![build::user_id("ada")],
    }
}

/// Stores one notification of each kind in the outbox.
async fn enqueue_all(test: &TestApp, at: Timestamp) -> Vec<Notification> {
    let reasons = vec![CarrierReason { code: 30886, detail: "The description does not fit.".into() }];
    let contact = ContactId::parse("con_1").unwrap();
    let added = NotificationKind::ContactAdded { contact: contact.clone(), by: build::user_id("ada") };
    let unknown = NotificationKind::UnknownContact { contact, inbox: test.inbox.id.clone() };
    let notifications = vec![
        notification(test, "a-approved", NotificationKind::RegistrationApproved, at),
        notification(test, "b-rejected", NotificationKind::RegistrationRejected(reasons.clone()), at),
        notification(test, "c-suspended", NotificationKind::RegistrationSuspended(reasons), at),
        notification(test, "d-added", added, at),
        notification(test, "e-unknown", unknown, at),
    ];
    for notification in &notifications {
        Notifications::new(test.table()).enqueue(notification).await.unwrap();
    }
    notifications
}

/// Returns the stream records of all notifications in the outbox.
async fn stream_records(test: &TestApp) -> Vec<Value> {
    let mut items = test.engine.scan().await;
    items.retain(|item| item["pk"] == AttributeValue::S("OUTBOX#MAIL".into()));
    items.sort_by_key(|item| item["sk"].as_s().unwrap().clone());
    let images = items.into_iter().map(|item| wire(&AttributeValue::M(item))["M"].take());
    images.map(|image| stream_record("INSERT", &image)).collect()
}

/// Returns the JSON form of an attribute.
fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::L(items) => json!({ "L": items.iter().map(wire).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => {
            let fields: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
            json!({ "M": fields })
        }
        other => panic!("{other:?}"),
    }
}

async fn waiting(test: &TestApp) -> Vec<Notification> {
    let long_after = now() + SWEEP_AFTER + SWEEP_AFTER;
    Notifications::new(test.table()).overdue(long_after).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_goes_to_the_mail_queue_unchanged_and_its_item_is_removed() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    let notifications = enqueue_all(&test, now()).await;
    let records = stream_records(&test).await;
    assert_eq!(records.len(), 5);
    handle(&relay(&test, &queue.url), event(records)).await.unwrap();
    assert_eq!((queued(queue), waiting(&test).await), (notifications, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_or_unreadable_item_is_skipped() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    enqueue_all(&test, now()).await;
    let mut records = stream_records(&test).await;
    records.truncate(3);
    records[0]["eventName"] = "REMOVE".into();
    records[1]["dynamodb"]["NewImage"]["subject"] = json!({ "S": "something else" });
    records[1]["dynamodb"]["NewImage"]["kind"] = json!({ "S": "something else" });
    records[1]["dynamodb"]["NewImage"]["at"] = json!({ "S": "never" });
    handle(&relay(&test, &queue.url), event(records)).await.unwrap();
    let names: Vec<_> = queued(queue).into_iter().map(|notification| notification.id).collect();
    assert_eq!((names.as_slice(), waiting(&test).await.len()), (&["c-suspended".to_owned()][..], 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_down_fails_the_invocation_and_the_item_stays_for_the_sweep() {
    let test = TestApp::start().await;
    let notifications = enqueue_all(&test, now()).await;
    let records = stream_records(&test).await;
    let failed = handle(&relay(&test, NO_SERVICE), event(records)).await.unwrap_err();
    assert_eq!((failed.failed, failed.all), (5, 5));
    assert_eq!(waiting(&test).await, notifications);
    assert_eq!(
        Notifications::new(test.table()).overdue(now()).await.unwrap(),
        [],
        "not before the sweep is due"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_the_queue_refuses_stays_and_the_others_are_queued() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    enqueue_all(&test, now()).await;
    queue.refuse(&["1"]);
    let records = stream_records(&test).await;
    let failed = handle(&relay(&test, &queue.url), event(records.clone())).await.unwrap_err();
    assert_eq!((failed.failed, failed.all, queued(queue).len()), (1, 5, 4));
    let names: Vec<_> = waiting(&test).await.into_iter().map(|notification| notification.id).collect();
    assert_eq!(names, ["b-rejected"]);
    queue.refuse(&[]);
    handle(&relay(&test, &queue.url), event(records)).await.unwrap();
    assert_eq!(waiting(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_queued_delays_no_notification() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    enqueue_all(&test, now()).await;
    let id = test.accept_message("hello", now()).await;
    let image = json!({
        "pk": { "S": "OUTBOX#1" }, "sk": { "S": id.as_str() }, "org": { "S": "org_1" },
        "at": { "N": now().millis().to_string() },
    });
    let mut records = stream_records(&test).await;
    let mut text = records[0].clone();
    text["dynamodb"]["NewImage"] = image;
    records.insert(0, text);
    let failed = handle(&relay(&test, &queue.url), event(records)).await.unwrap_err();
    assert_eq!((failed.failed, failed.all, queued(queue).len()), (1, 6, 5));
    assert_eq!(waiting(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_missed_is_queued_by_the_sweep() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    let at = now();
    let notifications = enqueue_all(&test, at).await;
    let run = async |queue: &str, at: Timestamp| {
        let tally = send_reconcile::handle(&reconcile(&test, queue), at).await.unwrap();
        (tally.queued, tally.failed)
    };
    assert_eq!(run(&queue.url, at + SWEEP_AFTER).await, (0, 0), "the relay still has time");
    let late = at + SWEEP_AFTER + Duration::from_millis(1);
    assert_eq!(run(NO_SERVICE, late).await, (0, 5));
    assert_eq!(waiting(&test).await, notifications, "for the next run");
    queue.refuse(&["0"]);
    assert_eq!(run(&queue.url, late).await, (4, 1));
    queue.refuse(&[]);
    assert_eq!((run(&queue.url, late).await, run(&queue.url, late).await), ((1, 0), (0, 0)));
    let mut sent = queued(queue);
    sent.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!((sent, waiting(&test).await), (notifications, Vec::new()));
}
