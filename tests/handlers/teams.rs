//! `teams`: teams, their members, notification settings, the audit trail, and `GET /v1/me`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client as Dynamo,
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use serde_json::{Value, json};
use shared_aws::{
    conversation::{Acquired, Locks, Renewed, Unread},
    messaging::Inbound,
    table::Table,
    team::Members,
};
use shared_domain::{
    ids::ConversationId,
    inbox::{Inbox, InboxKind, Stage},
    keys::{ConversationKey, InboxKey},
    lock::LockPolicy,
    membership::Role,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use teams::{App, router};
use test_kit::{
    TestApp, build,
    build::{organization_id, team_id, user_id},
    engine::TABLE,
    gateway::{Event, pointers, status_and_json},
};

fn app(test: &TestApp) -> App {
    app_over(&test.table())
}

fn app_over(table: &Table) -> App {
    App::new(table, Claims::standard(), Cursors::new("secret"))
}

async fn call(app: &App, event: &Event) -> (u16, Value) {
    call_at(app, event, now()).await
}

async fn call_at(app: &App, event: &Event, at: Timestamp) -> (u16, Value) {
    let response = answer(&router(app.clone()), at, clock::entropy(), event.request()).await;
    status_and_json(&response)
}

fn new_team(who: &str, name: &str) -> Event {
    Event::new("POST /v1/teams", &[]).user("org_1", who).json(&json!({ "name": name }))
}

fn team_event(route: &'static str, who: &str, team: &str) -> Event {
    Event::new(route, &[("teamId", team)]).user("org_1", who)
}

fn put(who: &str, team: &str, user: &str, body: &Value) -> Event {
    let parameters = [("teamId", team), ("userId", user)];
    Event::new("PUT /v1/teams/{teamId}/members/{userId}", &parameters).user("org_1", who).json(body)
}

fn remove(who: &str, team: &str, user: &str) -> Event {
    let parameters = [("teamId", team), ("userId", user)];
    Event::new("DELETE /v1/teams/{teamId}/members/{userId}", &parameters).user("org_1", who)
}

fn read(who: &str, team: &str, user: &str) -> Event {
    let parameters = [("teamId", team), ("userId", user)];
    Event::new("GET /v1/teams/{teamId}/members/{userId}", &parameters).user("org_1", who)
}

async fn me(app: &App, who: &str) -> Value {
    let (status, me) = call(app, &Event::new("GET /v1/me", &[]).user("org_1", who)).await;
    assert_eq!(status, 200, "{me}");
    me
}

fn accounts(me: &Value) -> Vec<&str> {
    let accounts = me["accounts"].as_array().unwrap();
    accounts.iter().map(|account| account["inboxId"].as_str().unwrap()).collect()
}

/// Returns the body that adds a member.
fn member_body(role: &str, name: &str) -> Value {
    json!({ "role": role, "name": name, "email": format!("{}@clinic.example", name.to_lowercase()) })
}

/// Adds an inbox with these members to a team.
async fn inbox(test: &TestApp, id: &str, team: &str, kind: InboxKind, members: &[&str]) -> Inbox {
    let serial: u32 = id.bytes().map(u32::from).sum();
    let inbox = Inbox {
        id: build::inbox_id(id),
        team: team_id(team),
        kind,
        name: format!("Name of {id}"),
        api_code: id.to_owned(),
        number: build::number(&format!("+1202555{serial:04}")),
        ..build::inbox()
    };
    test.add_inbox(&inbox).await;
    for member in members {
        test.add_member(&inbox, &build::user_ref(member, &member.to_uppercase())).await;
    }
    inbox
}

/// Receives a message and returns its conversation.
async fn receive(test: &TestApp, inbox: &Inbox, serial: u32) -> ConversationId {
    let from = build::number(&format!("+1415555{serial:04}"));
    let text = build::inbound_text(&from, &format!("SM{}{serial:08}", inbox.id), "hello");
    Inbound::new(test.table()).receive(inbox, &text, now()).await.unwrap();
    ConversationId::of(&inbox.id, &from)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_creates_teams_and_once_per_idempotency_key() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let before = test.engine.keys().await;
    for who in ["ada", "bob", "nobody"] {
        assert_eq!(call(&app, &new_team(who, "West")).await.0, 403, "{who}");
    }
    for (body, status, pointer) in [(json!({}), 400, "/name"), (json!({ "name": " " }), 422, "/name")] {
        let event = Event::new("POST /v1/teams", &[]).user("org_1", "olga").json(&body);
        let (actual, problem) = call(&app, &event).await;
        assert_eq!((actual, pointers(&problem)), (status, vec![pointer]));
    }
    assert_eq!(test.engine.keys().await, before);
    let event = new_team("olga", " West ").header("idempotency-key", "k-1");
    let (one, other) = tokio::join!(call(&app, &event), call(&app, &event));
    assert_eq!((one.0, &one.1["name"]), (201, &json!("West")), "{}", one.1);
    assert_eq!((&one.1["registrationStatus"], &one), (&json!("not_started"), &other));
    assert_eq!(call(&app, &event).await, one);
    let reused = new_team("olga", "East").header("idempotency-key", "k-1");
    let (status, problem) = call(&app, &reused).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
    let (_, all) = call(&app, &Event::new("GET /v1/teams", &[]).user("org_1", "olga")).await;
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|team| &team["name"]).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let (_, own) = call(&app, &Event::new("GET /v1/teams", &[]).user("org_1", "bob")).await;
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!((&own["items"][0]["teamId"], &own["items"][0]["role"]), (&json!("team_1"), &json!("member")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_pages_through_all_teams() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    for name in ["c", "d", "e"] {
        assert_eq!(call(&app, &new_team("olga", name)).await.0, 201);
    }
    let page = |query: String| Event::new("GET /v1/teams", &[]).user("org_1", "olga").query(&query);
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    for _ in 0..5 {
        let (status, found) = call(&app, &page(query.clone())).await;
        assert_eq!(status, 200, "{found}");
        seen.extend(found["items"].as_array().unwrap().iter().map(|team| team["teamId"].to_string()));
        let Some(cursor) = found["nextCursor"].as_str() else { break };
        let foreign =
            Event::new("GET /v1/teams", &[]).user("org_2", "zoe").query(&format!("cursor={cursor}"));
        assert_eq!(call(&app, &foreign).await.0, 400, "the cursor of another user");
        query = format!("limit=2&cursor={cursor}");
    }
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (5, 5), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_add_members_and_only_the_owner_appoints_and_removes_admins() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (status, added) = call(&app, &put("ada", "team_1", "gus", &member_body("member", "Gus"))).await;
    let gus = json!({ "userId": "gus", "name": "Gus", "email": "gus@clinic.example", "role": "member" });
    assert_eq!((status, &added), (200, &gus));
    assert_eq!(call(&app, &put("ada", "team_1", "gus", &json!({ "role": "member" }))).await.1, gus, "again");
    let admin = json!({ "role": "admin" });
    let member = json!({ "role": "member" });
    for (who, event) in [
        ("appointed", put("ada", "team_1", "gus", &admin)),
        ("added as an admin", put("ada", "team_1", "ida", &member_body("admin", "Ida"))),
        ("demoted", put("ada", "team_1", "ada", &member)),
        ("removed", remove("ada", "team_1", "ada")),
    ] {
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")), "{who}");
    }
    let (status, problem) = call(&app, &put("bob", "team_1", "ida", &member_body("member", "Ida"))).await;
    assert_eq!((status, &problem["code"]), (403, &json!("admin_required")));
    let (status, created) = call(&app, &put("olga", "team_1", "gus", &admin)).await;
    assert_eq!((status, &created["role"], &created["name"]), (200, &json!("admin"), &json!("Gus")));
    assert_eq!(
        call(&app, &put("gus", "team_1", "ida", &member_body("member", "Ida"))).await.0,
        200,
        "now allowed"
    );
    assert_eq!(call(&app, &put("olga", "team_1", "gus", &member)).await.1["role"], "member");
    assert_eq!(
        call(&app, &put("gus", "team_1", "jo", &member_body("member", "Jo"))).await.0,
        403,
        "no longer allowed"
    );
    assert_eq!(call(&app, &remove("olga", "team_1", "ada")).await.0, 204);
    assert_eq!(call(&app, &read("olga", "team_1", "ada")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn email_addresses_are_shown_to_admins_and_the_owner() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let list = |who: &str| team_event("GET /v1/teams/{teamId}/members", who, "team_1");
    for (who, shown) in [("ada", true), ("olga", true), ("bob", false)] {
        let (status, found) = call(&app, &list(who)).await;
        let found = found["items"].as_array().unwrap();
        let names: Vec<_> = found.iter().map(|member| member["userId"].as_str().unwrap()).collect();
        assert_eq!((status, names), (200, vec!["ada", "bob"]));
        assert!(found.iter().all(|member| member.get("email").is_some() == shown), "{who}");
        assert_eq!(call(&app, &read(who, "team_1", "ada")).await.1.get("email").is_some(), shown, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_needs_a_name_and_an_email_address() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    for (body, status, expected) in [
        (json!({ "role": "member" }), 422, vec!["/name", "/email"]),
        (json!({ "role": "member", "name": " ", "email": "gus" }), 422, vec!["/name", "/email"]),
        (json!({ "role": "member", "name": "Gus" }), 422, vec!["/email"]),
        (json!({ "name": "Gus", "email": "gus@clinic.example" }), 400, vec!["/role"]),
        (json!({ "role": "owner" }), 400, vec!["/role"]),
    ] {
        let (actual, problem) = call(&app, &put("ada", "team_1", "gus", &body)).await;
        assert_eq!((actual, pointers(&problem)), (status, expected), "{body}");
    }
    let (status, problem) = call(&app, &put("ada", "team_1", "g#s", &member_body("member", "Gus"))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["?userId"]));
    assert_eq!(test.engine.keys().await, before);
    let (status, known) = call(&app, &put("ada", "team_1", "cyn", &json!({ "role": "member" }))).await;
    assert_eq!((status, &known["email"]), (200, &json!("cyn@clinic.example")), "known from another team");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_appears_in_all_teams_and_inboxes_and_requires_rights_in_all_of_them() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let members = Members::new(test.table());
    let front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob"]).await;
    let named = async |inbox: &Inbox| {
        let found = members
            .membership(
                InboxKey { organization: &organization_id("org_1"), inbox: &inbox.id },
                &user_id("bob"),
            )
            .await
            .unwrap();
        found.unwrap().user.name
    };
    let (status, _) = call(&app, &put("ada", "team_1", "bob", &member_body("member", "Robert"))).await;
    assert_eq!((status, named(&front).await.as_str()), (200, "Robert"), "a member of only this team");
    assert_eq!(call(&app, &put("olga", "team_2", "bob", &json!({ "role": "member" }))).await.0, 200);
    let back = inbox(&test, "inb_back", "team_2", InboxKind::Shared, &["bob"]).await;
    for admin in [
        put("ada", "team_1", "bob", &member_body("member", "Rob")),
        put("dan", "team_2", "bob", &member_body("member", "Rob")),
    ] {
        let (status, problem) = call(&app, &admin).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")));
    }
    let same = json!({ "role": "member", "name": "Robert", "email": "robert@clinic.example" });
    assert_eq!(call(&app, &put("ada", "team_1", "bob", &same)).await.0, 200, "nothing changes");
    let (status, _) = call(&app, &put("olga", "team_2", "bob", &member_body("member", "Rob"))).await;
    assert_eq!(status, 200);
    assert_eq!((named(&front).await.as_str(), named(&back).await.as_str()), ("Rob", "Rob"));
    for of in ["team_1", "team_2"] {
        let (_, shown) = call(&app, &read("olga", of, "bob")).await;
        let expected = (&json!("Rob"), &json!("rob@clinic.example"), &json!("member"));
        assert_eq!((&shown["name"], &shown["email"], &shown["role"]), expected, "{of}");
    }
    assert_eq!(me(&app, "bob").await["user"]["name"], "Rob");
    let (status, _) = call(&app, &put("ada", "team_1", "olga", &json!({ "role": "member" }))).await;
    assert_eq!(status, 200);
    let (status, _) = call(&app, &put("ada", "team_1", "olga", &member_body("member", "Mallory"))).await;
    assert_eq!(status, 403, "admins cannot rename the owner");
    assert_eq!(me(&app, "olga").await["user"]["owner"], true, "olga is still the owner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_immediately_has_no_access_and_no_lock() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    test.add_user(&organization_id("org_1"), &build::user("bob"), &[("team_2", Role::Member)]).await;
    let front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob", "ada"]).await;
    let back = inbox(&test, "inb_back", "team_2", InboxKind::Shared, &["bob", "cyn"]).await;
    let (locks, policy) = (Locks::new(test.table()), LockPolicy::default());
    let bob = build::user_ref("bob", "Bob");
    let organization = organization_id("org_1");
    let mut held = Vec::new();
    for inbox in [&front, &back] {
        let conversation = receive(&test, inbox, 1).await;
        let key_of_conversation =
            ConversationKey { organization: &organization, inbox: &inbox.id, conversation: &conversation };
        let Acquired::Held(lease) = locks.acquire(key_of_conversation, &bob, now(), &policy).await.unwrap()
        else {
            panic!("the lock is free")
        };
        held.push((inbox.id.clone(), conversation, lease.token));
    }
    let can_acquire = async |place: usize, who: &str| {
        let (inbox, conversation, _) = &held[place];
        let key_of_conversation = ConversationKey { organization: &organization, inbox, conversation };
        let member_body = build::user_ref(who, who);
        matches!(
            locks.acquire(key_of_conversation, &member_body, now(), &policy).await.unwrap(),
            Acquired::Held(_)
        )
    };
    assert!(!can_acquire(0, "ada").await && !can_acquire(1, "cyn").await, "bob holds both");
    let before = test.engine.keys().await;
    assert_eq!(call(&app, &remove("ada", "team_1", "bob")).await.0, 204);
    assert!(can_acquire(0, "ada").await, "immediately");
    assert!(!can_acquire(1, "cyn").await, "the lock of the other team is kept");
    let (inbox, conversation, token) = &held[0];
    let key_of_conversation = ConversationKey { organization: &organization, inbox, conversation };
    let renewed = locks.renew(key_of_conversation, &bob.id, *token, true, now(), &policy).await.unwrap();
    assert!(matches!(renewed, Renewed::Lost(_)), "{renewed:?}");

    let gone: Vec<_> = before.difference(&test.engine.keys().await).cloned().collect();
    let of_team_one = [
        "org_1#USER#bob inb_front",
        "org_1#USER#bob team_1",
        "org_1#inb_front MEMBER#bob",
        "org_1#team_1 USER#bob",
    ];
    assert_eq!(gone, of_team_one);
    let bob = me(&app, "bob").await;
    assert_eq!((accounts(&bob), bob["teams"].as_array().unwrap().len()), (vec!["inb_back"], 1));
    assert_eq!(call(&app, &read("bob", "team_1", "ada")).await.0, 404, "no longer a member");

    let after = test.engine.keys().await;
    for who in ["bob", "nobody"] {
        assert_eq!(call(&app, &remove("ada", "team_1", who)).await.0, 204, "{who}");
    }
    assert_eq!(test.engine.keys().await, after, "a second removal changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_removal_crashes_a_retry_completes_it() {
    let (organization, bob) = (organization_id("org_1"), build::user_ref("bob", "Bob"));
    for requests in 0.. {
        let test = TestApp::with_two_teams().await;
        let front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob", "ada"]).await;
        let (locks, policy) = (Locks::new(test.table()), LockPolicy::default());
        let conversation = receive(&test, &front, 1).await;
        let key_of_conversation =
            ConversationKey { organization: &organization, inbox: &front.id, conversation: &conversation };
        locks.acquire(key_of_conversation, &bob, now(), &policy).await.unwrap();
        let (status, _) =
            call(&app_over(&test.engine.crashing_table(requests)), &remove("ada", "team_1", "bob")).await;
        assert!(status == 204 || status >= 500, "{requests}: {status}");
        assert_eq!(call(&app(&test), &remove("ada", "team_1", "bob")).await.0, 204, "{requests}");
        let keys = test.engine.keys().await;
        let stays = ["org_1#USER#bob USER", "org_1#LOCKS#bob LOCKS"]; // the user and their empty set of locks
        let left: Vec<_> =
            keys.iter().filter(|key| key.contains("bob") && !stays.contains(&key.as_str())).collect();
        assert_eq!(left, Vec::<&String>::new(), "{requests}");
        assert_eq!(
            keys.iter().filter(|key| key.contains("#AUDIT")).count(),
            1,
            "{requests}: one audit event"
        );
        let ada = build::user_ref("ada", "Ada");
        let can_acquire = locks.acquire(key_of_conversation, &ada, now(), &policy).await.unwrap();
        assert!(matches!(can_acquire, Acquired::Held(_)), "{requests}: {can_acquire:?}");
        if status == 204 {
            assert!(requests > 5, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outsiders_get_404_on_every_route_of_a_team() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    let settings = json!({});
    for (organization, who) in [("org_1", "dan"), ("org_1", "nobody"), ("org_2", "zoe")] {
        let parameters = [("teamId", "team_1"), ("userId", "bob")];
        for route in [
            "GET /v1/teams/{teamId}",
            "PATCH /v1/teams/{teamId}",
            "GET /v1/teams/{teamId}/audit",
            "GET /v1/teams/{teamId}/members",
            "GET /v1/teams/{teamId}/members/{userId}",
            "PUT /v1/teams/{teamId}/members/{userId}",
            "DELETE /v1/teams/{teamId}/members/{userId}",
            "GET /v1/teams/{teamId}/notification-settings",
            "PUT /v1/teams/{teamId}/notification-settings",
        ] {
            let event = Event::new(route, &parameters).user(organization, who).json(&settings);
            assert_eq!(call(&app, &event).await.0, 404, "{route} {who}");
        }
    }
    for who in ["ada", "olga"] {
        assert_eq!(call(&app, &team_event("GET /v1/teams/{teamId}", who, "team_none")).await.0, 404, "{who}");
    }
    let foreign = team_event("GET /v1/teams/{teamId}", "olga", "team_9");
    assert_eq!(call(&app, &foreign).await.0, 404, "of another organization");
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_read_their_team_and_admins_rename_it() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let rename = |who: &str, name: &str| {
        team_event("PATCH /v1/teams/{teamId}", who, "team_1").json(&json!({ "name": name }))
    };
    assert_eq!(call(&app, &rename("bob", "Mine")).await.0, 403);
    let (status, problem) = call(&app, &rename("ada", "")).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/name"]));
    assert_eq!(call(&app, &rename("ada", "Reception")).await.1["name"], "Reception");
    let (status, shown) = call(&app, &team_event("GET /v1/teams/{teamId}", "bob", "team_1")).await;
    assert_eq!((status, &shown["name"], &shown["role"]), (200, &json!("Reception"), &json!("member")));
    assert_eq!(me(&app, "bob").await["teams"][0]["name"], "Reception");
    let owned = call(&app, &team_event("GET /v1/teams/{teamId}", "olga", "team_1")).await.1;
    assert_eq!(owned["role"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_settings_are_returned_as_they_were_saved() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let get = |who: &str| team_event("GET /v1/teams/{teamId}/notification-settings", who, "team_1");
    let set = |who: &str, body: &Value| {
        team_event("PUT /v1/teams/{teamId}/notification-settings", who, "team_1").json(body)
    };
    let off = json!({ "enabled": false, "recipients": [] });
    let unset = json!({ "optOutChanged": off, "unknownContact": off, "contactAdded": off });
    assert_eq!(call(&app, &get("ada")).await, (200, unset.clone()));
    let wanted = json!({
        "optOutChanged": { "enabled": true, "recipients": [" desk@clinic.example ", "DESK@clinic.example", "a@b.example"] },
        "unknownContact": { "enabled": false, "recipients": ["kept@clinic.example"] },
        "contactAdded": off,
    });
    let chosen = json!({
        "optOutChanged": { "enabled": true, "recipients": ["desk@clinic.example", "a@b.example"] },
        "unknownContact": { "enabled": false, "recipients": ["kept@clinic.example"] },
        "contactAdded": off,
    });
    assert_eq!(call(&app, &set("ada", &wanted)).await, (200, chosen.clone()));
    assert_eq!(call(&app, &get("olga")).await, (200, chosen.clone()));
    for event in [get("bob"), set("bob", &unset)] {
        assert_eq!(call(&app, &event).await.0, 403);
    }
    let many: Vec<_> = (0..21).map(|n| format!("u{n}@clinic.example")).collect();
    let bad = json!({
        "optOutChanged": { "enabled": true, "recipients": [] },
        "unknownContact": { "enabled": true, "recipients": ["a@b.example", "nobody", "a b@c.example"] },
        "contactAdded": { "enabled": false, "recipients": many },
    });
    let (status, problem) = call(&app, &set("ada", &bad)).await;
    let all = [
        "/optOutChanged/recipients",
        "/unknownContact/recipients/1",
        "/unknownContact/recipients/2",
        "/contactAdded/recipients",
    ];
    assert_eq!((status, pointers(&problem)), (422, all.to_vec()));
    let (status, problem) = call(&app, &set("ada", &json!({ "optOutChanged": off }))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/unknownContact"]));
    assert_eq!(call(&app, &get("ada")).await.1, chosen, "a refused change has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_lists_changes_newest_first_in_pages() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let start = now();
    let off = json!({ "enabled": false, "recipients": [] });
    let settings = json!({ "optOutChanged": off, "unknownContact": off, "contactAdded": off });
    let changes = [
        put("ada", "team_1", "gus", &member_body("member", "Gus")),
        team_event("PATCH /v1/teams/{teamId}", "olga", "team_1").json(&json!({ "name": "Reception" })),
        team_event("PUT /v1/teams/{teamId}/notification-settings", "ada", "team_1").json(&settings),
        remove("ada", "team_1", "gus"),
        put("ada", "team_1", "bob", &json!({ "role": "member" })),
    ];
    for (seconds, event) in (0..).zip(&changes) {
        let (status, body) = call_at(&app, event, start + Duration::from_secs(seconds)).await;
        assert!(status < 300, "{body}");
    }
    assert_eq!(
        call(&app, &put("bob", "team_1", "ida", &member_body("member", "Ida"))).await.0,
        403,
        "a refused change"
    );
    let page =
        |who: &str, query: &str| team_event("GET /v1/teams/{teamId}/audit", who, "team_1").query(query);
    let (mut seen, mut query, mut cursors) = (Vec::new(), "limit=2".to_owned(), Vec::new());
    loop {
        let (status, found) = call(&app, &page("ada", &query)).await;
        assert_eq!(status, 200, "{found}");
        seen.extend(found["items"].as_array().unwrap().clone());
        let Some(cursor) = found["nextCursor"].as_str() else { break };
        query = format!("limit=2&cursor={cursor}");
        cursors.push(cursor.to_owned());
    }
    let entries: Vec<_> = seen
        .iter()
        .map(|entry| ["userId", "action", "target"].map(|field| entry[field].as_str().unwrap()))
        .collect();
    let expected = [
        ["ada", "member.put", "bob"],
        ["ada", "member.remove", "gus"],
        ["ada", "notifications.edit", "team_1"],
        ["olga", "team.edit", "team_1"],
        ["ada", "member.put", "gus"],
    ];
    assert_eq!(entries, expected);
    assert_eq!(seen[4]["at"], start.to_string());
    assert_eq!(cursors.len(), 2);
    let own = format!("cursor={}", cursors[0]);
    for (what, event) in [
        ("of another user", page("olga", &own)),
        ("of another list", Event::new("GET /v1/teams", &[]).user("org_1", "ada").query(&own)),
        ("invented", page("ada", "cursor=AAAA")),
    ] {
        assert_eq!(call(&app, &event).await.0, 400, "{what}");
    }
    let admit = put("olga", "team_2", "ada", &json!({ "role": "admin" }));
    assert_eq!(call(&app, &admit).await.0, 200);
    let elsewhere = team_event("GET /v1/teams/{teamId}/audit", "ada", "team_2").query(&own);
    assert_eq!(call(&app, &elsewhere).await.0, 400, "of another team");
    assert_eq!(call(&app, &page("ada", "limit=0")).await.0, 400);
    assert_eq!(call(&app, &page("bob", "")).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_listed_while_its_team_is_approved_and_it_is_active() {
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let mut front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob"]).await;
    inbox(&test, "inb_other", "team_1", InboxKind::Shared, &["ada"]).await;
    inbox(&test, "inb_bob", "team_1", InboxKind::Personal, &["bob"]).await;
    for (registration, shown) in [
        (NotStarted, false),
        (Pending, false),
        (Approved, true),
        (Suspended, false),
        (Rejected, false),
        (Approved, true),
    ] {
        test.add_team(&organization_id("org_1"), &Team { registration, ..build::team() }).await;
        let expected = if shown { vec!["inb_bob", "inb_front"] } else { vec!["inb_bob"] };
        assert_eq!(accounts(&me(&app, "bob").await), expected, "{registration:?}");
    }
    let bob = me(&app, "bob").await;
    let account = json!({
        "inboxId": "inb_front", "kind": "shared", "name": "Name of inb_front", "color": "#336699",
        "phoneNumber": front.number.as_str(), "apiCode": "inb_front", "teamId": "team_1", "unreadCount": 0,
    });
    assert_eq!(bob["accounts"][1], account);
    let who = json!({ "userId": "bob", "name": "BOB", "email": "bob@clinic.example", "owner": false });
    assert_eq!(bob["user"], who);
    assert_eq!(bob["teams"], json!([{ "teamId": "team_1", "name": "Front", "role": "member" }]));
    for stage in [Stage::Retired, Stage::Creating] {
        front.stage = stage;
        test.add_inbox(&front).await;
        assert_eq!(accounts(&me(&app, "bob").await), ["inb_bob"], "{stage:?}");
    }
    assert_eq!(accounts(&me(&app, "olga").await), Vec::<&str>::new(), "the owner is not a member");
    let unknown = Event::new("GET /v1/me", &[]).user("org_1", "nobody");
    assert_eq!(call(&app, &unknown).await.0, 403);
    let unknown_user = Event::new("GET /v1/me", &[]).claims(json!({ "sub": "2f1c" }));
    assert_eq!(call(&app, &unknown_user).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_conversation_decrements_the_unread_count() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let back = inbox(&test, "inb_back", "team_2", InboxKind::Shared, &["cyn"]).await;
    let other = inbox(&test, "inb_other", "team_2", InboxKind::Shared, &["cyn"]).await;
    let count = async |at: Timestamp| {
        let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
        let (_, me) = call_at(&app, &event, at).await;
        let accounts = me["accounts"].as_array().unwrap().clone();
        accounts.iter().map(|account| account["unreadCount"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count(now()).await, [0, 0]);
    let first = receive(&test, &back, 1).await;
    for serial in [2, 3] {
        receive(&test, &back, serial).await;
    }
    receive(&test, &other, 1).await;
    assert_eq!(count(now()).await, [3, 1], "conversations");
    let organization = organization_id("org_1");
    let key_of_conversation =
        ConversationKey { organization: &organization, inbox: &back.id, conversation: &first };
    let cyn = build::user_ref("cyn", "Cyn");
    let opened =
        Locks::new(test.table()).acquire(key_of_conversation, &cyn, now(), &LockPolicy::default()).await;
    assert!(matches!(opened.unwrap(), Acquired::Held(_)));
    assert_eq!(count(now()).await, [2, 1]);
    // A host that crashed between its two writes left the counter off by one. It is recounted after a quiet
    // minute.
    let unread = Unread::new(test.table());
    unread.add(InboxKey { organization: &organization, inbox: &back.id }, 1, now()).await.unwrap();
    assert_eq!(count(now()).await, [3, 1]);
    let quiet = now() + Duration::from_secs(61);
    assert_eq!(count(quiet).await, [2, 1]);
    assert_eq!(count(quiet).await, [2, 1]);
}

/// Counts requests by operation.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<Mutex<Requests>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Requests {
    queries: usize,
    batches: usize,
    others: usize,
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut requests = self.0.lock().unwrap();
        match context.request().headers().get("x-amz-target") {
            Some("DynamoDB_20120810.Query") => requests.queries += 1,
            Some("DynamoDB_20120810.BatchGetItem") => requests.batches += 1,
            _ => requests.others += 1,
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn me_costs_the_same_for_any_number_of_inboxes() {
    let test = TestApp::with_two_teams().await;
    let meter = Meter::default();
    let metered = Dynamo::from_conf(test.engine.aws.dynamodb_config().interceptor(meter.clone()).build());
    let app = app_over(&Table::new(metered, TABLE));
    let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
    let cost = async |at: Timestamp| {
        *meter.0.lock().unwrap() = Requests::default();
        let (_, me) = call_at(&app, &event, at).await;
        (accounts(&me).len(), *meter.0.lock().unwrap())
    };
    let plain = Requests { queries: 1, batches: 1, others: 0 };
    assert_eq!(cost(now()).await, (0, plain));
    let mut inboxes = Vec::new();
    for (upto, quiet) in [(3, 61), (30, 200)] {
        for serial in inboxes.len()..upto {
            let id = format!("inb_{serial:02}");
            inboxes.push(inbox(&test, &id, "team_2", InboxKind::Shared, &["cyn"]).await);
            receive(&test, &inboxes[serial], 1).await;
        }
        assert_eq!(cost(now()).await, (upto, plain));
        // All counters are due for a recount. One is recounted at a time, and the correction is written.
        let later = now() + Duration::from_secs(quiet);
        assert_eq!(cost(later).await, (upto, Requests { queries: 2, batches: 1, others: 1 }));
    }
}
