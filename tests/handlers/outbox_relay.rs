//! `outbox-relay`: stream records of outbox items, and a queue that does not answer.

mod notifications;

use std::time::Duration;

use outbox_relay::{App, Queues, handle, items};
use serde_json::{Value, json};
use shared_aws::{
    clients::SendJob,
    messaging::{OutboxEntry, SWEEP_AFTER},
};
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, ConversationId, MessageId},
    message::Message,
};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    build,
    lambda_event::{event, stream_record},
    queue::{mail_queue, media_queue, send_queues},
};

fn outbox_record(operation: &str, message: &str, organization: Option<&str>) -> Value {
    let mut image = json!({
        "pk": { "S": "OUTBOX#1" }, "sk": { "S": message }, "at": { "N": "1795341600000" },
    });
    if let Some(organization) = organization {
        image["org"] = json!({ "S": organization });
    }
    stream_record(operation, &image)
}

#[test]
fn inserted_items_are_read_in_order_and_other_records_are_skipped() {
    let found = items(event(vec![
        outbox_record("INSERT", "msg_1", Some("org_1")),
        outbox_record("REMOVE", "msg_2", Some("org_1")),
        outbox_record("INSERT", "msg_3", None),
        outbox_record("INSERT", "msg_4", Some("org_1")),
    ]));
    let names: Vec<_> = found.messages.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(names, ["msg_1", "msg_4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_answer_fails_the_invocation_and_the_item_stays_for_the_sweep() {
    let test = TestApp::start().await;
    let long_ago = now() - SWEEP_AFTER - SWEEP_AFTER;
    let id = test.accept_message("hello", long_ago).await;
    let queues = Queues {
        messages: send_queues(NO_SERVICE),
        notifications: mail_queue(NO_SERVICE),
        media: media_queue(NO_SERVICE),
    };
    let app = App::new(&test.table(), queues);
    let failed =
        handle(&app, event(vec![outbox_record("INSERT", id.as_str(), Some("org_1"))])).await.unwrap_err();
    assert_eq!((failed.failed, failed.all), (1, 1));
    let overdue = test.outbox().overdue(now()).await.unwrap();
    assert_eq!(overdue, [test.outbox_entry(&id, long_ago)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_broadcasts_have_a_queue_of_their_own() {
    let test = TestApp::start().await;
    let long_ago = now() - SWEEP_AFTER - SWEEP_AFTER;
    let mut accepted = Vec::new();
    for (index, of_broadcast) in [true, false, true].into_iter().enumerate() {
        let at = long_ago + Duration::from_secs(index as u64);
        let message = build::message(&test.inbox, &test.contact, &test.user, at, entropy());
        let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
        accepted.push(test.accept(Message { broadcast: of_broadcast.then_some(of), ..message }).await);
    }
    let entries = test.outbox().overdue(now()).await.unwrap();
    let marks: Vec<_> = entries.iter().map(|entry| (&entry.message, entry.of_broadcast)).collect();
    assert_eq!(marks, [(&accepted[0], true), (&accepted[1], false), (&accepted[2], true)]);
    let record = |entry: &OutboxEntry| {
        let mut record = outbox_record("INSERT", entry.message.as_str(), Some("org_1"));
        if entry.of_broadcast {
            record["dynamodb"]["NewImage"]["broadcast"] = json!({ "BOOL": true });
        }
        record
    };
    let queues = Queues {
        messages: send_queues(&test.queue.url),
        notifications: mail_queue(NO_SERVICE),
        media: media_queue(NO_SERVICE),
    };
    let app = App::new(&test.table(), queues);
    handle(&app, event(entries.iter().map(record).collect())).await.unwrap();
    assert_eq!(test.queue.drain_names(), ["send.fifo", "broadcast-send.fifo", "broadcast-send.fifo"]);
    assert_eq!(test.outbox().overdue(now()).await.unwrap(), []);
}

/// The messages of a conversation are one group of the queue, so the second must not overtake the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_queued_holds_back_the_later_ones_of_its_conversation_only() {
    let test = TestApp::start().await;
    let start = now();
    let conversation = |index: u64| ConversationId::new(start, index);
    let id = |of: u64, index: u64| {
        MessageId::in_conversation(&conversation(of), start + Duration::from_secs(index), index)
    };
    let ids = [id(1, 1), id(2, 2), id(1, 3), id(2, 4), id(1, 5)];
    let records: Vec<_> = ids.iter().map(|id| outbox_record("INSERT", id.as_str(), Some("org_1"))).collect();
    let queues = Queues {
        messages: send_queues(&test.queue.url),
        notifications: mail_queue(NO_SERVICE),
        media: media_queue(NO_SERVICE),
    };
    let queued = || {
        let bodies = test.queue.drain().into_iter();
        bodies.map(|body| SendJob::parse(&body).unwrap().message).collect::<Vec<_>>()
    };
    let app = App::new(&test.table(), queues);
    test.queue.refuse(&["0"]);
    let failed = handle(&app, event(records.clone())).await.unwrap_err();
    assert_eq!((failed.failed, failed.all), (3, 5));
    assert_eq!(queued(), [ids[1].clone(), ids[3].clone()]);
    test.queue.refuse(&[]);
    handle(&app, event(records)).await.unwrap();
    let of_first: Vec<_> =
        queued().into_iter().filter(|id| id.conversation() == Some(conversation(1))).collect();
    assert_eq!(of_first, [ids[0].clone(), ids[2].clone(), ids[4].clone()]);
}
