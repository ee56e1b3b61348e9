//! `messages`: the order of the checks, idempotency keys and access.

mod retries;

use std::time::Duration;

use messages::{App, Limits, router};
use serde_json::{Value, json};
use shared_aws::messaging::Inbound;
use shared_domain::{
    contact::Contact, ids::ContactId, registration::RegistrationStatus, team::Team, time::Timestamp,
};
use shared_http::{caller::Claims, serve::answer};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    gateway::{Event, json},
    log::log_of,
};

const REPLY: &str = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages";
const COMPOSE: &str = "POST /v1/messages";

fn app(test: &TestApp) -> App {
    App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        Claims::standard(),
        Limits { reply: 1500, compose: 306 },
    )
}

fn reply(test: &TestApp, body: &Value) -> Event {
    let conversation = test.conversation_id();
    let parameters = [("inboxId", "inb_1"), ("conversationId", conversation.as_str())];
    Event::new(REPLY, &parameters).user("org_1", "ada").json(body)
}

fn compose(body: &Value) -> Event {
    Event::new(COMPOSE, &[]).user("org_1", "ada").json(body)
}

async fn send(app: &App, event: Event) -> (u16, Value) {
    send_at(app, now(), event).await
}

async fn send_at(app: &App, at: Timestamp, event: Event) -> (u16, Value) {
    let response = answer(&router(app.clone()), at, shared_lambda::clock::entropy(), event.request()).await;
    (response.status().as_u16(), json(&response))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_idempotency_key_gives_the_same_answer_and_sends_once() {
    let test = TestApp::start().await;
    let app = app(&test);
    let body =
        json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "(202) 555-0143" }, "text": "hello" });
    let event = compose(&body).header("idempotency-key", "k-1");
    let (one, two) = tokio::join!(send(&app, event.clone()), send(&app, event.clone()));
    let late = send(&app, event).await;
    assert_eq!(one.0, 202, "{}", one.1);
    assert_eq!(one, two);
    assert_eq!(one, late);
    assert_eq!(test.history().await.len(), 1);
    let mut other = body;
    other["text"] = "another".into();
    let (status, problem) = send(&app, compose(&other).header("idempotency-key", "k-1")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failed_check_decides_the_answer() {
    let test = TestApp::start().await;
    let app = app(&test);
    test.accept_message("first", now()).await;
    let too_long = json!({ "text": "a".repeat(1501) });
    let (status, problem) = send(&app, reply(&test, &too_long)).await;
    assert_eq!((status, &problem["code"]), (412, &json!("lock_required")), "the lock before the length");
    let token = test.acquire_lock().await;
    let (status, problem) =
        send(&app, reply(&test, &json!({ "text": "a".repeat(1501), "lockToken": token }))).await;
    assert_eq!((status, &problem["code"], &problem["segments"]), (422, &json!("text_too_long"), &json!(10)));
    let suspended = Team { registration: RegistrationStatus::Suspended, ..test.team.clone() };
    test.add_team(test.organization(), &suspended).await;
    let (status, problem) = send(&app, reply(&test, &json!({ "text": "hi" }))).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("registration_incomplete")),
        "registration before the lock"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_not_a_member_gets_404_whatever_the_body() {
    let test = TestApp::start().await;
    test.accept_message("first", now()).await;
    let app = app(&test);
    for (organization, user) in [("org_1", "ben"), ("org_2", "ada")] {
        let request = reply(&test, &json!("no object at all")).user(organization, user);
        assert_eq!(send(&app, request).await.0, 404, "{organization} {user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_accepted_for_an_opted_out_or_blocked_contact() {
    for (code, blocked) in [("opted_out", false), ("blocked", true)] {
        let test = TestApp::start().await;
        let contact = Contact::provisional(&test.team.id, &test.contact);
        test.add_contact(&Contact { opted_out: !blocked, blocked, ..contact }).await;
        let body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" }, "text": "hello" });
        let (status, problem) = send(&app(&test), compose(&body)).await;
        assert_eq!((status, &problem["code"]), (409, &json!(code)));
        assert!(test.history().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_with_an_extension_is_refused_and_its_main_line_gets_no_message() {
    let test = TestApp::start().await;
    let body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "(202) 555-0143 x123" }, "text": "hello" });
    let (status, problem) = send(&app(&test), compose(&body)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_number")));
    assert!(problem.to_string().contains("extension"), "{problem}");
    assert!(test.history().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_accepted_for_any_contact_that_shares_an_opted_out_or_blocked_number() {
    for (code, blocked) in [("opted_out", false), ("blocked", true)] {
        for has_conversation in [false, true] {
            let test = TestApp::start().await;
            if has_conversation {
                test.accept_message("first", now()).await;
            }
            let of_number = |id: &str| Contact {
                id: ContactId::parse(id).unwrap(),
                provisional: false,
                ..Contact::provisional(&test.team.id, &test.contact)
            };
            test.add_contact(&Contact { opted_out: !blocked, blocked, ..of_number("con_1") }).await;
            test.add_contact(&of_number("con_2")).await;
            for contact in ["con_1", "con_2"] {
                let body = json!({ "from": { "inboxId": "inb_1" }, "to": { "contactId": contact }, "text": "hello" });
                let (status, problem) = send(&app(&test), compose(&body)).await;
                assert_eq!((status, &problem["code"]), (409, &json!(code)), "{contact} {has_conversation}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_accepted_to_the_number_of_the_inbox_itself_or_with_control_characters() {
    let test = TestApp::start().await;
    let app = app(&test);
    for (to, text, expected) in [
        ("+12025550100", "hello", (409, "own_number")),
        ("+12025550143", "bell\u{7}", (422, "text_invalid")),
        ("+12025550143", "\u{200b}", (422, "text_empty")),
    ] {
        let body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": to }, "text": text });
        let (status, problem) = send(&app, compose(&body)).await;
        assert_eq!((status, &problem["code"]), (expected.0, &json!(expected.1)), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_needs_the_scope_and_a_registered_client() {
    let test = TestApp::start().await;
    let app = app(&test);
    let body =
        json!({ "from": { "apiCode": "FRONT" }, "to": { "phoneNumber": "+12025550143" }, "text": "hello" });
    let machine = |scope: &str| {
        let claims =
            json!({ "sub": "client-1", "client_id": "client-1", "token_use": "access", "scope": scope });
        Event::new(COMPOSE, &[]).claims(claims).json(&body)
    };
    assert_eq!(send(&app, machine("")).await.0, 403);
    assert_eq!(send(&app, machine("shared-inbox/send")).await.0, 403, "an unknown client");
    let members = shared_aws::team::Members::new(test.table());
    members.put_machine("client-1", test.organization()).await.unwrap();
    let (status, message) = send(&app, machine("shared-inbox/send")).await;
    assert_eq!((status, &message["sender"]), (202, &Value::Null), "{message}");
}

async fn receive(test: &TestApp, at: Timestamp) {
    let text = build::inbound_text(&test.contact, &format!("SM{}", at.millis()), "Is the office open?");
    Inbound::new(test.table()).receive(&test.inbox, &text, at).await.unwrap();
}

/// Returns the values of `FirstResponse` in a log.
fn first_responses(log: &str) -> Vec<u64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["FirstResponse"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_response_is_counted_from_the_first_message_to_the_reply_and_once() {
    let test = TestApp::start().await;
    let (app, at) = (app(&test), now());
    for minutes in [60, 20, 1] {
        receive(&test, at - Duration::from_mins(minutes)).await;
    }
    let token = test.acquire_lock().await;
    let log = log_of(async {
        for _ in 0..2 {
            let (status, body) =
                send_at(&app, at, reply(&test, &json!({ "text": "Yes", "lockToken": token }))).await;
            assert_eq!(status, 202, "{body}");
        }
    });
    assert_eq!(first_responses(&log.await), [3_600]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_response_can_be_a_composed_message_of_a_user_but_not_of_a_machine() {
    let test = TestApp::start().await;
    let (app, at) = (app(&test), now());
    let members = shared_aws::team::Members::new(test.table());
    members.put_machine("client-1", test.organization()).await.unwrap();
    let body =
        json!({ "from": { "apiCode": "FRONT" }, "to": { "phoneNumber": "+12025550143" }, "text": "Yes" });
    let claims = json!({
        "sub": "client-1", "client_id": "client-1", "token_use": "access", "scope": "shared-inbox/send"
    });
    let by_machine = Event::new(COMPOSE, &[]).claims(claims).json(&body);
    let send_after = async |seconds, event| {
        let (status, body) = send_at(&app, at + Duration::from_secs(seconds), event).await;
        assert_eq!(status, 202, "{body}");
    };
    let log = log_of(async {
        send_after(0, compose(&body)).await; // starts the conversation
        receive(&test, at + Duration::from_secs(10)).await;
        send_after(20, by_machine).await;
        send_after(100, compose(&body)).await;
        send_after(110, compose(&body)).await;
    });
    assert_eq!(first_responses(&log.await), [90]);
}
