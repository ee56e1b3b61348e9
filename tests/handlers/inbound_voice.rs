//! `inbound-voice`

use inbound_voice::{App, TEXTS_ONLY, handle};
use shared_aws::table::Table;
use shared_domain::{
    inbox::{Inbox, Stage},
    phone::PhoneNumber,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    carrier::{ACCOUNT, TOKEN},
    gateway::json,
    twilio::{signed, webhook_accounts},
};

const ROUTE: &str = "POST /webhooks/twilio/voice";
const CALL: &str = include_str!("../fixtures/twilio/voice_inbound.form");
const FORWARDING_NUMBER: &str = "+12025550177";

fn app(table: Table) -> App {
    App::new(table, webhook_accounts())
}

/// Starts with an inbox that forwards calls, in this stage.
async fn start_with_forwarding(stage: Stage) -> TestApp {
    let test = TestApp::start().await;
    test.add_inbox(&Inbox { voice_forwarding: Some(forwarding_number()), stage, ..build::inbox() }).await;
    test
}

fn forwarding_number() -> PhoneNumber {
    build::number(FORWARDING_NUMBER)
}

/// Returns the TwiML that answers a call.
async fn answer(test: &TestApp, form: &str) -> String {
    let answer = handle(&app(test.table()), now(), signed(ROUTE, "", form, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let body: &[u8] = answer.body();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_forwarded_and_shows_the_number_of_the_inbox() {
    for stage in [Stage::Active, Stage::Retired] {
        let test = start_with_forwarding(stage).await;
        let twiml = answer(&test, CALL).await;
        assert!(twiml.contains(r#"callerId="+12025550100""#), "{twiml}");
        assert!(twiml.contains(&format!("<Number>{FORWARDING_NUMBER}</Number>")), "{twiml}");
        let anonymous = CALL.replace("From=%2B12025550143", "From=anonymous");
        assert_eq!(answer(&test, &anonymous).await, twiml, "also from an anonymous caller, and again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_forwarding_number_the_caller_hears_that_only_texts_are_accepted() {
    let twiml = answer(&TestApp::start().await, CALL).await;
    assert!(twiml.contains(TEXTS_ONLY) && twiml.contains("<Hangup/>"), "{twiml}");
    let creating = start_with_forwarding(Stage::Creating).await;
    assert!(
        answer(&creating, CALL).await.contains(TEXTS_ONLY),
        "an inbox that is being created does not forward calls"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_number_is_rejected() {
    let test = TestApp::start().await;
    for to in ["%2B12025550999", "sip%3Adesk%40clinic.example", "12345"] {
        let form = CALL.replace("To=%2B12025550100&Called", &format!("To={to}&Called"));
        assert!(answer(&test, &form).await.contains("<Response><Reject/></Response>"), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarding_number_that_became_an_inbox_number_is_not_called() {
    let test = start_with_forwarding(Stage::Active).await;
    let other = Inbox {
        id: build::inbox_id("inb_2"),
        api_code: "BACK".into(),
        number: forwarding_number(),
        ..build::inbox()
    };
    test.add_inbox(&other).await;
    let twiml = answer(&test, CALL).await;
    assert!(twiml.contains(TEXTS_ONLY) && !twiml.contains("<Dial"), "{twiml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_webhook_is_refused_and_an_unreachable_table_leads_to_the_fallback() {
    let test = TestApp::start().await;
    let genuine = signed(ROUTE, "", CALL, TOKEN);
    let other_account = CALL.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    let refused = [
        signed(ROUTE, "", CALL, "other-token"),
        genuine.clone().raw(CALL.replace("ringing", "busy")),
        genuine.clone().header("x-twilio-signature", ""),
        signed(ROUTE, "", &other_account, TOKEN),
    ];
    for event in refused {
        let answer = handle(&app(test.table()), now(), event.request()).await;
        assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (403, &"signature".into()));
    }
    let malformed = signed(ROUTE, "", "a=b", TOKEN).request();
    assert_eq!(handle(&app(test.table()), now(), malformed).await.status(), 400);
    assert_eq!(handle(&app(TestApp::unreachable_table()), now(), genuine.request()).await.status(), 503);
}
