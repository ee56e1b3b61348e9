//! `outbox-relay`: stream records of outbox items, and a queue that does not answer.

mod notifications;

use outbox_relay::{App, Queues, handle, items};
use serde_json::{Value, json};
use shared_aws::messaging::SWEEP_AFTER;
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    lambda_event::{event, stream_record},
    queue::{mail_queue, media_queue, send_queue},
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
        messages: send_queue(NO_SERVICE),
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
