//! `inbound-sweep`: messages whose webhook was lost, and numbers that lost their webhooks.

use std::time::Duration;

use inbound_sweep::{App, SweepError, handle};
use serde_json::json;
use shared_app::sweep::Swept;
use shared_aws::{
    messaging::{Inbound, MediaFiles, SweptNumbers},
    table::Table,
};
use shared_carriers::twilio::Client;
use shared_domain::{
    ids::ConversationId,
    media::MediaState,
    opt_out::{KeywordReplies, stop_text},
    phone::PhoneNumber,
    sweep::SETTLE_TIME,
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    build::{self, CONTACT_NUMBER, INBOX_NUMBER},
    carrier::CarrierProxy,
};

use crate::inbound_sms::{
    keyword_replies::{HOURS, add_reply, tags},
    keywords::{inbound, is_opted_out, receive, turn_on_out_of_office_at},
};

const WEBHOOKS: &str = "https://inbox.example";

fn app(test: &TestApp, carrier: Client) -> App {
    App::new(&test.table(), carrier, WEBHOOKS, KeywordReplies::Product)
}

/// Sweeps at a time at which all messages so far are left to no webhook.
pub(crate) async fn sweep(test: &TestApp) -> Swept {
    sweep_with(test, test.carrier.client()).await.unwrap()
}

async fn sweep_with(test: &TestApp, carrier: Client) -> Result<Swept, SweepError> {
    let later = now() + SETTLE_TIME;
    handle(&app(test, carrier), || later, 7).await
}

/// Sweeps with a table that may fail, as [`sweep`] does.
pub(crate) async fn sweep_with_table(test: &TestApp, table: &Table) -> Result<Swept, SweepError> {
    let app = App::new(table, test.carrier.client(), WEBHOOKS, KeywordReplies::Product);
    let later = now() + SETTLE_TIME;
    handle(&app, || later, 7).await
}

/// What a run did that could not read or store something.
fn incomplete(swept: Result<Swept, SweepError>) -> Swept {
    let Err(SweepError::Incomplete(swept)) = swept else { panic!("{swept:?}") };
    swept
}

/// What a run does that finds this many messages at the one number.
fn found(found: usize) -> Swept {
    Swept { numbers: 1, found, ..Swept::default() }
}

/// A contact sends a message whose webhook is lost. Returns its sid.
pub(crate) async fn lose_message(test: &TestApp, text: &str, more: &[(&str, &str)]) -> String {
    let usual = [("To", INBOX_NUMBER), ("From", CONTACT_NUMBER), ("Body", text)];
    let fields: Vec<_> = more.iter().copied().chain(usual).collect(); // the first of a name counts
    test.carrier.fault("lost-webhook", "1").await;
    let answer = test.carrier.control("inbound-message", &fields).await;
    answer["messageSid"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Starts with a number that a first run has added to the list and given its webhooks.
pub(crate) async fn start() -> TestApp {
    let test = TestApp::start().await;
    assert_eq!(sweep(&test).await, Swept { restored: 1, ..found(0) });
    test
}

async fn texts(test: &TestApp) -> Vec<String> {
    test.history().await.into_iter().rev().map(|message| message.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_messages_are_stored_once_in_their_order_with_the_time_of_the_carrier() {
    let test = start().await;
    let sent = now();
    for text in ["one", "two", "three"] {
        lose_message(&test, text, &[]).await;
    }
    assert_eq!(sweep(&test).await, found(3));
    assert_eq!(texts(&test).await, ["one", "two", "three"]);
    let second = Duration::from_secs(1);
    for message in test.history().await {
        assert!(message.created_at + second > sent && message.created_at < now() + second);
    }
    let conversation = test.conversation().await.unwrap();
    assert_eq!((conversation.read, conversation.last_message.text.as_str()), (false, "three"));
    assert_eq!(sweep(&test).await, found(0));
    assert_eq!(texts(&test).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_new_messages_costs_one_request_to_the_carrier_and_no_write() {
    let test = start().await;
    lose_message(&test, "hello", &[]).await;
    assert_eq!(sweep(&test).await, found(1));
    let before = test.engine.items().await;
    assert_eq!(sweep(&test).await, found(0));
    assert_eq!(test.engine.items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_left_to_its_webhook_for_thirty_seconds() {
    let test = start().await;
    lose_message(&test, "hello", &[]).await;
    let app = app(&test, test.carrier.client());
    assert_eq!(handle(&app, now, 7).await.unwrap(), found(0));
    assert_eq!(texts(&test).await, [""; 0]);
    assert_eq!(sweep(&test).await, found(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_webhook_came_is_not_counted_as_lost() {
    let test = start().await;
    let message = inbound(7, "hello");
    lose_message(&test, "hello", &[("MessageSid", &format!("SM{:032}", 7))]).await;
    receive(&test, now(), message).await;
    assert_eq!(sweep(&test).await, found(0));
    assert_eq!(texts(&test).await, ["hello"]);
    receive(&test, now(), message).await;
    assert_eq!(texts(&test).await, ["hello"], "a webhook that comes after all stores nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_stop_opts_the_contact_out() {
    let test = start().await;
    lose_message(&test, "STOP", &[]).await;
    assert_eq!(sweep(&test).await, found(1));
    assert!(is_opted_out(&test).await);
    assert_eq!(texts(&test).await, ["STOP".into(), stop_text("Front")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_that_is_found_hours_later_gets_no_automatic_reply() {
    let test = start().await;
    turn_on_out_of_office_at(&test, now() - Duration::from_hours(1)).await;
    for text in ["Are you open?", "HELP", "STOP"] {
        lose_message(&test, text, &[]).await;
    }
    let later = now() + Duration::from_hours(2);
    handle(&app(&test, test.carrier.client()), || later, 7).await.unwrap();
    assert_eq!(texts(&test).await, ["Are you open?", "HELP", "STOP"]);
    assert!(is_opted_out(&test).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_keyword_is_answered_and_one_that_is_found_hours_later_only_tags() {
    for (hours, expected) in [(0, vec!["hours", HOURS]), (2, vec!["hours"])] {
        let test = start().await;
        let before = now() - Duration::from_hours(1);
        add_reply(&test, "kwr_1", &["hours"], Some("Curious"), before).await;
        lose_message(&test, "hours", &[]).await;
        let later = now() + SETTLE_TIME + Duration::from_hours(hours);
        handle(&app(&test, test.carrier.client()), || later, 7).await.unwrap();
        assert_eq!(texts(&test).await, expected, "after {hours} hours");
        assert_eq!(tags(&test).await, ["Curious"], "after {hours} hours");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_stop_does_not_override_a_start_that_was_sent_after_it() {
    let test = start().await;
    lose_message(&test, "STOP", &[]).await;
    receive(&test, now() + Duration::from_secs(1), inbound(7, "START")).await;
    assert_eq!(sweep(&test).await, found(1));
    assert!(!is_opted_out(&test).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_was_stored_by_an_interrupted_webhook_opts_the_contact_out() {
    let test = start().await;
    let sid = lose_message(&test, "STOP", &[]).await;
    let text = build::inbound_text(&test.contact, &sid, "STOP");
    Inbound::new(test.table()).receive(&test.inbox, &text, now()).await.unwrap();
    assert!(!is_opted_out(&test).await);
    assert_eq!(sweep(&test).await, found(0), "the message is not lost");
    assert!(is_opted_out(&test).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_of_a_lost_message_are_copied() {
    let test = start().await;
    let sid = lose_message(&test, "look", &[("Media", "picture"), ("Media", "card")]).await;
    assert_eq!(sweep(&test).await, found(1));
    let [message] = test.history().await.try_into().unwrap();
    let types: Vec<_> = message.media.iter().map(|media| media.content_type.as_deref().unwrap()).collect();
    assert_eq!(types, ["image/png", "text/x-vcard"]);
    for media in &message.media {
        let MediaState::Pending { source } = &media.state else { panic!("{media:?}") };
        assert!(source.contains(&format!("/Messages/{sid}/Media/ME")), "{source}");
    }
    let queued = MediaFiles::new(test.table()).overdue(now() + Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(queued.iter().map(|pending| pending.files).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_taken_in_is_tried_again_and_delays_no_other() {
    let test = start().await;
    lose_message(&test, "look", &[("Media", "picture")]).await;
    lose_message(&test, "hello", &[]).await;
    let proxy = CarrierProxy::start(&test.carrier).await;
    proxy.refuse("GET", "/Media.json", 503, json!({}));
    let swept = incomplete(sweep_with(&test, proxy.client()).await);
    assert_eq!(swept, Swept { failed: 1, ..Swept::default() });
    assert_eq!(texts(&test).await, ["hello"]);
    assert_eq!(sweep_with(&test, proxy.client()).await.unwrap(), found(1));
    assert_eq!(texts(&test).await, ["look", "hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_an_error_and_is_read_by_the_next_run() {
    let test = start().await;
    lose_message(&test, "hello", &[]).await;
    let proxy = CarrierProxy::start(&test.carrier).await;
    proxy.refuse("GET", "/Messages.json", 503, json!({}));
    let swept = incomplete(sweep_with(&test, proxy.client()).await);
    assert_eq!(swept, Swept { failed: 1, ..Swept::default() });
    assert_eq!(texts(&test).await, [""; 0]);
    assert_eq!(sweep_with(&test, proxy.client()).await.unwrap(), found(1));
    assert_eq!(texts(&test).await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_a_sender_without_a_number_is_found_too() {
    let test = start().await;
    lose_message(&test, "an offer", &[("From", "ACME")]).await;
    lose_message(&test, "hello", &[]).await;
    assert_eq!(sweep(&test).await, found(2));
    assert_eq!(sweep(&test).await, found(0));
    assert_eq!(texts(&test).await, ["hello"]);
    let sender = PhoneNumber::from_stored("ACME").unwrap();
    let stored = test.history_of(&ConversationId::of(&test.inbox.id, &sender)).await;
    assert_eq!(stored.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["an offer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_lost_its_webhooks_gets_them_again() {
    let test = start().await;
    let client = test.carrier.client();
    let number = client.owned_number(INBOX_NUMBER).await.unwrap().unwrap();
    let (messages, calls) = (
        format!("{WEBHOOKS}/webhooks/twilio/messages#rc=5&rp=all"),
        format!("{WEBHOOKS}/webhooks/twilio/voice#rc=5&rp=all"),
    );
    assert_eq!((&number.webhooks.messages, &number.webhooks.messages_fallback), (&messages, &messages));
    assert_eq!((&number.webhooks.calls, &number.webhooks.calls_fallback), (&calls, &calls));
    let mut changed = number.webhooks.clone();
    changed.messages_fallback = "https://elsewhere.example".into();
    client.set_webhooks(&number.sid, &changed).await.unwrap();
    assert_eq!(sweep(&test).await, Swept { restored: 1, ..found(0) });
    assert_eq!(client.owned_number(INBOX_NUMBER).await.unwrap().unwrap(), number);
    assert_eq!(sweep(&test).await, found(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_an_inbox_is_left_alone() {
    let test = start().await;
    test.carrier.buy("+12025550199").await;
    assert_eq!(sweep(&test).await, found(0));
    let owned = test.carrier.client().owned_number("+12025550199").await.unwrap().unwrap();
    assert_eq!(owned.webhooks.messages, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_number_is_swept_no_more() {
    let test = start().await;
    let client = test.carrier.client();
    let number = client.owned_number(INBOX_NUMBER).await.unwrap().unwrap();
    client.release_number(&number.sid).await.unwrap();
    assert_eq!(sweep(&test).await, Swept::default());
    assert_eq!(SweptNumbers::new(test.table()).all().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_bought_again_gets_no_messages_of_its_earlier_owner() {
    let test = start().await;
    let client = test.carrier.client();
    lose_message(&test, "for the earlier owner", &[]).await;
    let number = client.owned_number(INBOX_NUMBER).await.unwrap().unwrap();
    client.release_number(&number.sid).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await; // the carrier's dates are in seconds
    test.carrier.buy(INBOX_NUMBER).await;
    assert_eq!(sweep(&test).await, Swept { restored: 1, ..found(0) });
    assert_eq!(texts(&test).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_no_number_after_its_time_and_is_no_error() {
    let test = start().await;
    lose_message(&test, "hello", &[]).await;
    let times = std::cell::Cell::new(now() + SETTLE_TIME);
    let clock = || -> Timestamp { times.replace(times.get() + Duration::from_secs(30)) };
    let swept = handle(&app(&test, test.carrier.client()), clock, 7).await.unwrap();
    assert_eq!(swept, Swept { skipped: 1, ..Swept::default() });
    assert_eq!(sweep(&test).await, found(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_or_a_table_that_cannot_be_reached_is_an_error() {
    let test = start().await;
    let unreachable = app(&test, test_kit::carrier::unreachable_client());
    assert!(handle(&unreachable, now, 7).await.is_err());
    let client = test.carrier.client();
    let replies = KeywordReplies::Product;
    let without_table = App::new(&TestApp::unreachable_table(), client, WEBHOOKS, replies);
    assert!(handle(&without_table, now, 7).await.is_err());
}
