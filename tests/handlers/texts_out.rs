//! `messages`: the order of the checks, the idempotency key, who may.

use messages::{App, Limits, handle};
use serde_json::{Value, json};
use shared_domain::registration::RegistrationStatus;
use shared_http::caller::Claims;
use test_kit::gateway::Event;

use crate::stage::{Stage, json, no_bucket, now};

const REPLY: &str = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages";
const COMPOSE: &str = "POST /v1/messages";

fn app(stage: &Stage) -> App {
    App::new(stage.table(), no_bucket(), Claims::standard(), Limits { reply: 1500, compose: 306 })
}

fn reply(stage: &Stage, body: &Value) -> Event {
    let conversation = stage.conversation_id();
    let parameters = [("inboxId", "inb_1"), ("conversationId", conversation.as_str())];
    Event::new(REPLY, &parameters).user("org_1", "ada").json(body)
}

fn compose(body: &Value) -> Event {
    Event::new(COMPOSE, &[]).user("org_1", "ada").json(body)
}

async fn send(app: &App, event: Event) -> (u16, Value) {
    let answer = handle(app, now(), shared_lambda::clock::entropy(), event.request()).await;
    (answer.status().as_u16(), json(&answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_is_answered_alike_and_sent_once() {
    let stage = Stage::set().await;
    let app = app(&stage);
    let body =
        json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "(202) 555-0143" }, "text": "hello" });
    let event = compose(&body).header("idempotency-key", "k-1");
    let (one, two) = tokio::join!(send(&app, event.clone()), send(&app, event.clone()));
    let late = send(&app, event).await;
    assert_eq!(one.0, 202, "{}", one.1);
    assert_eq!(one, two);
    assert_eq!(one, late);
    assert_eq!(stage.history().await.len(), 1);
    let mut other = body;
    other["text"] = "another".into();
    let (status, problem) = send(&app, compose(&other).header("idempotency-key", "k-1")).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_told_in_their_order() {
    let stage = Stage::set().await;
    let app = app(&stage);
    stage.accepted("first", now()).await;
    let too_long = json!({ "text": "a".repeat(1501) });
    let (status, problem) = send(&app, reply(&stage, &too_long)).await;
    assert_eq!((status, &problem["code"]), (412, &json!("lock_required")), "the lock before the length");
    let token = stage.lock_token().await;
    let (status, problem) =
        send(&app, reply(&stage, &json!({ "text": "a".repeat(1501), "lockToken": token }))).await;
    assert_eq!((status, &problem["code"], &problem["segments"]), (422, &json!("text_too_long"), &json!(10)));
    let mut team = stage.account.team.clone();
    team.registration = RegistrationStatus::Suspended;
    let teams = shared_aws::team::Teams::new(stage.table());
    teams.put(stage.organization(), &team).await.unwrap();
    let (status, problem) = send(&app, reply(&stage, &json!({ "text": "hi" }))).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("registration_incomplete")),
        "registration before the lock"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_no_member_finds_nothing_whatever_the_body() {
    let stage = Stage::set().await;
    stage.accepted("first", now()).await;
    let app = app(&stage);
    for (organization, user) in [("org_1", "ben"), ("org_2", "ada")] {
        let stranger = reply(&stage, &json!("no object at all")).user(organization, user);
        assert_eq!(send(&app, stranger).await.0, 404, "{organization} {user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_who_opted_out_or_is_blocked_is_not_written_to() {
    for (code, blocked) in [("opted_out", false), ("blocked", true)] {
        let stage = Stage::set().await;
        stage
            .know(|contact| {
                contact.opted_out = !blocked;
                contact.blocked = blocked;
            })
            .await;
        let body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" }, "text": "hello" });
        let (status, problem) = send(&app(&stage), compose(&body)).await;
        assert_eq!((status, &problem["code"]), (409, &json!(code)));
        assert!(stage.history().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_needs_the_scope_and_a_known_client() {
    let stage = Stage::set().await;
    let app = app(&stage);
    let body =
        json!({ "from": { "apiCode": "FRONT" }, "to": { "phoneNumber": "+12025550143" }, "text": "hello" });
    let machine = |scope: &str| {
        let claims =
            json!({ "sub": "client-1", "client_id": "client-1", "token_use": "access", "scope": scope });
        Event::new(COMPOSE, &[]).claims(claims).json(&body)
    };
    assert_eq!(send(&app, machine("")).await.0, 403);
    assert_eq!(send(&app, machine("shared-inbox/send")).await.0, 403, "a client that nobody entered");
    let members = shared_aws::team::Members::new(stage.table());
    members.put_machine("client-1", stage.organization()).await.unwrap();
    let (status, message) = send(&app, machine("shared-inbox/send")).await;
    assert_eq!((status, &message["sender"]), (202, &Value::Null), "{message}");
}
