//! `delivery-status`

use std::time::Duration;

use delivery_status::{App, handle};
use shared_app::{
    callbacks::SignedCallbacks,
    opt_out::{OptOutRequest, OptOutWorkflow, Outcome},
};
use shared_aws::{clients::SigningSecret, messaging::Messages, opt_out::OptOuts};
use shared_domain::{
    ids::MessageId,
    message::{DeliveryState, Report},
    opt_out::{OptOutScope, OptOutSource, OptOutSubject, after_user},
    signing::SigningKeys,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    carrier::TOKEN,
    gateway::Event,
    secrets::FakeSecrets,
    twilio::{BASE_URL, SIGNING_SECRET, callback_url, callbacks, signed, webhook_accounts},
};

const ROUTE: &str = "POST /webhooks/twilio/status";
const SID: &str = "SM99999999999999999999999999999999";

fn app(test: &TestApp) -> App {
    App::new(test.table(), webhook_accounts(), callbacks())
}

fn form(status: &str, error: &str) -> String {
    let error = if error.is_empty() { String::new() } else { format!("&ErrorCode={error}") };
    format!(
        "MessageSid={SID}&SmsSid={SID}&MessageStatus={status}&SmsStatus={status}&From=%2B12025550100\
         &To=%2B12025550143&AccountSid=ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&ApiVersion=2010-04-01{error}"
    )
}

fn query(test: &TestApp, message: &str) -> String {
    callback_url(test.organization().as_str(), message).split_once('?').unwrap().1.to_owned()
}

fn callback(query: &str, status: &str, error: &str) -> Event {
    signed(ROUTE, query, &form(status, error), TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn late_repeated_and_overtaking_reports_never_move_a_state_backwards() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let (app, query) = (app(&test), query(&test, id.as_str()));
    let mut reached = Vec::new();
    for status in ["queued", "delivered", "sent", "sending", "delivered", "failed", "undelivered"] {
        let answer = handle(&app, now(), callback(&query, status, "").request()).await;
        assert_eq!(answer.status(), 200, "{status}");
        reached.push(test.message(&id).await.delivery.state());
    }
    assert_eq!(reached[0], DeliveryState::Sent, "a queued report proves that the carrier has the message");
    assert!(reached[1..].iter().all(|state| *state == DeliveryState::Delivered), "{reached:?}");
    assert_eq!(test.message(&id).await.carrier_id.as_deref(), Some(SID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_its_code_and_on_the_conversation_until_the_message_is_delivered_after_all() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let (app, query) = (app(&test), query(&test, id.as_str()));
    handle(&app, now(), callback(&query, "undelivered", "30003").request()).await;
    let message = test.message(&id).await;
    let report = message.delivery.report(DeliveryState::Undelivered).unwrap();
    assert_eq!(report.code.as_deref(), Some("30003"));
    assert!(report.detail.as_deref().is_some_and(|detail| detail.len() > 10));
    assert!(test.conversation().await.unwrap().delivery_failed);
    handle(&app, now(), callback(&query, "delivered", "").request()).await;
    assert!(!test.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_report_completes_what_a_crashed_host_left() {
    for requests in 0..9 {
        let test = TestApp::start().await;
        let id = test.accept_message("hello", now()).await;
        let query = query(&test, id.as_str());
        let crashing = App::new(test.engine.crashing_table(requests), webhook_accounts(), callbacks());
        let status =
            handle(&crashing, now(), callback(&query, "undelivered", "30003").request()).await.status();
        handle(&app(&test), now(), callback(&query, "undelivered", "30003").request()).await;
        assert!(test.conversation().await.unwrap().delivery_failed, "{requests}");
        if status == 200 {
            assert!(requests > 1, "{requests}");
            return;
        }
    }
    panic!("the host always crashed");
}

/// Returns whether the carrier opted the contact out.
pub(crate) async fn is_out_by_carrier(test: &TestApp, id: &MessageId) -> bool {
    let subject = test.message(id).await.carrier_opt_out(test.organization());
    let record = OptOuts::new(test.table()).get(&subject).await.unwrap();
    record.state.is_out_by(OptOutSource::Carrier)
}

/// Opts the contact in on behalf of a user.
pub(crate) async fn opt_in(test: &TestApp, id: &MessageId) {
    set_opt_out(test, id, false).await;
    assert!(!is_out_by_carrier(test, id).await);
}

/// Opts the contact of a message out or in on behalf of a user.
pub(crate) async fn set_opt_out(test: &TestApp, id: &MessageId, opted_out: bool) {
    let message = test.message(id).await;
    let subject = message.carrier_opt_out(test.organization());
    let request = OptOutRequest {
        subject: &subject,
        team: &message.team,
        contact: None,
        message: None,
        user: Some(&test.user.id),
        notify: false,
        at: now(),
    };
    let workflow = OptOutWorkflow::new(test.table());
    let outcome = workflow.apply(&request, |state| after_user(state, opted_out)).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
}

/// Returns whether the contact is opted out of the team's messages, and of those from personal inboxes.
pub(crate) async fn opted_out_scopes(test: &TestApp) -> [bool; 2] {
    let opt_outs = OptOuts::new(test.table());
    let team = OptOutSubject::of_team(test.organization(), &test.team.id, &test.contact);
    let personal = OptOutSubject { scope: OptOutScope::Personal, ..team.clone() };
    [opt_outs.get(&team).await.unwrap().state.is_out(), opt_outs.get(&personal).await.unwrap().state.is_out()]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_because_of_an_opt_out_at_the_carrier_opts_the_contact_out() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let (app, query) = (app(&test), query(&test, id.as_str()));
    assert_eq!(handle(&app, now(), callback(&query, "sent", "").request()).await.status(), 200);
    assert!(!is_out_by_carrier(&test, &id).await);
    for _ in 0..2 {
        assert_eq!(handle(&app, now(), callback(&query, "failed", "21610").request()).await.status(), 200);
        assert!(is_out_by_carrier(&test, &id).await);
    }
    let message = test.message(&id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed).unwrap().code.as_deref(), Some("21610"));
    assert!(test.conversation().await.unwrap().contact.opted_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_is_recorded_after_the_message_failed_for_another_reason() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let failed = Report { at: now(), code: Some("not_accepted".into()), detail: None };
    let messages = Messages::new(test.table());
    messages.report(test.organization(), &id, DeliveryState::Failed, &failed, None).await.unwrap();
    let query = query(&test, id.as_str());
    assert_eq!(handle(&app(&test), now(), callback(&query, "failed", "21610").request()).await.status(), 200);
    assert!(is_out_by_carrier(&test, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_callback_does_not_opt_out_a_contact_who_has_opted_in_since() {
    for (first, repeated) in [("failed", "failed"), ("undelivered", "undelivered"), ("undelivered", "failed")]
    {
        let test = TestApp::start().await;
        let id = test.accept_message("hello", now()).await;
        let (app, query) = (app(&test), query(&test, id.as_str()));
        handle(&app, now(), callback(&query, first, "21610").request()).await;
        assert!(is_out_by_carrier(&test, &id).await);
        opt_in(&test, &id).await;
        assert_eq!(handle(&app, now(), callback(&query, repeated, "21610").request()).await.status(), 200);
        assert!(!is_out_by_carrier(&test, &id).await, "{first}, then {repeated}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_whose_opt_out_keeps_changing_is_delivered_again() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let query = query(&test, id.as_str());
    let contended = App::new(test.engine.contended_table(), webhook_accounts(), callbacks());
    let refused = handle(&contended, now(), callback(&query, "failed", "21610").request()).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(test.message(&id).await.delivery.state(), DeliveryState::Queued);
    assert_eq!(handle(&app(&test), now(), callback(&query, "failed", "21610").request()).await.status(), 200);
    assert!(is_out_by_carrier(&test, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_message_from_a_personal_inbox_opts_out_of_personal_inboxes_only() {
    let test = TestApp::with_personal_inbox().await;
    let id = test.accept_message("hello", now()).await;
    let query = query(&test, id.as_str());
    assert_eq!(handle(&app(&test), now(), callback(&query, "failed", "21610").request()).await.status(), 200);
    assert_eq!(opted_out_scopes(&test).await, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_opt_out_and_the_report_loses_neither() {
    for requests in 0..40 {
        let test = TestApp::start().await;
        let id = test.accept_message("hello", now()).await;
        let query = query(&test, id.as_str());
        let crashing = App::new(test.engine.crashing_table(requests), webhook_accounts(), callbacks());
        let status = handle(&crashing, now(), callback(&query, "failed", "21610").request()).await.status();
        handle(&app(&test), now(), callback(&query, "failed", "21610").request()).await;
        assert!(is_out_by_carrier(&test, &id).await, "{requests}");
        assert_eq!(test.message(&id).await.delivery.state(), DeliveryState::Failed, "{requests}");
        if status == 200 {
            assert!(requests > 3, "{requests}");
            return;
        }
    }
    panic!("the host always crashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_the_products_parameters_is_matched_by_the_carriers_id() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let messages = Messages::new(test.table());
    let sent = Report::at(now());
    messages.report(test.organization(), &id, DeliveryState::Sent, &sent, Some(SID)).await.unwrap();
    let answer = handle(&app(&test), now(), callback("", "delivered", "").request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(test.message(&id).await.delivery.state(), DeliveryState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_with_a_sender_that_is_no_number_is_acknowledged() {
    let test = TestApp::start().await;
    let app = app(&test);
    for from in ["SUPPORT", "whatsapp%3A%2B12025550100", "rcs%3Aacme_agent", "%E2%80%8B"] {
        let form = form("delivered", "").replace("From=%2B12025550100", &format!("From={from}"));
        let answer = handle(&app, now(), signed(ROUTE, "", &form, TOKEN).request()).await;
        assert_eq!(answer.status(), 200, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_proof_changes_nothing_and_an_unknown_message_or_state_is_ignored() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let app = app(&test);
    let genuine = query(&test, id.as_str());
    let forged = format!("organization=org_1&message={id}&proof={}", "0".repeat(64));
    assert_eq!(handle(&app, now(), callback(&forged, "delivered", "").request()).await.status(), 403);
    let unsigned = Event::new(ROUTE, &[]).query(&genuine).form(&form("delivered", ""));
    assert_eq!(handle(&app, now(), unsigned.request()).await.status(), 403);
    let other = query(&test, &id.as_str().replace("msg_0", "msg_1"));
    assert_eq!(handle(&app, now(), callback(&other, "delivered", "").request()).await.status(), 200);
    assert_eq!(handle(&app, now(), callback(&genuine, "teleported", "").request()).await.status(), 200);
    assert_eq!(test.message(&id).await.delivery.state(), DeliveryState::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_accepted_before_during_and_after_a_rotation_of_the_signing_keys() {
    let test = TestApp::start().await;
    let id = test.accept_message("hello", now()).await;
    let secrets = FakeSecrets::start(SIGNING_SECRET).await;
    let signing = || SignedCallbacks::new(BASE_URL, SigningSecret::named(&secrets.client(), "signing"));
    let app = App::new(test.table(), webhook_accounts(), signing());
    let start = now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let answer = async |query: &str, seconds: u64| {
        let request = callback(query, "delivered", "").request();
        handle(&app, at(seconds), request).await.status().as_u16()
    };
    let old = query(&test, id.as_str());
    assert_eq!((answer(&old, 0).await, secrets.reads()), (200, 1));

    // A forced rotation of a key that leaked, after which a new key signs that this environment has not read.
    let keys = SigningKeys::single("new").rotated("newer", start, false).unwrap();
    secrets.client().put_signing_keys("signing", &keys).await.unwrap();
    let url = signing().url(at(1), test.organization().as_str(), id.as_str()).await.unwrap();
    let new = url.split_once('?').unwrap().1;
    let reads = secrets.reads();
    assert_eq!((answer(new, 2).await, secrets.reads()), (200, reads + 1), "the keys are read again");
    let forged = new.replace("proof=", "proof=0");
    assert_eq!((answer(&forged, 3).await, secrets.reads()), (403, reads + 1), "at most once a minute");
    assert_eq!((answer(&forged, 62).await, secrets.reads()), (403, reads + 2));
}
