//! `outbox-relay` and `send-reconcile`: notices on their way to the mail queue.

use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event;
use outbox_relay::{App, Queues, handle};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, SendQueue},
    messaging::SWEEP_AFTER,
    notification::Notices,
};
use shared_domain::{
    ids::{ContactId, UserId},
    notice::{Notification, NotificationKind},
    registration::CarrierReason,
    time::Timestamp,
};

use test_kit::queue::FakeQueue as Queue;

use crate::stage::{Carrier, Stage, now};

const DOWN: &str = "http://127.0.0.1:9";

fn told(queue: &Queue) -> Vec<Notification> {
    queue.bodies().iter().map(|body| Notices::of_text(body).unwrap()).collect()
}

fn mail(url: &str) -> MailQueue {
    MailQueue::new(&Aws::loopback(url), format!("{url}/mail"))
}

fn media(url: &str) -> MediaQueue {
    MediaQueue::new(&Aws::loopback(url), format!("{url}/media"))
}

fn sends(url: &str) -> SendQueue {
    SendQueue::new(&Aws::loopback(url), format!("{url}/queue.fifo"))
}

fn relay(stage: &Stage, queue: &str) -> App {
    let queues = Queues { messages: sends(DOWN), notifications: mail(queue), media: media(DOWN) };
    App::new(&stage.table(), queues)
}

fn reconcile(stage: &Stage, carrier: &Carrier, queue: &str) -> send_reconcile::App {
    let carrier = carrier.client_with_timeout(Duration::from_secs(2));
    let queues = Queues { messages: sends(DOWN), notifications: mail(queue), media: media(DOWN) };
    send_reconcile::App::new(stage.table(), carrier, queues, Duration::from_secs(300))
}

fn notice(stage: &Stage, id: &str, subject: NotificationKind, at: Timestamp) -> Notification {
    Notification {
        id: id.into(),
        organization: stage.organization().clone(),
        team: stage.account.team.id.clone(),
        subject,
        at,
        admins: vec![UserId::parse("ada").unwrap()],
    }
}

/// One of each kind, as they stand in the table.
async fn left(stage: &Stage, at: Timestamp) -> Vec<Notification> {
    let reasons = vec![CarrierReason { code: 30886, detail: "The description does not fit.".into() }];
    let contact = ContactId::parse("con_1").unwrap();
    let added =
        NotificationKind::ContactAdded { contact: contact.clone(), by: UserId::parse("ada").unwrap() };
    let unknown = NotificationKind::UnknownContact { contact, inbox: stage.account.inbox.id.clone() };
    let notices = vec![
        notice(stage, "a-approved", NotificationKind::RegistrationApproved, at),
        notice(stage, "b-rejected", NotificationKind::RegistrationRejected(reasons.clone()), at),
        notice(stage, "c-suspended", NotificationKind::RegistrationSuspended(reasons), at),
        notice(stage, "d-added", added, at),
        notice(stage, "e-unknown", unknown, at),
    ];
    for notice in &notices {
        Notices::new(stage.table()).enqueue(notice).await.unwrap();
    }
    notices
}

/// The rows that the table holds for notices, as its stream shows them.
async fn inserted(stage: &Stage) -> Vec<Value> {
    use aws_sdk_dynamodb::{Client, types::AttributeValue};
    let client = Client::from_conf(stage.engine.aws.dynamodb_config().build());
    let found = client
        .query()
        .table_name(test_kit::engine::TABLE)
        .key_condition_expression("pk = :notices")
        .expression_attribute_values(":notices", AttributeValue::S("OUTBOX#MAIL".into()))
        .send()
        .await
        .unwrap();
    found.items().iter().map(|row| record("INSERT", &AttributeValue::M(row.clone()))).collect()
}

fn record(name: &str, row: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    let image = &wire(row)["M"];
    json!({
        "eventID": "1", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
        },
    })
}

/// An attribute as DynamoDB writes it.
fn wire(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue as A;
    match value {
        A::S(text) => json!({ "S": text }),
        A::N(number) => json!({ "N": number }),
        A::Bool(yes) => json!({ "BOOL": yes }),
        A::Null(_) => json!({ "NULL": true }),
        A::L(items) => json!({ "L": items.iter().map(wire).collect::<Vec<_>>() }),
        A::M(fields) => {
            let fields: serde_json::Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
            json!({ "M": fields })
        }
        other => panic!("{other:?}"),
    }
}

fn event(records: Vec<Value>) -> Event {
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

async fn waiting(stage: &Stage) -> Vec<Notification> {
    let long_after = now() + SWEEP_AFTER + SWEEP_AFTER;
    Notices::new(stage.table()).overdue(long_after).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_to_the_mail_queue_as_it_was_left_and_its_row_is_removed() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    let notices = left(&stage, now()).await;
    let records = inserted(&stage).await;
    assert_eq!(records.len(), 5);
    handle(&relay(&stage, &queue.url), event(records)).await.unwrap();
    assert_eq!((told(&queue), waiting(&stage).await), (notices, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_goes_or_cannot_be_read_is_passed_over() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    left(&stage, now()).await;
    let mut records = inserted(&stage).await;
    records.truncate(3);
    records[0]["eventName"] = "REMOVE".into();
    records[1]["dynamodb"]["NewImage"]["subject"] = json!({ "S": "something else" });
    records[1]["dynamodb"]["NewImage"]["kind"] = json!({ "S": "something else" });
    records[1]["dynamodb"]["NewImage"]["at"] = json!({ "S": "never" });
    handle(&relay(&stage, &queue.url), event(records)).await.unwrap();
    let names: Vec<_> = told(&queue).into_iter().map(|notice| notice.id).collect();
    assert_eq!((names.as_slice(), waiting(&stage).await.len()), (&["c-suspended".to_owned()][..], 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_down_fails_the_invocation_and_the_row_is_found_again() {
    let stage = Stage::set().await;
    let notices = left(&stage, now()).await;
    let records = inserted(&stage).await;
    let failed = handle(&relay(&stage, DOWN), event(records)).await.unwrap_err();
    assert_eq!((failed.failed, failed.all), (5, 5));
    assert_eq!(waiting(&stage).await, notices);
    assert_eq!(Notices::new(stage.table()).overdue(now()).await.unwrap(), [], "not before its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_notice_that_the_queue_refuses_stays_and_the_others_go() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    left(&stage, now()).await;
    queue.refuse(&["1"]);
    let records = inserted(&stage).await;
    let failed = handle(&relay(&stage, &queue.url), event(records.clone())).await.unwrap_err();
    assert_eq!((failed.failed, failed.all, told(&queue).len()), (1, 5, 4));
    let names: Vec<_> = waiting(&stage).await.into_iter().map(|notice| notice.id).collect();
    assert_eq!(names, ["b-rejected"]);
    queue.refuse(&[]);
    handle(&relay(&stage, &queue.url), event(records)).await.unwrap();
    assert_eq!(waiting(&stage).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_queued_holds_up_no_notice() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    left(&stage, now()).await;
    let id = stage.accepted("hello", now()).await;
    let image = json!({
        "pk": { "S": "OUTBOX#1" }, "sk": { "S": id.as_str() }, "org": { "S": "org_1" },
        "at": { "N": now().millis().to_string() },
    });
    let mut records = inserted(&stage).await;
    let mut text = records[0].clone();
    text["dynamodb"]["NewImage"] = image;
    records.insert(0, text);
    let failed = handle(&relay(&stage, &queue.url), event(records)).await.unwrap_err();
    assert_eq!((failed.failed, failed.all, told(&queue).len()), (1, 6, 5));
    assert_eq!(waiting(&stage).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_left_behind_is_queued_by_the_sweep_after_its_time() {
    let (stage, queue, carrier) = (Stage::set().await, Queue::start().await, Carrier::start().await);
    let at = now();
    let notices = left(&stage, at).await;
    let run = async |queue: &str, at: Timestamp| {
        let tally = send_reconcile::handle(&reconcile(&stage, &carrier, queue), at).await.unwrap();
        (tally.queued, tally.failed)
    };
    assert_eq!(run(&queue.url, at + SWEEP_AFTER).await, (0, 0), "the relay's still");
    let late = at + SWEEP_AFTER + Duration::from_millis(1);
    assert_eq!(run(DOWN, late).await, (0, 5));
    assert_eq!(waiting(&stage).await, notices, "for the next run");
    queue.refuse(&["0"]);
    assert_eq!(run(&queue.url, late).await, (4, 1));
    queue.refuse(&[]);
    assert_eq!((run(&queue.url, late).await, run(&queue.url, late).await), ((1, 0), (0, 0)));
    let mut told = told(&queue);
    told.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!((told, waiting(&stage).await), (notices, Vec::new()));
}
