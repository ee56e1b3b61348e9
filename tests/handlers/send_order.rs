//! `outbound-send`: the order of a conversation whose messages are in two queues.

use std::time::Duration;

use outbound_send::{App, handle};
use serde_json::Value;
use shared_aws::messaging::{Deliveries, Messages};
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, MessageId},
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    TestApp, build,
    lambda_event::{event, sqs_record},
};

use crate::outbound_send::{app, deliver, job, state};

const MESSAGES: &str = "arn:aws:sqs:us-east-1:000000000000:send.fifo";
const TEXTS: &str = "arn:aws:sqs:us-east-1:000000000000:broadcast-send.fifo";

/// A message of the queue with this ARN.
fn record(test: &TestApp, id: &MessageId, queue: &str) -> Value {
    let mut record = sqs_record("a", Some("g"), &job(test, id), 1);
    record["eventSourceARN"] = queue.into();
    record
}

/// Releases the text of a broadcast to the contact.
async fn release(test: &TestApp, at: Timestamp) -> MessageId {
    let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
    let message = build::message(&test.inbox, &test.contact, &test.user, at, entropy());
    test.accept(Message { broadcast: Some(of), ..message }).await
}

async fn reply(test: &TestApp, at: Timestamp) -> MessageId {
    test.accept_message("A reply", at).await
}

/// Delivers the later message first, and then both in their order.
async fn assert_sent_in_order(
    test: &TestApp,
    app: &App,
    first: (&MessageId, &str),
    second: (&MessageId, &str),
) {
    assert_eq!(deliver(app, vec![record(test, second.0, second.1)]).await, ["a"], "it waits for the first");
    assert_eq!(state(test, second.0).await, DeliveryState::Queued);
    let queue = second.1.rsplit(':').next().unwrap();
    assert_eq!(test.queue.drain_names(), [queue], "it is delayed in its own queue");
    assert!(matches!(test.queue.drain_delays()[..], [2]));
    for (id, queue) in [first, second] {
        assert_eq!(deliver(app, vec![record(test, id, queue)]).await, [""; 0]);
        assert_eq!(state(test, id).await, DeliveryState::Sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_and_a_text_of_a_broadcast_in_one_conversation_keep_their_order() {
    let test = TestApp::start().await;
    let (app, start) = (app(&test), now() - Duration::from_secs(60));
    let at = |seconds| start + Duration::from_secs(seconds);
    let (reply_1, text, reply_2) =
        (reply(&test, at(0)).await, release(&test, at(10)).await, reply(&test, at(20)).await);
    assert_sent_in_order(&test, &app, (&reply_1, MESSAGES), (&text, TEXTS)).await;
    let text_2 = release(&test, at(30)).await;
    assert_eq!(deliver(&app, vec![record(&test, &reply_2, MESSAGES)]).await, [""; 0], "nothing is before it");
    assert_eq!(deliver(&app, vec![record(&test, &text_2, TEXTS)]).await, [""; 0], "nothing is before it");
    let (text_3, reply_3) = (release(&test, at(40)).await, reply(&test, at(50)).await);
    assert_sent_in_order(&test, &app, (&text_3, TEXTS), (&reply_3, MESSAGES)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_waits_for_a_text_of_unknown_outcome_and_not_for_one_that_failed() {
    let test = TestApp::start().await;
    let (app, start) = (app(&test), now() - Duration::from_secs(60));
    let text = release(&test, start).await;
    let reply = reply(&test, start + Duration::from_secs(1)).await;
    Messages::new(test.table()).claim(test.organization(), &text, 7, now()).await.unwrap();
    assert_eq!(deliver(&app, vec![record(&test, &text, TEXTS)]).await, ["a"]);
    assert_eq!(state(&test, &text).await, DeliveryState::Unknown);
    assert_eq!(deliver(&app, vec![record(&test, &reply, MESSAGES)]).await, ["a"]);
    let deliveries = Deliveries::new(test.table());
    let (failed, report) = (DeliveryState::Failed, Report::at(now()));
    deliveries.report(test.organization(), &text, failed, &report, None).await.unwrap();
    assert_eq!(deliver(&app, vec![record(&test, &reply, MESSAGES)]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_got_stuck_holds_replies_for_four_hours_at_most() {
    let test = TestApp::start().await;
    let (app, start) = (app(&test), now());
    release(&test, start).await;
    let reply = reply(&test, start + Duration::from_secs(1)).await;
    let deliver_at = async |minutes| {
        let clock = || start + Duration::from_mins(minutes);
        let done = handle(&app, clock, entropy, event(vec![record(&test, &reply, MESSAGES)])).await;
        done.batch_item_failures.len()
    };
    assert_eq!((deliver_at(239).await, deliver_at(241).await), (1, 0));
    assert_eq!(state(&test, &reply).await, DeliveryState::Sent);
}
