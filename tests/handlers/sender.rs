//! `outbound-send`: the three answers of a carrier, and the claim.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use outbound_send::{App, handle};
use serde_json::{Value, json};
use shared_aws::messaging::Messages;
use shared_domain::{ids::MessageId, message::DeliveryState};
use shared_lambda::clock;

use crate::stage::{Carrier, Stage, callbacks, no_bucket, now};

const TRIES: u32 = 3;

fn app(stage: &Stage, carrier: &Carrier) -> App {
    App::new(
        stage.table(),
        no_bucket(),
        carrier.client_with_timeout(Duration::from_millis(400)),
        callbacks(),
        TRIES,
    )
}

fn job(stage: &Stage, message: &MessageId) -> String {
    json!({ "organizationId": stage.organization().as_str(), "messageId": message.as_str() }).to_string()
}

fn record(id: &str, group: &str, body: &str, receives: u32) -> Value {
    json!({
        "messageId": id, "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receives.to_string(), "MessageGroupId": group,
                        "MessageDeduplicationId": id, "SequenceNumber": "1", "SentTimestamp": "1795341600000" },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:send.fifo",
        "awsRegion": "us-east-1",
    })
}

async fn deliver(app: &App, records: Vec<Value>) -> Vec<String> {
    let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let SqsBatchResponse { batch_item_failures, .. } = handle(app, clock::now, clock::entropy, event).await;
    batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

async fn state(stage: &Stage, id: &MessageId) -> DeliveryState {
    stage.message(id).await.delivery.state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_sent_once_however_often_the_queue_delivers_it() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let id = stage.accepted("hello", now()).await;
    let app = app(&stage, &carrier);
    let body = job(&stage, &id);
    for receives in 1..=3 {
        assert!(deliver(&app, vec![record("a", "g", &body, receives)]).await.is_empty());
    }
    assert_eq!(state(&stage, &id).await, DeliveryState::Sent);
    assert!(stage.message(&id).await.carrier_id.is_some());
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_fails_with_the_carriers_code_and_shows_in_the_thread() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    carrier.fault("refuse:21610", "1").await;
    let id = stage.accepted("hello", now()).await;
    assert!(deliver(&app(&stage, &carrier), vec![record("a", "g", &job(&stage, &id), 1)]).await.is_empty());
    let message = stage.message(&id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed).unwrap().code.as_deref(), Some("21610"));
    assert!(stage.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_come_again_and_are_sent_once() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    carrier.fault("rate-limit", "1").await;
    let id = stage.accepted("hello", now()).await;
    let (app, body) = (app(&stage, &carrier), job(&stage, &id));
    assert_eq!(deliver(&app, vec![record("a", "g", &body, 1)]).await, ["a"]);
    assert_eq!(state(&stage, &id).await, DeliveryState::Queued);
    assert!(deliver(&app, vec![record("a", "g", &body, 2)]).await.is_empty());
    assert_eq!(state(&stage, &id).await, DeliveryState::Sent);
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_try_ends_in_failed_and_not_among_the_dead_letters() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    carrier.fault("rate-limit", "1").await;
    let id = stage.accepted("hello", now()).await;
    assert!(
        deliver(&app(&stage, &carrier), vec![record("a", "g", &job(&stage, &id), TRIES)]).await.is_empty()
    );
    assert_eq!(state(&stage, &id).await, DeliveryState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_is_asked_about_and_never_sent_again() {
    for fault in ["error-before", "error-after", "timeout-after"] {
        let (stage, carrier) = (Stage::set().await, Carrier::start().await);
        carrier.fault(fault, "1").await;
        let id = stage.accepted("hello", now()).await;
        let (app, body) = (app(&stage, &carrier), job(&stage, &id));
        for receives in 1..=2 {
            assert!(deliver(&app, vec![record("a", "g", &body, receives)]).await.is_empty(), "{fault}");
        }
        assert_eq!(state(&stage, &id).await, DeliveryState::Unknown, "{fault}");
        let open = stage.outbox().unknown().await.unwrap();
        assert_eq!(open.into_iter().map(|entry| entry.message).collect::<Vec<_>>(), [id], "{fault}");
        assert!(carrier.accepted_messages(&stage.contact).await <= 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_broke_off_is_unknown_without_a_second_call() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let id = stage.accepted("hello", now()).await;
    Messages::new(stage.table()).claim(stage.organization(), &id, 7, now()).await.unwrap();
    assert!(deliver(&app(&stage, &carrier), vec![record("a", "g", &job(&stage, &id), 2)]).await.is_empty());
    assert_eq!(state(&stage, &id).await, DeliveryState::Unknown);
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_comes_again_until_the_dead_letters_and_holds_up_its_group_alone() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let (first, second) = (stage.accepted("one", now()).await, stage.accepted("two", now()).await);
    let nobody = json!({ "organizationId": "org_1", "messageId": second.as_str().replace("msg_0", "msg_1") });
    let records = vec![
        record("poison", "g1", "not JSON", 1),
        record("behind", "g1", &job(&stage, &first), 1),
        record("nobody", "g2", &nobody.to_string(), 1),
        record("fine", "g3", &job(&stage, &second), 1),
    ];
    let failed = deliver(&app(&stage, &carrier), records).await;
    assert_eq!(failed, ["poison", "behind", "nobody"]);
    assert_eq!(state(&stage, &first).await, DeliveryState::Queued, "order is kept within a conversation");
    assert_eq!(state(&stage, &second).await, DeliveryState::Sent, "other conversations go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_before_the_call_means_no_call() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let id = stage.accepted("hello", now()).await;
    let app = App::new(
        Stage::dead_table(),
        no_bucket(),
        carrier.client_with_timeout(Duration::from_secs(1)),
        callbacks(),
        TRIES,
    );
    assert_eq!(deliver(&app, vec![record("a", "g", &job(&stage, &id), 1)]).await, ["a"]);
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 0);
}
