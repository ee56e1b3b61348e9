//! `outbound-send`: the answers of the carrier, and the claim that prevents a second attempt.

use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use outbound_send::{App, handle};
use serde_json::json;
use shared_aws::{messaging::Messages, opt_out::OptOuts};
use shared_domain::{ids::MessageId, message::DeliveryState};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp,
    lambda_event::{event, sqs_record},
    twilio::callbacks,
};

use crate::delivery_status::{is_out_by_carrier, opt_in, opted_out_scopes};

const MAX_RECEIVES: u32 = 3;

fn app(test: &TestApp) -> App {
    App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        test.carrier.client_with_timeout(Duration::from_millis(400)),
        callbacks(),
        MAX_RECEIVES,
    )
}

fn job(test: &TestApp, message: &MessageId) -> String {
    json!({ "organizationId": test.organization().as_str(), "messageId": message.as_str() }).to_string()
}

/// Delivers queue messages. Returns the ids of those that the queue must deliver again.
async fn deliver(app: &App, records: Vec<serde_json::Value>) -> Vec<String> {
    let response: SqsBatchResponse = handle(app, clock::now, clock::entropy, event(records)).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

async fn state(test: &TestApp, id: &MessageId) -> DeliveryState {
    test.message(id).await.delivery.state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_however_often_the_queue_delivers_it() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let app = app(&test);
    let body = job(&test, &id);
    for receives in 1..=3 {
        assert!(deliver(&app, vec![sqs_record("a", Some("g"), &body, receives)]).await.is_empty());
    }
    assert_eq!(state(&test, &id).await, DeliveryState::Sent);
    assert!(test.message(&id).await.carrier_id.is_some());
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_refusal_fails_with_the_carriers_code_and_shows_on_the_conversation() {
    let test = TestApp::start().await;
    test.carrier.fault("refuse:21610", "1").await;
    let id = test.accept_message("hello", now()).await;
    assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await.is_empty());
    let message = test.message(&id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed).unwrap().code.as_deref(), Some("21610"));
    assert!(test.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_completes_the_opt_out_of_a_message_that_the_carrier_refused() {
    let mut completed = 0;
    for requests in 2..40 {
        let test = TestApp::start().await;
        test.carrier.fault("refuse:21610", "1").await;
        let id = test.accept_message("hello", now()).await;
        let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
        let crashing = App::new(
            test.engine.crashing_table(requests),
            TestApp::unreachable_bucket(),
            test.carrier.client_with_timeout(Duration::from_millis(400)),
            callbacks(),
            MAX_RECEIVES,
        );
        let crashed = !deliver(&crashing, record()).await.is_empty();
        deliver(&app(&test), record()).await;
        if state(&test, &id).await == DeliveryState::Failed {
            let subject = test.message(&id).await.carrier_opt_out(test.organization());
            let record = OptOuts::new(test.table()).get(&subject).await.unwrap();
            assert!(record.state.is_out(), "{requests}");
            completed += 1;
        }
        if !crashed {
            assert!(completed > 1, "some crash came between the report and the opt-out");
            return;
        }
    }
    panic!("the host always crashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_does_not_opt_out_a_contact_who_has_opted_in_since() {
    let test = TestApp::start().await;
    test.carrier.fault("refuse:21610", "1").await;
    let id = test.accept_message("hello", now()).await;
    let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
    assert!(deliver(&app(&test), record()).await.is_empty());
    assert!(is_out_by_carrier(&test, &id).await);
    opt_in(&test, &id).await;
    assert!(deliver(&app(&test), record()).await.is_empty());
    assert!(!is_out_by_carrier(&test, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_opt_out_keeps_changing_is_delivered_again_and_not_sent_again() {
    let test = TestApp::start().await;
    test.carrier.fault("refuse:21610", "1").await;
    let id = test.accept_message("hello", now()).await;
    let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
    let contended = App::new(
        test.engine.contended_table(),
        TestApp::unreachable_bucket(),
        test.carrier.client(),
        callbacks(),
        MAX_RECEIVES,
    );
    assert_eq!(deliver(&contended, record()).await, ["a"]);
    assert!(!is_out_by_carrier(&test, &id).await);
    assert!(deliver(&app(&test), record()).await.is_empty());
    assert!(is_out_by_carrier(&test, &id).await);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_message_from_a_personal_inbox_opts_out_of_personal_inboxes_only() {
    let test = TestApp::with_personal_inbox().await;
    test.carrier.fault("refuse:21610", "1").await;
    let id = test.accept_message("hello", now()).await;
    assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await.is_empty());
    assert_eq!(opted_out_scopes(&test).await, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limited_message_is_delivered_again_and_sent_once() {
    let test = TestApp::start().await;
    test.carrier.fault("rate-limit", "1").await;
    let id = test.accept_message("hello", now()).await;
    let (app, body) = (app(&test), job(&test, &id));
    assert_eq!(deliver(&app, vec![sqs_record("a", Some("g"), &body, 1)]).await, ["a"]);
    assert_eq!(state(&test, &id).await, DeliveryState::Queued);
    assert!(deliver(&app, vec![sqs_record("a", Some("g"), &body, 2)]).await.is_empty());
    assert_eq!(state(&test, &id).await, DeliveryState::Sent);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_attempt_ends_in_failed_and_not_in_the_dead_letter_queue() {
    let test = TestApp::start().await;
    test.carrier.fault("rate-limit", "1").await;
    let id = test.accept_message("hello", now()).await;
    assert!(
        deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), MAX_RECEIVES)])
            .await
            .is_empty()
    );
    assert_eq!(state(&test, &id).await, DeliveryState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_is_reconciled_and_never_sent_again() {
    for fault in ["error-before", "error-after", "timeout-after"] {
        let test = TestApp::start().await;
        test.carrier.fault(fault, "1").await;
        let id = test.accept_message("hello", now()).await;
        let (app, body) = (app(&test), job(&test, &id));
        for receives in 1..=2 {
            assert!(
                deliver(&app, vec![sqs_record("a", Some("g"), &body, receives)]).await.is_empty(),
                "{fault}"
            );
        }
        assert_eq!(state(&test, &id).await, DeliveryState::Unknown, "{fault}");
        let unknown = test.outbox().unknown().await.unwrap();
        assert_eq!(unknown.into_iter().map(|entry| entry.message).collect::<Vec<_>>(), [id], "{fault}");
        assert!(test.carrier.accepted_messages(&test.contact).await <= 1, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_attempt_is_unknown_without_a_second_call() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    Messages::new(test.table()).claim(test.organization(), &id, 7, now()).await.unwrap();
    assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 2)]).await.is_empty());
    assert_eq!(state(&test, &id).await, DeliveryState::Unknown);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_goes_to_the_dead_letter_queue_and_blocks_only_its_group() {
    let test = TestApp::start().await;
    let (first, second) = (test.accept_message("one", now()).await, test.accept_message("two", now()).await);
    let unknown =
        json!({ "organizationId": "org_1", "messageId": second.as_str().replace("msg_0", "msg_1") });
    let records = vec![
        sqs_record("poison", Some("g1"), "not JSON", 1),
        sqs_record("behind", Some("g1"), &job(&test, &first), 1),
        sqs_record("unknown", Some("g2"), &unknown.to_string(), 1),
        sqs_record("fine", Some("g3"), &job(&test, &second), 1),
    ];
    let failed = deliver(&app(&test), records).await;
    assert_eq!(failed, ["poison", "behind", "unknown"]);
    assert_eq!(state(&test, &first).await, DeliveryState::Queued, "the order within a conversation is kept");
    assert_eq!(state(&test, &second).await, DeliveryState::Sent, "other conversations continue");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_table_the_carrier_is_not_called() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let app = App::new(
        TestApp::unreachable_table(),
        TestApp::unreachable_bucket(),
        test.carrier.client_with_timeout(Duration::from_secs(1)),
        callbacks(),
        MAX_RECEIVES,
    );
    assert_eq!(deliver(&app, vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await, ["a"]);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0);
}
