//! `conversations`: the names of assigned users.

use conversations::App;
use serde_json::{Value, json};
use shared_domain::{
    contact::Contact,
    ids::ContactId,
    user::{User, UserRef},
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use test_kit::{
    TestApp, build,
    gateway::{Event, status_and_json},
};

use crate::inbound_sms::keywords::{at, inbound, receive};

const CONVERSATIONS: &str = "/v1/inboxes/{inboxId}/conversations";

/// The contact of the conversation is assigned to a user whose name was "BEN" at that time.
async fn assigned_to(user: &str) -> TestApp {
    let test = TestApp::start().await;
    let contact = Contact {
        id: ContactId::parse("con_pat").unwrap(),
        first_name: Some("Pat".into()),
        assigned: Some(UserRef { id: build::user_id(user), name: "BEN".into() }),
        provisional: false,
        ..Contact::provisional(&test.team.id, &test.contact)
    };
    test.add_contact(&contact).await;
    receive(&test, at(10), inbound(1, "Hello")).await;
    test
}

async fn call(test: &TestApp, event: Event) -> Value {
    let app = App::new(test.table(), test.s3.bucket(), Claims::standard(), Cursors::fixed("secret"));
    let event = event.user("org_1", "ada");
    let (status, body) =
        status_and_json(&answer(&conversations::router(app), at(20), 7, event.request()).await);
    assert_eq!(status, 200, "{body}");
    body
}

/// Returns the names of the assigned user in all responses that have one.
async fn names(test: &TestApp) -> Vec<Value> {
    let (inbox, id) = (test.inbox.id.as_str(), test.conversation_id());
    let of_inbox = |method: &str| Event::new(&format!("{method} {CONVERSATIONS}"), &[("inboxId", inbox)]);
    let parameters = [("inboxId", inbox), ("conversationId", id.as_str())];
    let of_one =
        |method: &str| Event::new(&format!("{method} {CONVERSATIONS}/{{conversationId}}"), &parameters);
    let pages = [
        call(test, of_inbox("GET")).await,
        call(test, of_inbox("GET").query("q=2025550143")).await,
        call(test, of_inbox("PATCH").json(&json!({ "conversationIds": [id.as_str()], "read": true }))).await,
    ];
    let mut found: Vec<Value> = pages.into_iter().map(|page| page["items"][0].clone()).collect();
    found.push(call(test, of_one("GET")).await);
    found.push(call(test, of_one("PATCH").json(&json!({ "read": false }))).await);
    found.into_iter().map(|conversation| conversation["assignedUser"]["name"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_show_the_new_name_of_the_user_that_their_contact_is_assigned_to() {
    let test = assigned_to("ben").await;
    assert_eq!(names(&test).await, vec![json!("BEN"); 5], "a user who does not exist keeps the name");
    let (id, email) = (build::user_id("ben"), "ben@clinic.example".into());
    let renamed = User { id, name: "Benjamin".into(), email, owner: false };
    test.add_user(test.organization(), &renamed, &[]).await;
    assert_eq!(names(&test).await, vec![json!("Benjamin"); 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_of_the_callers_own_contacts_show_the_name_in_the_membership() {
    let test = assigned_to("ada").await;
    assert_eq!(names(&test).await, vec![json!(test.user.name); 5]);
}
