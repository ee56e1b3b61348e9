//! `inbound-voice`

use inbound_voice::{App, TEXTS_ONLY, handle};
use shared_aws::{inbox::Inboxes, table::Table};
use shared_domain::{
    ids::InboxId,
    inbox::{Inbox, Stage as InboxStage},
    phone::PhoneNumber,
};

use crate::stage::{ACCOUNT, Stage, TOKEN, json, signed, verifier};

const ROUTE: &str = "POST /webhooks/twilio/voice";
const CALL: &str = include_str!("../fixtures/twilio/voice_inbound.form");
const DESK: &str = "+12025550177";

fn app(table: Table) -> App {
    App::new(table, verifier(), ACCOUNT.into())
}

async fn stage(change: impl FnOnce(&mut Inbox)) -> Stage {
    let stage = Stage::set().await;
    let mut inbox = stage.account.inbox.clone();
    change(&mut inbox);
    Inboxes::new(stage.table()).put(&inbox).await.unwrap();
    stage
}

fn desk() -> Option<PhoneNumber> {
    Some(PhoneNumber::from_carrier(DESK).unwrap())
}

/// What Twilio is told to do.
async fn answer(stage: &Stage, form: &str) -> String {
    let answer = handle(&app(stage.table()), signed(ROUTE, "", form, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let body: &[u8] = answer.body();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_at_the_forwarding_number_and_shows_the_inboxes() {
    for stage_of_inbox in [InboxStage::Active, InboxStage::Retired] {
        let stage = stage(|inbox| (inbox.voice_forwarding, inbox.stage) = (desk(), stage_of_inbox)).await;
        let twiml = answer(&stage, CALL).await;
        assert!(twiml.contains(r#"callerId="+12025550100""#), "{twiml}");
        assert!(twiml.contains(&format!("<Number>{DESK}</Number>")), "{twiml}");
        let anonymous = CALL.replace("From=%2B12025550143", "From=anonymous");
        assert_eq!(answer(&stage, &anonymous).await, twiml, "whoever calls, and however often it is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_forwarding_number_the_caller_hears_that_texts_are_taken() {
    let twiml = answer(&stage(|_| ()).await, CALL).await;
    assert!(twiml.contains(TEXTS_ONLY) && twiml.contains("<Hangup/>"), "{twiml}");
    let creating =
        stage(|inbox| (inbox.voice_forwarding, inbox.stage) = (desk(), InboxStage::Creating)).await;
    assert!(
        answer(&creating, CALL).await.contains(TEXTS_ONLY),
        "an inbox that is not yet there rings nowhere"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_ours_is_rejected() {
    let stage = Stage::set().await;
    for to in ["%2B12025550999", "sip%3Adesk%40clinic.example", "12345"] {
        let form = CALL.replace("To=%2B12025550100&Called", &format!("To={to}&Called"));
        assert!(answer(&stage, &form).await.contains("<Response><Reject/></Response>"), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarding_number_that_has_become_ours_does_not_ring() {
    let stage = stage(|inbox| inbox.voice_forwarding = desk()).await;
    let other = Inbox {
        id: InboxId::parse("inb_2").unwrap(),
        api_code: "BACK".into(),
        number: desk().unwrap(),
        ..stage.account.inbox.clone()
    };
    Inboxes::new(stage.table()).put(&other).await.unwrap();
    let twiml = answer(&stage, CALL).await;
    assert!(twiml.contains(TEXTS_ONLY) && !twiml.contains("<Dial"), "{twiml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_twilios_is_refused_and_a_store_that_is_down_sends_it_to_the_fallback() {
    let stage = Stage::set().await;
    let genuine = signed(ROUTE, "", CALL, TOKEN);
    let other_account = CALL.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    let refused = [
        signed(ROUTE, "", CALL, "other-token"),
        genuine.clone().raw(CALL.replace("ringing", "busy")),
        genuine.clone().header("x-twilio-signature", ""),
        signed(ROUTE, "", &other_account, TOKEN),
    ];
    for event in refused {
        let answer = handle(&app(stage.table()), event.request()).await;
        assert_eq!((answer.status().as_u16(), &json(&answer)["code"]), (403, &"signature".into()));
    }
    let malformed = signed(ROUTE, "", "a=b", TOKEN).request();
    assert_eq!(handle(&app(stage.table()), malformed).await.status(), 400);
    assert_eq!(handle(&app(Stage::dead_table()), genuine.request()).await.status(), 503);
}
