//! `delivery-status`

use delivery_status::{App, handle};
use shared_aws::messaging::Messages;
use shared_domain::message::{DeliveryState, Report};
use test_kit::{crash::crashing_table, gateway::Event};

use crate::stage::{Stage, TOKEN, callbacks, now, signed, verifier};

const ROUTE: &str = "POST /webhooks/twilio/status";
const SID: &str = "SM99999999999999999999999999999999";

fn app(stage: &Stage) -> App {
    App::new(stage.table(), verifier(), callbacks())
}

fn form(status: &str, error: &str) -> String {
    let error = if error.is_empty() { String::new() } else { format!("&ErrorCode={error}") };
    format!(
        "MessageSid={SID}&SmsSid={SID}&MessageStatus={status}&SmsStatus={status}&From=%2B12025550100\
         &To=%2B12025550143&AccountSid=ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&ApiVersion=2010-04-01{error}"
    )
}

fn query(stage: &Stage, message: &str) -> String {
    callbacks().url(stage.organization().as_str(), message).split_once('?').unwrap().1.to_owned()
}

fn callback(query: &str, status: &str, error: &str) -> Event {
    signed(ROUTE, query, &form(status, error), TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn late_repeated_and_overtaking_reports_never_take_a_state_back() {
    let stage = Stage::set().await;
    let id = stage.accepted("hello", now()).await;
    let (app, query) = (app(&stage), query(&stage, id.as_str()));
    let mut reached = Vec::new();
    for status in ["queued", "delivered", "sent", "sending", "delivered", "failed", "undelivered"] {
        let answer = handle(&app, now(), callback(&query, status, "").request()).await;
        assert_eq!(answer.status(), 200, "{status}");
        reached.push(stage.message(&id).await.delivery.state());
    }
    assert_eq!(reached[0], DeliveryState::Sent, "a queued report proves that the carrier has it");
    assert!(reached[1..].iter().all(|state| *state == DeliveryState::Delivered), "{reached:?}");
    assert_eq!(stage.message(&id).await.carrier_id.as_deref(), Some(SID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_its_code_and_in_the_thread_until_the_text_arrives_after_all() {
    let stage = Stage::set().await;
    let id = stage.accepted("hello", now()).await;
    let (app, query) = (app(&stage), query(&stage, id.as_str()));
    handle(&app, now(), callback(&query, "undelivered", "30003").request()).await;
    let message = stage.message(&id).await;
    let report = message.delivery.report(DeliveryState::Undelivered).unwrap();
    assert_eq!(report.code.as_deref(), Some("30003"));
    assert!(report.detail.as_deref().is_some_and(|detail| detail.len() > 10));
    assert!(stage.conversation().await.unwrap().delivery_failed);
    handle(&app, now(), callback(&query, "delivered", "").request()).await;
    assert!(!stage.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_again_shows_what_a_host_that_died_had_not_shown_yet() {
    for requests in 0..9 {
        let stage = Stage::set().await;
        let id = stage.accepted("hello", now()).await;
        let query = query(&stage, id.as_str());
        let dying = App::new(crashing_table(&stage.engine.aws, requests), verifier(), callbacks());
        let died = handle(&dying, now(), callback(&query, "undelivered", "30003").request()).await.status();
        handle(&app(&stage), now(), callback(&query, "undelivered", "30003").request()).await;
        assert!(stage.conversation().await.unwrap().delivery_failed, "{requests}");
        if died == 200 {
            assert!(requests > 1, "{requests}");
            return;
        }
    }
    panic!("it never lived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_our_parameters_is_found_by_the_carriers_id() {
    let stage = Stage::set().await;
    let id = stage.accepted("hello", now()).await;
    let messages = Messages::new(stage.table());
    let sent = Report::at(now());
    messages.report(stage.organization(), &id, DeliveryState::Sent, &sent, Some(SID)).await.unwrap();
    let answer = handle(&app(&stage), now(), callback("", "delivered", "").request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(stage.message(&id).await.delivery.state(), DeliveryState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_proof_changes_nothing_and_an_unknown_message_or_state_is_ignored() {
    let stage = Stage::set().await;
    let id = stage.accepted("hello", now()).await;
    let app = app(&stage);
    let genuine = query(&stage, id.as_str());
    let forged = format!("organization=org_1&message={id}&proof={}", "0".repeat(64));
    assert_eq!(handle(&app, now(), callback(&forged, "delivered", "").request()).await.status(), 403);
    let unsigned = Event::new(ROUTE, &[]).query(&genuine).form(&form("delivered", ""));
    assert_eq!(handle(&app, now(), unsigned.request()).await.status(), 403);
    let other = query(&stage, &id.as_str().replace("msg_0", "msg_1"));
    assert_eq!(handle(&app, now(), callback(&other, "delivered", "").request()).await.status(), 200);
    assert_eq!(handle(&app, now(), callback(&genuine, "teleported", "").request()).await.status(), 200);
    assert_eq!(stage.message(&id).await.delivery.state(), DeliveryState::Queued);
}
