//! `send-reconcile`: what the carrier says of sends whose answer was lost.

use std::time::Duration;

use send_reconcile::{App, Queues, Tally, handle};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, SendQueue},
    messaging::Messages,
};
use shared_carriers::twilio::{SendMessage, SendOutcome};
use shared_domain::{
    ids::MessageId,
    message::{DeliveryState, Report},
    time::Timestamp,
};

use crate::stage::{Carrier, Stage, now};

const GRACE: Duration = Duration::from_secs(300);

fn app(stage: &Stage, carrier: &Carrier) -> App {
    let nowhere = Aws::loopback("http://127.0.0.1:9");
    let queues = Queues {
        messages: SendQueue::new(&nowhere, "http://127.0.0.1:9/queue.fifo"),
        notifications: MailQueue::new(&nowhere, "http://127.0.0.1:9/mail"),
        media: MediaQueue::new(&nowhere, "http://127.0.0.1:9/media"),
    };
    App::new(stage.table(), carrier.client_with_timeout(Duration::from_secs(2)), queues, GRACE)
}

/// A send whose answer was lost at this time.
async fn lost(stage: &Stage, text: &str, at: Timestamp) -> MessageId {
    let id = stage.accepted(text, at).await;
    let messages = Messages::new(stage.table());
    messages.claim(stage.organization(), &id, 1, at).await.unwrap();
    stage.outbox().mark_unknown(stage.organization(), &id, at).await.unwrap();
    let unknown = Report::at(at);
    messages.report(stage.organization(), &id, DeliveryState::Unknown, &unknown, None).await.unwrap();
    id
}

/// The carrier has this text all the same.
async fn at_the_carrier(stage: &Stage, carrier: &Carrier, text: &str) -> String {
    let message = SendMessage {
        to: stage.contact.as_str().into(),
        from: stage.account.inbox.number.as_str().into(),
        body: text.into(),
        media_urls: Vec::new(),
        status_callback: "http://127.0.0.1:9/".into(),
        messaging_service_sid: None,
    };
    match carrier.client_with_timeout(Duration::from_secs(2)).send(&message).await {
        SendOutcome::Accepted { sid, .. } => sid,
        other => panic!("{other:?}"),
    }
}

async fn state(stage: &Stage, id: &MessageId) -> DeliveryState {
    stage.message(id).await.delivery.state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_carrier_has_is_sent() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let id = lost(&stage, "hello", now()).await;
    let sid = at_the_carrier(&stage, &carrier, "hello").await;
    let app = app(&stage, &carrier);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally { resolved: 1, ..Tally::default() });
    assert!(state(&stage, &id).await >= DeliveryState::Sent);
    assert_eq!(stage.message(&id).await.carrier_id, Some(sid));
    assert_eq!(handle(&app, now()).await.unwrap(), Tally::default(), "asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_carrier_does_not_know_stays_unknown_for_the_grace_time_and_then_fails() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let at = now();
    let id = lost(&stage, "hello", at).await;
    let app = app(&stage, &carrier);
    assert_eq!(handle(&app, at).await.unwrap(), Tally { open: 1, ..Tally::default() });
    assert_eq!(state(&stage, &id).await, DeliveryState::Unknown);
    assert_eq!(handle(&app, at + GRACE).await.unwrap().resolved, 1);
    let message = stage.message(&id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed).unwrap().code.as_deref(), Some("not_accepted"));
    assert!(stage.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_copy_at_the_carrier_settles_one_of_two_equal_texts() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let at = now();
    let (one, two) = (lost(&stage, "same", at).await, lost(&stage, "same", at).await);
    at_the_carrier(&stage, &carrier, "same").await;
    let app = app(&stage, &carrier);
    assert_eq!(handle(&app, at).await.unwrap(), Tally { resolved: 1, open: 1, ..Tally::default() });
    let states = [state(&stage, &one).await, state(&stage, &two).await];
    assert!(states.contains(&DeliveryState::Unknown), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_came_meanwhile_needs_no_question() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let id = lost(&stage, "hello", now()).await;
    let delivered = Report::at(now());
    let messages = Messages::new(stage.table());
    messages
        .report(stage.organization(), &id, DeliveryState::Delivered, &delivered, Some("SM1"))
        .await
        .unwrap();
    assert_eq!(handle(&app(&stage, &carrier), now()).await.unwrap().resolved, 1);
    assert_eq!(stage.outbox().unknown().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_queued_is_counted_and_stays() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let long_ago = now() - Duration::from_secs(600);
    stage.accepted("hello", long_ago).await;
    assert_eq!(handle(&app(&stage, &carrier), now()).await.unwrap(), Tally { failed: 1, ..Tally::default() });
    assert_eq!(stage.outbox().overdue(now()).await.unwrap().len(), 1);
}
