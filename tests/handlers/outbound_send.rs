//! `outbound-send`: the answers of the carrier, and the claim that prevents a second attempt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use outbound_send::{App, handle};
use serde_json::json;
use shared_app::{
    carrier,
    probe::{ProbeWorkflow, Probed},
};
use shared_aws::{messaging::Messages, opt_out::OptOuts, sending::SendingPauses};
use shared_carriers::twilio::{Client, LookupError};
use shared_domain::{
    ids::MessageId,
    inbox::{Inbox, Stage},
    message::DeliveryState,
    registration::RegistrationStatus,
    sending_pause::{MAX_LOST_ANSWERS, PauseCause, SendingPause},
    team::Team,
    time::Timestamp,
};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp,
    carrier::{ACCOUNT, TOKEN, unreachable_client},
    clock::within,
    crash,
    lambda_event::{event, sqs_record},
    queue::received_sends,
    secrets::FakeSecrets,
    twilio::callbacks,
};

use crate::delivery_status::{is_out_by_carrier, opt_in, opted_out_scopes};

const MAX_RECEIVES: u32 = 3;

pub(crate) fn app(test: &TestApp) -> App {
    app_with_carrier(test, test.carrier.client())
}

/// Returns `outbound-send` with another client of the carrier.
fn app_with_carrier(test: &TestApp, carrier: Client) -> App {
    App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        carrier,
        callbacks(),
        received_sends(&test.queue.url),
        MAX_RECEIVES,
    )
}

pub(crate) fn job(test: &TestApp, message: &MessageId) -> String {
    json!({ "organizationId": test.organization().as_str(), "messageId": message.as_str() }).to_string()
}

/// Delivers queue messages. Returns the ids of those that the queue must deliver again.
pub(crate) async fn deliver(app: &App, records: Vec<serde_json::Value>) -> Vec<String> {
    let response: SqsBatchResponse = handle(app, clock::now, clock::entropy, event(records)).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// Asserts that messages that were received often are delayed by this time or up to a minute longer.
fn assert_delayed(test: &TestApp, seconds: u64) {
    let delays = test.queue.drain_delays();
    assert!(!delays.is_empty());
    assert!(delays.iter().all(|delay| (seconds..=seconds + 60).contains(delay)), "{delays:?}");
}

pub(crate) async fn state(test: &TestApp, id: &MessageId) -> DeliveryState {
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
            test.carrier.client(),
            callbacks(),
            received_sends(&test.queue.url),
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
        received_sends(&test.queue.url),
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
async fn a_rate_limited_message_stays_queued_however_often_the_carrier_refuses_it() {
    let test = TestApp::start().await;
    test.carrier.fault("rate-limit", "1").await;
    let id = test.accept_message("hello", now()).await;
    let record = vec![sqs_record("a", Some("g"), &job(&test, &id), 10 * MAX_RECEIVES)];
    assert_eq!(deliver(&app(&test), record).await, ["a"]);
    assert_eq!(state(&test, &id).await, DeliveryState::Queued);
    assert_delayed(&test, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_carrier_refuses_pauses_sending_and_fails_no_message() {
    for fault in ["unauthorized", "suspended", "refuse:20003"] {
        let test = TestApp::start().await;
        test.carrier.fault(fault, "1").await;
        let (first, second) =
            (test.accept_message("one", now()).await, test.accept_message("two", now()).await);
        let app = app(&test);
        let records = || {
            let record = |name, id| sqs_record(name, Some(name), &job(&test, id), 10 * MAX_RECEIVES);
            vec![record("a", &first), record("b", &second)]
        };
        assert_eq!(deliver(&app, records()).await, ["a", "b"], "{fault}");
        assert_delayed(&test, 15);
        let pause = sending_pause(&test).await.expect("sending is paused");
        assert_eq!(pause.cause, PauseCause::AccountRefused, "{fault}");
        assert_eq!(deliver(&app, records()).await, ["a", "b"], "the carrier is well, but not asked yet");
        for id in [&first, &second] {
            assert_eq!(state(&test, id).await, DeliveryState::Queued, "{fault}");
        }

        resume_when_the_carrier_is_well(&test, pause.since).await;
        assert!(deliver(&app, records()).await.is_empty(), "{fault}");
        assert_eq!(test.carrier.accepted_messages(&test.contact).await, 2, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_out_of_service_pauses_sending_and_is_asked_before_the_message_is_sent_again() {
    for (fault, copies) in [("down", 0), ("down-after", 1)] {
        let test = TestApp::start().await;
        test.carrier.fault(fault, "1").await;
        let id = test.accept_message("hello", now()).await;
        let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
        assert_eq!(deliver(&app(&test), record()).await, ["a"]);
        assert_eq!(state(&test, &id).await, DeliveryState::Unknown, "{fault}");
        let pause = sending_pause(&test).await.expect("sending is paused");
        assert_eq!(pause.cause, PauseCause::CarrierDown);
        resume_when_the_carrier_is_well(&test, pause.since).await;
        assert_eq!(deliver(&app(&test), record()).await, ["a"], "{fault}");
        assert_eq!(test.carrier.accepted_messages(&test.contact).await, copies, "{fault}");
        assert_eq!(test.queue.drain_delays(), [15, 15], "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_waits_for_its_unknown_message_and_keeps_its_order() {
    let test = TestApp::start().await;
    test.carrier.fault("down", "1").await;
    let ids = [test.accept_message("one", now()).await, test.accept_message("two", now()).await];
    let records = || {
        let record = |name, id| sqs_record(name, Some("g"), &job(&test, id), 1);
        vec![record("a", &ids[0]), record("b", &ids[1])]
    };
    let app = app(&test);
    assert_eq!(deliver(&app, records()).await, ["a", "b"]);
    let pause = sending_pause(&test).await.expect("sending is paused");
    resume_when_the_carrier_is_well(&test, pause.since).await;
    assert_eq!(deliver(&app, records()).await, ["a", "b"]);
    let message = test.message(&ids[0]).await;
    let unknown_at = message.delivery.report(DeliveryState::Unknown).unwrap().at;
    let messages = Messages::new(test.table());
    assert!(messages.requeue(test.organization(), &ids[0], unknown_at).await.unwrap());
    assert!(deliver(&app, records()).await.is_empty());
    assert_eq!(test.carrier.accepted_texts(&test.contact).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_the_table_that_fails_does_not_make_an_unsent_message_unknown() {
    for nth in 0..8 {
        let test = TestApp::start().await;
        test.carrier.fault("rate-limit", "1").await;
        let id = test.accept_message("hello", now()).await;
        let app = App::new(
            test.engine.table_failing_once(nth),
            TestApp::unreachable_bucket(),
            test.carrier.client(),
            callbacks(),
            received_sends(&test.queue.url),
            MAX_RECEIVES,
        );
        let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
        assert_eq!(deliver(&app, record()).await, ["a"], "{nth}");
        assert_eq!(state(&test, &id).await, DeliveryState::Queued, "{nth}");
        within("the message is sent", async { while !deliver(&app, record()).await.is_empty() {} }).await;
        assert_eq!(state(&test, &id).await, DeliveryState::Sent, "{nth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_cannot_be_reached_pauses_sending_and_fails_no_message() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let unreachable = App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        unreachable_client(),
        callbacks(),
        received_sends(&test.queue.url),
        MAX_RECEIVES,
    );
    for receives in 1..=20 {
        let record = vec![sqs_record("a", Some("g"), &job(&test, &id), receives)];
        assert_eq!(deliver(&unreachable, record).await, ["a"]);
    }
    assert_eq!(state(&test, &id).await, DeliveryState::Queued);
    let pause = sending_pause(&test).await.expect("sending is paused");
    assert_eq!(pause.cause, PauseCause::CarrierDown);
    resume_when_the_carrier_is_well(&test, pause.since).await;
    assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 21)]).await.is_empty());
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_stays_paused_while_the_carrier_refuses_the_probe() {
    let test = TestApp::start().await;
    let pauses = SendingPauses::new(test.table());
    let since = now();
    pauses.pause_automatically(test.organization(), PauseCause::AccountRefused, since).await.unwrap();
    test.carrier.fault("suspended", "1").await;
    let probe = ProbeWorkflow::new(test.table(), test.carrier.client());
    let still_paused = Probed { resumed: 0, paused: 1 };
    assert_eq!(probe.run(since + Duration::from_secs(29)).await.unwrap(), still_paused, "not due yet");
    assert_eq!(probe.run(since + Duration::from_secs(30)).await.unwrap(), still_paused, "refused");
    assert_eq!(probe.run(since + Duration::from_secs(59)).await.unwrap(), still_paused, "not due again");
    let resumed = Probed { resumed: 1, paused: 0 };
    assert_eq!(probe.run(since + Duration::from_secs(60)).await.unwrap(), resumed);
    assert_eq!(sending_pause(&test).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_the_owner_is_not_ended_by_a_healthy_carrier() {
    let test = TestApp::start().await;
    let (pauses, since) = (SendingPauses::new(test.table()), now());
    pauses.pause_automatically(test.organization(), PauseCause::CarrierDown, since).await.unwrap();
    let pause = SendingPause::manual(test.user.clone(), since);
    assert_eq!(pauses.pause(test.organization(), &pause).await.unwrap(), pause);
    let probe = ProbeWorkflow::new(test.table(), test.carrier.client());
    assert_eq!(probe.run(since + Duration::from_hours(1)).await.unwrap(), Probed::default());
    let id = test.accept_message("hello", now()).await;
    let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
    assert_eq!(deliver(&app(&test), record()).await, ["a"]);
    assert_eq!(state(&test, &id).await, DeliveryState::Queued);
    assert_eq!(pauses.resume(test.organization(), now()).await.unwrap(), Some(pause));
    assert!(deliver(&app(&test), record()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_lost_answers_pauses_sending_and_an_answer_ends_the_run() {
    let test = TestApp::start().await;
    let app = app(&test);
    let send = async |fault: &str| {
        test.carrier.fault(fault, "1").await;
        let id = test.accept_message("hello", now()).await;
        deliver(&app, vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await;
        state(&test, &id).await
    };
    for fault in ["error-before", "error-before", "error-before", "error-before", "none"] {
        send(fault).await;
    }
    for lost in 1..=MAX_LOST_ANSWERS {
        assert_eq!(sending_pause(&test).await, None, "after {} lost answers", lost - 1);
        assert_eq!(send("error-before").await, DeliveryState::Unknown);
    }
    assert_eq!(sending_pause(&test).await.expect("sending is paused").cause, PauseCause::CarrierDown);
    assert_eq!(send("none").await, DeliveryState::Queued);
}

async fn sending_pause(test: &TestApp) -> Option<SendingPause> {
    SendingPauses::new(test.table()).get(test.organization()).await.unwrap().pause
}

async fn resume_when_the_carrier_is_well(test: &TestApp, since: Timestamp) {
    let probe = ProbeWorkflow::new(test.table(), test.carrier.client());
    let run = probe.run(since + Duration::from_mins(1)).await.unwrap();
    assert_eq!(run, Probed { resumed: 1, paused: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_the_carrier_is_asked_before_the_message_is_sent_again() {
    for fault in ["error-before", "error-after", "timeout-after", "down-after"] {
        let test = TestApp::start().await;
        test.carrier.fault(fault, "1").await;
        let id = test.accept_message("hello", now()).await;
        let impatient = test.carrier.client_with_timeout(Duration::from_millis(400));
        let carrier = if fault == "timeout-after" { impatient } else { test.carrier.client() };
        let (app, body) = (app_with_carrier(&test, carrier), job(&test, &id));
        for receives in 1..=2 {
            let record = vec![sqs_record("a", Some("g"), &body, receives)];
            assert_eq!(deliver(&app, record).await, ["a"], "{fault}: the message waits in the queue");
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
    assert_eq!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 2)]).await, ["a"]);
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
    let app = app(&test);
    let failed = deliver(&app, records).await;
    assert_eq!(failed, ["poison", "behind", "unknown"]);
    assert!(test.queue.drain().is_empty(), "not yet");
    let last = vec![
        sqs_record("poison", Some("g1"), "not JSON", MAX_RECEIVES),
        sqs_record("unknown", Some("g2"), &unknown.to_string(), MAX_RECEIVES),
    ];
    assert!(deliver(&app, last).await.is_empty(), "the queue deletes what is copied to the dead letters");
    assert_eq!(test.queue.drain(), ["not JSON".to_owned(), unknown.to_string()]);
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
        received_sends(&test.queue.url),
        MAX_RECEIVES,
    );
    assert_eq!(deliver(&app, vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await, ["a"]);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_not_sent_after_its_inbox_was_retired_or_the_registration_was_suspended() {
    for (stage, registration, reason) in [
        (Stage::Retired, RegistrationStatus::Approved, "retired"),
        (Stage::Active, RegistrationStatus::Suspended, "suspended"),
    ] {
        let test = TestApp::start().await;
        let id = test.accept_message("hello", now()).await;
        test.add_inbox(&Inbox { stage, ..test.inbox.clone() }).await;
        test.add_team(test.organization(), &Team { registration, ..test.team.clone() }).await;
        assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await.is_empty());
        let message = test.message(&id).await;
        assert_eq!(message.delivery.state(), DeliveryState::Failed, "{reason}");
        let detail = message.delivery.report(DeliveryState::Failed).unwrap().detail.clone().unwrap();
        assert!(detail.contains(reason), "{detail}");
        assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_not_sent_after_the_sending_hours_of_its_recipient() {
    let test = TestApp::start().await;
    for (left, expected, accepted) in [(60, DeliveryState::Sent, 1), (0, DeliveryState::Failed, 1)] {
        let until = now() + Duration::from_secs(left);
        let id = test.accept_message_until("hello", now(), Some(until)).await;
        assert!(deliver(&app(&test), vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await.is_empty());
        assert_eq!(state(&test, &id).await, expected, "{left} seconds");
        assert_eq!(test.carrier.accepted_messages(&test.contact).await, accepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_table_before_the_call_leaves_the_message_queued() {
    for requests in crash::points() {
        let test = TestApp::start().await;
        let id = test.accept_message("hello", now()).await;
        let record = || vec![sqs_record("a", Some("g"), &job(&test, &id), 1)];
        let failing = App::new(
            test.engine.crashing_table(requests),
            TestApp::unreachable_bucket(),
            test.carrier.client(),
            callbacks(),
            received_sends(&test.queue.url),
            MAX_RECEIVES,
        );
        deliver(&failing, record()).await;
        if test.carrier.accepted_messages(&test.contact).await > 0 {
            assert!(requests > 3, "the checks are requests of their own");
            return;
        }
        assert_eq!(state(&test, &id).await, DeliveryState::Queued, "after {requests} requests");
        assert!(deliver(&app(&test), record()).await.is_empty());
        assert_eq!(state(&test, &id).await, DeliveryState::Sent, "after {requests} requests");
    }
}

fn carrier_secret(token: &str) -> String {
    json!({ "accountSid": ACCOUNT, "authTokens": [token] }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_rotated_is_read_again_and_the_message_is_sent() {
    let test = TestApp::start().await;
    let secrets = FakeSecrets::start(carrier_secret("the previous token")).await;
    let (timeout, minutes) = (Duration::from_secs(30), Arc::new(AtomicU64::new(0)));
    let carrier = {
        let minutes = Arc::clone(&minutes);
        let clock = move || now() + Duration::from_mins(minutes.load(Ordering::Relaxed));
        carrier::client(&secrets.client(), "carrier", &test.carrier.url, timeout, clock).unwrap()
    };
    assert!(carrier.probe().await.is_err());
    assert_eq!(secrets.reads(), 2, "at the first call and after the refusal");
    let app = App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        carrier,
        callbacks(),
        received_sends(&test.queue.url),
        MAX_RECEIVES,
    );
    secrets.rotate(carrier_secret(TOKEN));
    minutes.store(1, Ordering::Relaxed);
    for text in ["one", "two"] {
        let id = test.accept_message(text, now()).await;
        assert!(deliver(&app, vec![sqs_record("a", Some("g"), &job(&test, &id), 1)]).await.is_empty());
        assert_eq!(state(&test, &id).await, DeliveryState::Sent, "{text}");
    }
    assert_eq!((sending_pause(&test).await, secrets.reads()), (None, 3), "after the next refusal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_stays_refused_is_read_at_most_once_a_minute() {
    let test = TestApp::start().await;
    let secrets = FakeSecrets::start(carrier_secret("the previous token")).await;
    let timeout = Duration::from_secs(30);
    let carrier = carrier::client(&secrets.client(), "carrier", &test.carrier.url, timeout, now).unwrap();
    for _ in 0..3 {
        let refused = carrier.probe().await.unwrap_err();
        assert_eq!(refused, LookupError::Refused { http_status: 401, code: Some(20003) });
    }
    assert_eq!(secrets.reads(), 2, "at the first call and after its refusal");
}
