//! Sending failed messages again.

use std::time::Duration;

use messages::App;
use serde_json::{Value, json};
use shared_aws::{
    conversation::{Acquired, Locks},
    messaging::{Acceptance, Deliveries, Guard, Sends},
};
use shared_domain::{
    contact::Contact,
    ids::MessageId,
    inbox::{Inbox, Stage},
    lock::LockPolicy,
    membership::Role,
    message::{DeliveryState, Message, Report},
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{TestApp, build, gateway::Event};

use super::{app, compose, send};

const RETRY: &str = "POST /v1/inboxes/{inboxId}/messages/retry";

fn retry(user: &str, body: &Value) -> Event {
    Event::new(RETRY, &[("inboxId", "inb_1")]).user("org_1", user).json(body)
}

/// All failed messages of the last hour.
fn all() -> Value {
    json!({ "since": (now() - Duration::from_hours(1)).to_string() })
}

async fn start() -> TestApp {
    let test = TestApp::start().await;
    test.add_user(test.organization(), &build::user("ada"), &[("team_1", Role::Admin)]).await;
    test.add_user(test.organization(), &build::user("bob"), &[("team_1", Role::Member)]).await;
    test.add_member(&test.inbox, &build::user_ref("bob", "Bob")).await;
    test
}

async fn fail(test: &TestApp, id: &MessageId, code: &str, at: Timestamp) {
    let report = Report { at, code: Some(code.into()), detail: None };
    let (deliveries, state) = (Deliveries::new(test.table()), DeliveryState::Undelivered);
    deliveries.report(test.organization(), id, state, &report, None).await.unwrap();
}

/// Accepts messages to the contact that fail with these codes. Returns their ids, oldest first.
async fn failed_messages(test: &TestApp, codes: &[&str]) -> Vec<MessageId> {
    let start = now() - Duration::from_mins(5);
    let mut ids = Vec::new();
    for (place, code) in (0..).zip(codes) {
        let at = start + Duration::from_secs(place);
        let id = test.accept_message(&format!("Text {place}"), at).await;
        fail(test, &id, code, at).await;
        ids.push(id);
    }
    ids
}

/// Returns the messages that send others again, oldest first.
async fn retries(test: &TestApp) -> Vec<Message> {
    let history = test.history().await;
    history.into_iter().rev().filter(|message| message.retry_of.is_some()).collect()
}

async fn counts(app: &App, event: Event) -> (u64, u64) {
    let (status, result) = send(app, event).await;
    assert_eq!((status, &result["next"]), (202, &Value::Null), "{result}");
    (result["queued"].as_u64().unwrap(), result["skipped"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_message_is_sent_again_once_and_in_its_order() {
    let test = start().await;
    let app = app(&test);
    let failed = failed_messages(&test, &["30003", "30008", "30003"]).await;
    assert_eq!(counts(&app, retry("ada", &all())).await, (3, 0));
    let again = retries(&test).await;
    let originals: Vec<_> = again.iter().map(|message| message.retry_of.clone().unwrap()).collect();
    assert_eq!(originals, failed);
    for (original, again) in failed.iter().zip(&again) {
        let original = test.message(original).await;
        assert_eq!(original.retried_by.as_ref(), Some(&again.id));
        assert_eq!((&original.text, &original.sender), (&again.text, &again.sender));
        assert_eq!(again.delivery.state(), DeliveryState::Queued);
    }
    let overdue = test.outbox().overdue(now() + Duration::from_hours(1)).await.unwrap();
    let queued: Vec<_> = overdue.into_iter().map(|entry| entry.message).collect();
    assert!(again.iter().all(|message| queued.contains(&message.id)), "in the outbox");
    let conversation = test.conversation().await.unwrap();
    assert_eq!((&conversation.last_message.id, conversation.delivery_failed), (&again[2].id, false));

    assert_eq!(counts(&app, retry("ada", &all())).await, (0, 0), "nothing is sent twice");
    fail(&test, &again[0].id, "30003", now() - Duration::from_secs(1)).await;
    assert_eq!(counts(&app, retry("ada", &all())).await, (1, 0), "a retry that failed as well");
    assert_eq!(retries(&test).await[3].retry_of.as_ref(), Some(&again[0].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_retries_send_each_message_once() {
    let test = start().await;
    let app = app(&test);
    let failed = failed_messages(&test, &["30003"; 4]).await;
    let (one, two) = tokio::join!(counts(&app, retry("ada", &all())), counts(&app, retry("ada", &all())));
    assert_eq!((one.0 + two.0, one.1 + two.1), (4, 0), "{one:?} {two:?}");
    let again = retries(&test).await;
    let mut originals: Vec<_> = again.iter().map(|message| message.retry_of.clone().unwrap()).collect();
    originals.sort();
    assert_eq!(originals, failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_idempotency_key_returns_the_first_result() {
    let test = start().await;
    let app = app(&test);
    failed_messages(&test, &["30003", "30003"]).await;
    let event = retry("ada", &all()).header("idempotency-key", "k-1");
    let first = send(&app, event.clone()).await;
    assert_eq!((first.0, &first.1["queued"]), (202, &json!(2)), "{}", first.1);
    assert_eq!(send(&app, event).await, first);
    let other = retry("ada", &json!({ "since": "2026-01-01T00:00:00Z" })).header("idempotency-key", "k-1");
    assert_eq!(send(&app, other).await.1["code"], "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_times_select_the_messages() {
    let test = start().await;
    let app = app(&test);
    let failed = failed_messages(&test, &["30003", "30008", "30005"]).await;
    let at = test.message(&failed[1]).await.created_at;
    let body = |value: Value| {
        let mut body = all();
        body.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        body
    };
    for (value, queued) in [
        (json!({ "codes": ["30007"] }), 0),
        (json!({ "until": at.to_string(), "codes": ["30008"] }), 0),
        (json!({ "since": (at + Duration::from_millis(1)).to_string(), "codes": ["30008"] }), 0),
        (json!({ "since": at.to_string(), "until": (at + Duration::from_millis(1)).to_string() }), 1),
        (json!({ "codes": ["30007", "30003"] }), 1),
        (json!({}), 1),
    ] {
        assert_eq!(counts(&app, retry("ada", &body(value.clone()))).await, (queued, 0), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_a_contact_that_opted_out_or_is_blocked_are_skipped() {
    for (opted_out, blocked) in [(true, false), (false, true)] {
        let test = start().await;
        let failed = failed_messages(&test, &["30003"]).await;
        let contact = Contact::provisional(&test.team.id, &test.contact);
        test.add_contact(&Contact { opted_out, blocked, ..contact }).await;
        assert_eq!(counts(&app(&test), retry("ada", &all())).await, (0, 1));
        assert_eq!(test.message(&failed[0]).await.retried_by, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_conversation_that_another_user_has_locked_are_skipped_until_the_lock_ends() {
    let test = start().await;
    let app = app(&test);
    let failed = failed_messages(&test, &["30003"]).await;
    let locks = Locks::new(test.table());
    let (id, bob) = (test.conversation_id(), build::user_ref("bob", "Bob"));
    let policy = LockPolicy::default();
    let key = test.conversation_key(&id);
    let acquired = locks.acquire(key, &bob, now(), 1, &policy).await.unwrap();
    let Acquired::Held(lease) = acquired else { panic!("{acquired:?}") };
    assert_eq!(counts(&app, retry("ada", &all())).await, (0, 1), "Bob is responding");
    locks.break_lock(key, &test.user, lease.token).await.unwrap();
    assert_eq!(test.message(&failed[0]).await.retried_by, None);
    assert_eq!(counts(&app, retry("ada", &all())).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_message_is_not_sent_again() {
    let test = start().await;
    let at = now() - Duration::from_mins(1);
    let automatic = Message {
        automatic: true,
        ..build::message(&test.inbox, &test.contact, &test.user, at, shared_lambda::clock::entropy())
    };
    let acceptance = Acceptance {
        organization: test.organization(),
        message: &automatic,
        contact: &Contact::provisional(&test.team.id, &test.contact),
        guard: Guard::Compose { user: None },
        idempotency: None,
    };
    Sends::new(test.table()).accept(acceptance).await.unwrap();
    fail(&test, &automatic.id, "30003", at).await;
    assert_eq!(counts(&app(&test), retry("ada", &all())).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_delivered_after_all_is_not_sent_again() {
    let test = start().await;
    let [id] = failed_messages(&test, &["30003"]).await.try_into().unwrap();
    let (deliveries, state) = (Deliveries::new(test.table()), DeliveryState::Delivered);
    deliveries.report(test.organization(), &id, state, &Report::at(now()), None).await.unwrap();
    assert_eq!(counts(&app(&test), retry("ada", &all())).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_cannot_send_retries_nothing() {
    let test = start().await;
    let app = app(&test);
    failed_messages(&test, &["30003"]).await;
    let suspended = Team { registration: RegistrationStatus::Suspended, ..test.team.clone() };
    test.add_team(test.organization(), &suspended).await;
    let (status, problem) = send(&app, retry("ada", &all())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("registration_incomplete")));
    test.add_team(test.organization(), &test.team).await;
    test.add_inbox(&Inbox { stage: Stage::Retired, ..test.inbox.clone() }).await;
    let (status, problem) = send(&app, retry("ada", &all())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("inbox_retired")));
    assert_eq!(retries(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_of_the_inbox_retry_and_invalid_bodies_are_refused() {
    let test = start().await;
    let app = app(&test);
    failed_messages(&test, &["30003"]).await;
    for (user, status) in [("bob", 403), ("eve", 404)] {
        assert_eq!(send(&app, retry(user, &json!({}))).await.0, status, "{user}");
    }
    for (body, pointer) in [
        (json!({}), "/since"),
        (json!({ "since": "yesterday" }), "/since"),
        (json!({ "since": "2026-11-22T10:00:00Z", "until": "2026-11-22" }), "/until"),
        (json!({ "since": "2026-11-22T10:00:00Z", "codes": [] }), "/codes"),
        (json!({ "since": "2026-11-22T10:00:00Z", "codes": [30003] }), "/codes/0"),
        (json!({ "since": "2026-11-22T10:00:00Z", "codes": vec!["30003"; 51] }), "/codes"),
        (json!({ "since": "2026-11-22T10:00:00Z", "all": true }), "/all"),
    ] {
        let (status, problem) = send(&app, retry("ada", &body)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{body}");
    }
    assert_eq!(retries(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_with_many_failed_messages_is_retried_request_by_request() {
    let test = start().await;
    let app = app(&test);
    let failed = failed_messages(&test, &["30003"; 105]).await;
    let mut body = all();
    let (mut queued, mut requests) = (0, 0);
    loop {
        let (status, result) = send(&app, retry("ada", &body)).await;
        assert_eq!(status, 202, "{result}");
        (queued, requests) = (queued + result["queued"].as_u64().unwrap(), requests + 1);
        assert!(requests < 10, "the period has no end");
        match result["next"].as_str() {
            Some(next) => body["since"] = next.into(),
            None => break,
        }
    }
    assert_eq!((queued, requests), (105, 2));
    for id in &failed {
        assert!(test.message(id).await.retried_by.is_some());
    }
    let body =
        json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" }, "text": "hi" });
    assert_eq!(send(&app, compose(&body)).await.1["retryOf"], Value::Null);
}
