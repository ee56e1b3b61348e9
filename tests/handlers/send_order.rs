//! `outbound-send`: the order of a conversation whose messages are in two queues.

use std::time::Duration;

use outbound_send::{App, handle};
use serde_json::Value;
use shared_aws::{
    messaging::{Deliveries, Messages},
    sending::{Paces, SendingPauses},
};
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, MessageId},
    message::{DeliveryState, Message, Report},
    pace::{CarrierLimit, Restraint},
    sending_pause::PauseCause,
    time::Timestamp,
};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    TestApp, build,
    lambda_event::{event, sqs_record},
};

use crate::{
    delivery_status::set_opt_out,
    outbound_send::{app, deliver, job, state},
};

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
    assert!(matches!(test.queue.drain_delays()[..], [2..=15]));
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

/// Delivers the message at this time after `start`. Returns the seconds for which it is hidden, or `None` if
/// it was sent.
async fn deliver_at(
    test: &TestApp,
    app: &App,
    start: Timestamp,
    after: Duration,
    (id, queue): (&MessageId, &str),
) -> Option<u64> {
    let record = record(test, id, queue);
    let failures =
        handle(app, || start + after, entropy, event(vec![record])).await.batch_item_failures.len();
    let delays = test.queue.drain_delays();
    assert_eq!(failures, delays.len());
    delays.first().copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_got_stuck_holds_replies_for_four_hours_and_they_look_less_and_less_often() {
    let test = TestApp::start().await;
    let (app, start) = (app(&test), now());
    release(&test, start).await;
    let reply = reply(&test, start + Duration::from_secs(1)).await;
    let mut delays = Vec::new();
    for seconds in [2, 51, 601, 14_399, 14_400] {
        let after = Duration::from_secs(seconds);
        delays.push(deliver_at(&test, &app, start, after, (&reply, MESSAGES)).await);
    }
    assert_eq!(delays, [Some(2), Some(5), Some(60), Some(60), None]);
    assert_eq!(state(&test, &reply).await, DeliveryState::Sent);
}

/// In a pause or a hold all messages wait. Their age says nothing about whether one is stuck.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_keeps_its_order_after_a_long_pause_and_a_long_hold() {
    for (ending, first_is_text) in [("pause", true), ("pause", false), ("hold", true), ("hold", false)] {
        let test = TestApp::start().await;
        let (app, start, hours) = (app(&test), now(), Duration::from_hours(6));
        let end = start + hours;
        let (pauses, paces) = (SendingPauses::new(test.table()), Paces::new(test.table()));
        match ending {
            "pause" => {
                pauses
                    .pause_automatically(test.organization(), PauseCause::CarrierDown, start)
                    .await
                    .unwrap();
            }
            _ => {
                let hold = Restraint { limit: CarrierLimit::Daily, until: end };
                paces.restrain(test.inbox.key(), hold, start).await.unwrap();
            }
        }
        let later = start + Duration::from_secs(1);
        let (first, second) = if first_is_text {
            ((release(&test, start).await, TEXTS), (reply(&test, later).await, MESSAGES))
        } else {
            ((reply(&test, start).await, MESSAGES), (release(&test, later).await, TEXTS))
        };
        let at = async |after: Duration, of: &(MessageId, &str)| {
            deliver_at(&test, &app, start, after, (&of.0, of.1)).await
        };
        let waits = at(Duration::from_mins(5), &second).await.unwrap();
        assert!(
            waits >= if ending == "pause" { 30 } else { 20_000 },
            "{ending}: it does not look for the other message, but waits {waits} s"
        );
        if ending == "pause" {
            pauses.resume(test.organization(), end).await.unwrap();
        }
        assert_eq!(at(hours, &second).await, Some(60), "{ending}, text first: {first_is_text}");
        assert_eq!(at(hours, &first).await, None, "{ending}");
        assert_eq!(at(hours + Duration::from_secs(2), &second).await, None, "{ending}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_holds_a_reply_while_its_outcome_is_unknown_and_when_it_is_queued_again() {
    let test = TestApp::start().await;
    let (app, start, hour) = (app(&test), now(), Duration::from_hours(1));
    let text = release(&test, start).await;
    let reply = reply(&test, start + Duration::from_secs(1)).await;
    Messages::new(test.table()).claim(test.organization(), &text, 7, start).await.unwrap();
    let reply_after = async || deliver_at(&test, &app, start, hour, (&reply, MESSAGES)).await;
    let text_after = async |after| deliver_at(&test, &app, start, after, (&text, TEXTS)).await;
    assert_eq!(reply_after().await, Some(60), "the text is being sent");
    assert_eq!(text_after(Duration::ZERO).await, Some(15), "unknown now");
    assert_eq!(reply_after().await, Some(60), "unknown");
    let unknown_at = test.message(&text).await.delivery.report(DeliveryState::Unknown).unwrap().at;
    assert!(Messages::new(test.table()).requeue(test.organization(), &text, unknown_at).await.unwrap());
    assert_eq!(reply_after().await, Some(60), "queued again");
    assert_eq!((text_after(hour).await, reply_after().await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_waits_for_no_other() {
    let test = TestApp::start().await;
    let app = app(&test);
    release(&test, now()).await;
    let reply = reply(&test, now() + Duration::from_secs(1)).await;
    set_opt_out(&test, &reply, true).await;
    assert_eq!(deliver(&app, vec![record(&test, &reply, MESSAGES)]).await, [""; 0]);
    assert_eq!(state(&test, &reply).await, DeliveryState::Failed);
}
