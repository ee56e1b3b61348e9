//! `inbound-sms`

pub(crate) mod keyword_replies;
pub(crate) mod keywords;

use std::time::Duration;

use inbound_sms::{App, handle};
use shared_app::carrier;
use shared_aws::table::Table;
use shared_domain::{
    conversation::Folder,
    ids::ConversationId,
    opt_out::KeywordReplies,
    phone::{Channel, PhoneNumber},
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    carrier::{ACCOUNT, TOKEN},
    gateway::{Event, json},
    secrets::FakeSecrets,
    twilio::{BASE_URL, PREVIOUS_TOKEN, signed, webhook_accounts},
};

const ROUTE: &str = "POST /webhooks/twilio/messages";
const SMS: &str = include_str!("../fixtures/twilio/inbound_sms.form");
const MMS: &str = include_str!("../fixtures/twilio/inbound_mms.form");

fn app(table: Table) -> App {
    App::new(table, webhook_accounts(), KeywordReplies::Product)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_stored_and_answered_with_empty_twiml() {
    let test = TestApp::start().await;
    let answer = handle(&app(test.table()), now(), 7, signed(ROUTE, "", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let conversation = test.conversation().await.unwrap();
    assert_eq!((conversation.folder, conversation.read), (Folder::Inbox, false));
    assert_eq!(test.history().await[0].text, "Hi, is the 3pm slot still free? Café or office?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_delivered_concurrently_and_again_is_stored_once() {
    let test = TestApp::start().await;
    let app = app(test.table());
    let deliver = || handle(&app, now(), 7, signed(ROUTE, "", SMS, TOKEN).request());
    let (one, two, three) = tokio::join!(deliver(), deliver(), deliver());
    let late = deliver().await;
    for answer in [one, two, three, late] {
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(test.history().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_token_is_accepted_during_a_rotation() {
    let test = TestApp::start().await;
    let answer = handle(&app(test.table()), now(), 7, signed(ROUTE, "", SMS, PREVIOUS_TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_accepted_at_once_and_the_old_one_ends_without_a_deployment() {
    let test = TestApp::start().await;
    let secret = |token: &str| format!(r#"{{"accountSid":"{ACCOUNT}","authTokens":["{token}"]}}"#);
    let secrets = FakeSecrets::start(secret(TOKEN)).await;
    let accounts = carrier::webhook_accounts(&secrets.client(), "carrier", BASE_URL, now()).await.unwrap();
    let app = App::new(test.table(), accounts, KeywordReplies::Product);
    let start = now();
    let answer = async |token: &str, seconds: u64| {
        let request = signed(ROUTE, "", SMS, token).request();
        handle(&app, start + Duration::from_secs(seconds), 7, request).await.status().as_u16()
    };
    assert_eq!((answer(TOKEN, 0).await, secrets.reads()), (200, 1));

    secrets.rotate(secret("new-token"));
    assert_eq!((answer("new-token", 1).await, secrets.reads()), (200, 2), "the failed signature reads again");
    assert_eq!(
        (answer("forged", 2).await, secrets.reads()),
        (403, 2),
        "forgeries read once a minute at most"
    );
    assert_eq!((answer("forged", 61).await, secrets.reads()), (403, 3));

    secrets.rotate(secret("newest-token"));
    assert_eq!(
        (answer("new-token", 300).await, secrets.reads()),
        (200, 3),
        "a secret lives for five minutes"
    );
    assert_eq!((answer("new-token", 361).await, secrets.reads()), (403, 4));
    assert_eq!(answer("newest-token", 362).await, 200);

    secrets.rotate("not a secret");
    assert_eq!(answer("newest-token", 700).await, 200, "an account that cannot be read again stays in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_missing_signature_stores_nothing() {
    let test = TestApp::start().await;
    let app = app(test.table());
    let genuine = signed(ROUTE, "", SMS, TOKEN);
    let forged = [
        signed(ROUTE, "", SMS, "other-token"),
        genuine.clone().raw(SMS.replace("3pm", "4pm")),
        genuine.clone().query("a=b"),
        genuine.header("x-twilio-signature", ""),
        Event::new(ROUTE, &[]).form(SMS),
    ];
    for event in forged {
        let answer = handle(&app, now(), 7, event.request()).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(json(&answer)["code"], "signature");
    }
    assert_eq!(test.conversation().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_never_answered_with_2xx() {
    // The inbox lookup fails. The carrier must repeat the webhook.
    let answer =
        handle(&app(TestApp::unreachable_table()), now(), 7, signed(ROUTE, "", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_form_is_a_400_and_an_unknown_number_a_404() {
    let test = TestApp::start().await;
    let app = app(test.table());
    let without_sid = SMS.replace("MessageSid", "Nothing");
    let invalid_sender = SMS.replace("From=%2B12025550143", "From=%E2%80%8B");
    for form in ["", "a=b", without_sid.as_str(), invalid_sender.as_str()] {
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
async fn a_message_of_another_channel_or_of_a_name_is_stored() {
    let test = TestApp::start().await;
    let app = app(test.table());
    let (long, truncated) = ("N".repeat(3_000), "N".repeat(64));
    for (index, (from, channel, number)) in [
        ("%2B12025550143", Channel::Sms, "+12025550143"),
        ("whatsapp%3A%2B12025550143", Channel::WhatsApp, "+12025550143"),
        ("rcs%3A%2B12025550143", Channel::Rcs, "+12025550143"),
        ("72975", Channel::Sms, "72975"),
        ("SUPPORT", Channel::Sms, "SUPPORT"),
        ("anonymous", Channel::Sms, "anonymous"),
        ("Acme%0ALtd", Channel::Sms, "AcmeLtd"),
        (long.as_str(), Channel::Sms, truncated.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let to =
            if channel == Channel::WhatsApp { "To=whatsapp%3A%2B12025550100" } else { "To=%2B12025550100" };
        let form = SMS
            .replace("From=%2B12025550143", &format!("From={from}"))
            .replace("To=%2B12025550100", to)
            .replace("SM1", &format!("SM{}", index + 2));
        let at = now() + Duration::from_secs(index as u64);
        assert_eq!(
            handle(&app, at, 7, signed(ROUTE, "", &form, TOKEN).request()).await.status(),
            200,
            "{from}"
        );
        let conversation = ConversationId::of(&test.inbox.id, &PhoneNumber::from_stored(number).unwrap());
        let messages = test.history_of(&conversation).await;
        assert_eq!(messages.first().map(|message| message.channel), Some(channel), "{from}");
    }
    assert_eq!(test.history().await.len(), 3, "one conversation for a number on all channels");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_stored_and_unknown_fields_ignored() {
    let test = TestApp::start().await;
    let form = format!("{MMS}&BrandNewField=1");
    let answer = handle(&app(test.table()), now(), 7, signed(ROUTE, "", &form, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
    let media = &test.history().await[0].media;
    assert!(!media.is_empty() && media[0].content_type.as_deref().unwrap().starts_with("image/"));
    let last = test.conversation().await.unwrap().last_message;
    assert_eq!(last.media, media.len(), "a list shows that a message without words has files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_the_gateway_decoded_does_not_panic() {
    let test = TestApp::start().await;
    let answer = handle(&app(test.table()), now(), 7, signed(ROUTE, "a=%22%20", SMS, TOKEN).request()).await;
    assert_eq!(answer.status(), 200);
}
