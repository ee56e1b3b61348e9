//! `outbox-relay`: what it reads from the stream, and what it does when the queue does not answer.

use aws_lambda_events::event::dynamodb::Event;
use outbox_relay::{App, Queues, handle, items};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, SendQueue},
    messaging::SWEEP_AFTER,
};

use crate::stage::{Stage, now};

fn record(name: &str, message: &str, organization: Option<&str>) -> Value {
    let mut image = json!({
        "pk": { "S": "OUTBOX#1" }, "sk": { "S": message }, "at": { "N": "1795341600000" },
    });
    if let Some(organization) = organization {
        image["org"] = json!({ "S": organization });
    }
    json!({
        "eventID": "1", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
        },
    })
}

fn event(records: Vec<Value>) -> Event {
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

#[test]
fn inserted_rows_are_read_in_order_and_what_is_none_is_passed_over() {
    let found = items(event(vec![
        record("INSERT", "msg_1", Some("org_1")),
        record("REMOVE", "msg_2", Some("org_1")),
        record("INSERT", "msg_3", None),
        record("INSERT", "msg_4", Some("org_1")),
    ]));
    let names: Vec<_> = found.messages.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(names, ["msg_1", "msg_4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_answer_fails_the_invocation_and_the_row_stays_for_the_sweep() {
    let stage = Stage::set().await;
    let long_ago = now() - SWEEP_AFTER - SWEEP_AFTER;
    let id = stage.accepted("hello", long_ago).await;
    let messages = SendQueue::new(&Aws::loopback("http://127.0.0.1:9"), "http://127.0.0.1:9/queue.fifo");
    let notifications = MailQueue::new(&Aws::loopback("http://127.0.0.1:9"), "http://127.0.0.1:9/mail");
    let media = MediaQueue::new(&Aws::loopback("http://127.0.0.1:9"), "http://127.0.0.1:9/media");
    let app = App::new(&stage.table(), Queues { messages, notifications, media });
    let failed = handle(&app, event(vec![record("INSERT", id.as_str(), Some("org_1"))])).await.unwrap_err();
    assert_eq!((failed.failed, failed.all), (1, 1));
    let left = stage.outbox().overdue(now()).await.unwrap();
    assert_eq!(left, [stage.entry(&id, long_ago)]);
}
