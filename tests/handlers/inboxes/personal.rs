//! Personal inboxes: one for each user and team, without a registration.

use serde_json::{Value, json};
use shared_aws::team::Members;
use shared_domain::{inbox::InboxKind, keys::InboxKey, registration::RegistrationStatus};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    TestApp,
    build::{inbox_id, organization_id},
    crash,
    gateway::{Event, pointers},
};

use crate::inbox_creation::{app, call, crashing_app, create};

fn personal(owner: &str, line: u16) -> Value {
    json!({ "kind": "personal", "ownerId": owner, "phoneNumber": format!("+1202555{line}") })
}

async fn members(test: &TestApp, id: &str) -> Vec<String> {
    let inbox = inbox_id(id);
    let members = Members::new(test.table());
    let members =
        members.list(InboxKey { organization: &organization_id("org_1"), inbox: &inbox }).await.unwrap();
    members.iter().map(|member| member.user.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_personal_inbox_belongs_to_its_owner_and_starts_no_registration() {
    let test = TestApp::with_two_teams().await;
    let (status, created) = call(&app(&test), &create("ada", "team_1", &personal("bob", 2001))).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!((&created["kind"], &created["member"]), (&json!("personal"), &json!(false)));
    assert_eq!(created["notice"], Value::Null, "a personal inbox can send at once");
    assert_eq!(created["registration"]["status"], "not_started");
    let id = created["inboxId"].as_str().unwrap();
    let inbox = test.find_inbox(id).await.unwrap();
    assert_eq!((inbox.kind, inbox.name.as_str()), (InboxKind::Personal, "BOB"), "named after its owner");
    assert!(inbox.may_send(RegistrationStatus::NotStarted));
    assert_eq!(members(&test, id).await, ["bob"]);
    assert_eq!(test.registration_status("team_1").await, RegistrationStatus::NotStarted);
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_personal_inbox_in_a_team_even_with_concurrent_requests() {
    let test = TestApp::with_two_teams().await;
    let (one, other) = (app(&test), app(&test));
    let events = [2001, 2002].map(|line| create("dan", "team_2", &personal("cyn", line)));
    let (one, other) = tokio::join!(call(&one, &events[0]), call(&other, &events[1]));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.1, other.1);
    let refused = if one.0 == 409 { one.1 } else { other.1 };
    assert_eq!(refused["code"], "personal_inbox_exists");
    assert_eq!(test.carrier.owned_numbers().await.len(), 1, "nothing was bought for the refused request");
    let (status, _) = call(&app(&test), &create("dan", "team_2", &personal("eve", 2003))).await;
    assert_eq!(status, 201, "another user");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_key_returns_the_personal_inbox() {
    let test = TestApp::with_two_teams().await;
    let event = create("ada", "team_1", &personal("ada", 2001)).header("idempotency-key", "k-1");
    let (status, first) = call(&app(&test), &event).await;
    assert_eq!((status, &first["member"]), (201, &json!(true)), "{first}");
    assert_eq!(call(&app(&test), &event).await, (201, first));
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_a_retry_finishes_the_personal_inbox() {
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let event = create("ada", "team_1", &personal("bob", 2001)).header("idempotency-key", "k-1");
        let (status, _) = call(&crashing_app(&test, requests), &event).await;
        let (retried, created) = call(&app(&test), &event).await;
        assert_eq!(retried, 201, "{requests}: {created}");
        assert_eq!(members(&test, created["inboxId"].as_str().unwrap()).await, ["bob"], "{requests}");
        assert_eq!(test.carrier.owned_numbers().await.len(), 1, "{requests}");
        if status == 201 {
            assert!(requests > 3, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_personal_inbox_is_a_member_of_the_team() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    for (change, status, pointer) in [
        (json!({ "ownerId": "cyn" }), 422, "/ownerId"),
        (json!({ "ownerId": "#" }), 422, "/ownerId"),
        (json!({ "ownerId": null }), 400, "/ownerId"),
        (json!({ "memberIds": ["ada"] }), 422, "/memberIds"),
        (json!({ "kind": "shared", "name": "Desk", "color": "#336699" }), 422, "/ownerId"),
        (json!({ "kind": "common" }), 400, "/kind"),
    ] {
        let mut body = personal("bob", 2001);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (found, problem) = call(&app, &create("ada", "team_1", &body)).await;
        assert_eq!((found, pointers(&problem)), (status, vec![pointer]), "{problem}");
    }
    assert_eq!(test.engine.keys().await, before);
    assert_eq!(test.carrier.owned_numbers().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_leaves_the_team_and_returns_gets_the_personal_inbox_back() {
    let test = TestApp::with_two_teams().await;
    let (_, created) = call(&app(&test), &create("ada", "team_1", &personal("bob", 2001))).await;
    let id = created["inboxId"].as_str().unwrap();
    let teams = teams::App::new(&test.table(), Claims::standard(), Cursors::fixed("secret"));
    let event =
        |route: &str| Event::new(route, &[("teamId", "team_1"), ("userId", "bob")]).user("org_1", "ada");
    let router = teams::router(teams);
    let call_teams =
        async |event: Event| serve::answer(&router, now(), entropy(), event.request()).await.status();
    assert_eq!(call_teams(event("DELETE /v1/teams/{teamId}/members/{userId}")).await, 204);
    assert_eq!(members(&test, id).await, Vec::<String>::new());
    let details = json!({ "role": "member", "name": "Bob", "email": "bob@clinic.example" });
    let back = event("PUT /v1/teams/{teamId}/members/{userId}").json(&details);
    for _ in 0..2 {
        assert_eq!(call_teams(back.clone()).await, 200);
        assert_eq!(members(&test, id).await, ["bob"]);
    }
    let (status, refused) = call(&app(&test), &create("ada", "team_1", &personal("bob", 2002))).await;
    assert_eq!((status, &refused["code"]), (409, &json!("personal_inbox_exists")));
}
