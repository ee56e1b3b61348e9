//! `inbound-sms`

use inbound_sms::{App, handle};
use shared_aws::table::Table;
use shared_domain::conversation::Folder;
use shared_domain::opt_out::KeywordReplies;

use crate::stage::{ACCOUNT, Stage, TOKEN, json, now, signed, verifier};

const ROUTE: &str = "POST /webhooks/twilio/messages";
const SMS: &str = include_str!("../fixtures/twilio/inbound_sms.form");
const MMS: &str = include_str!("../fixtures/twilio/inbound_mms.form");

fn app(table: Table) -> App {
    App::new(table, verifier(), ACCOUNT.into(), KeywordReplies::Product)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_stored_and_answered_with_empty_twiml() {
    let stage = Stage::set().await;
    let answer = handle(&app(stage.table()), now(), 7, signed(ROUTE, "", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let thread = stage.conversation().await.unwrap();
    assert_eq!((thread.folder, thread.read), (Folder::Inbox, false));
    assert_eq!(stage.history().await[0].text, "Hi, is the 3pm slot still free? Café or office?");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_twice_and_at_once_is_stored_once() {
    let stage = Stage::set().await;
    let app = app(stage.table());
    let deliver = || handle(&app, now(), 7, signed(ROUTE, "", SMS, TOKEN).request());
    let (one, two, three) = tokio::join!(deliver(), deliver(), deliver());
    let late = deliver().await;
    for answer in [one, two, three, late] {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(stage.history().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_token_counts_while_it_is_rotated() {
    let stage = Stage::set().await;
    let answer =
        handle(&app(stage.table()), now(), 7, signed(ROUTE, "", SMS, "previous-token").request()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_missing_signature_stores_nothing() {
    let stage = Stage::set().await;
    let app = app(stage.table());
    let genuine = signed(ROUTE, "", SMS, TOKEN);
    let forged = [
        signed(ROUTE, "", SMS, "other-token"),
        genuine.clone().raw(SMS.replace("3pm", "4pm")),
        genuine.clone().query("a=b"),
        genuine.header("x-twilio-signature", ""),
        test_kit::gateway::Event::new(ROUTE, &[]).form(SMS),
    ];
    for event in forged {
        let answer = handle(&app, now(), 7, event.request()).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(json(&answer)["code"], "signature");
    }
    assert_eq!(stage.conversation().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_is_never_answered_with_2xx() {
    // The inbox is looked up first, so a dead table fails there; either way the carrier must repeat.
    let answer = handle(&app(Stage::dead_table()), now(), 7, signed(ROUTE, "", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_a_400_and_a_number_that_is_not_ours_a_404() {
    let stage = Stage::set().await;
    let app = app(stage.table());
    let without_sid = SMS.replace("MessageSid", "Nothing");
    let strange_sender = SMS.replace("From=%2B12025550143", "From=anonymous");
    for form in ["", "a=b", without_sid.as_str(), strange_sender.as_str()] {
        let answer = handle(&app, now(), 7, signed(ROUTE, "", form, TOKEN).request()).await;
        assert_eq!(answer.status(), 400, "{form}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let elsewhere = SMS.replace("To=%2B12025550100", "To=%2B12025550999");
    assert_eq!(handle(&app, now(), 7, signed(ROUTE, "", &elsewhere, TOKEN).request()).await.status(), 404);
    let other_account = SMS.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    assert_eq!(
        handle(&app, now(), 7, signed(ROUTE, "", &other_account, TOKEN).request()).await.status(),
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn media_and_unknown_fields_do_no_harm() {
    let stage = Stage::set().await;
    let form = format!("{MMS}&BrandNewField=1");
    let answer = handle(&app(stage.table()), now(), 7, signed(ROUTE, "", &form, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    let media = &stage.history().await[0].media;
    assert!(!media.is_empty() && media[0].content_type.as_deref().unwrap().starts_with("image/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_the_gateway_decoded_is_no_panic() {
    let stage = Stage::set().await;
    let answer = handle(&app(stage.table()), now(), 7, signed(ROUTE, "a=%22%20", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
}
