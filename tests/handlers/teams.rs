//! `teams`: teams, their notification settings and audit log. The submodules test members, invitations,
//! machine clients, the organization, sending pauses and `GET /v1/me`.

mod invitations;
mod machine_clients;
mod me;
mod members;
mod organization;
mod sending_pause;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use shared_aws::{clients::SigningSecret, messaging::Inbound, table::Table, team::Teams};
use shared_domain::{
    ids::ConversationId,
    inbox::{Inbox, InboxKind},
    signing::SigningKeys,
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use teams::{App, router};
use test_kit::{
    TestApp, build,
    build::team_id,
    gateway::{Event, pointers, status_and_json},
    secrets::FakeSecrets,
};

fn app(test: &TestApp) -> App {
    app_over(&test.table())
}

fn app_over(table: &Table) -> App {
    App::new(table, Claims::standard(), Cursors::fixed("secret"))
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

/// Hold and retention of `team_1`, as this user reads them.
async fn kept(app: &App, who: &str) -> (Value, Value) {
    let (status, team) = call(app, &team_event("GET /v1/teams/{teamId}", who, "team_1")).await;
    assert_eq!(status, 200, "{team}");
    (team["hold"].clone(), team["retentionDays"].clone())
}

fn edit(who: &str, body: &Value) -> Event {
    team_event("PATCH /v1/teams/{teamId}", who, "team_1").json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_sets_hold_and_retention_and_members_see_them() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    assert_eq!(kept(&app, "bob").await, (json!(false), Value::Null));
    let before = test.engine.items().await;
    for body in [
        json!({ "hold": true }),
        json!({ "hold": false }),
        json!({ "retentionDays": 30 }),
        json!({ "retentionDays": null }),
        json!({ "retentionDays": 0 }),
        json!({ "name": "Mine", "hold": true }),
    ] {
        for (who, code) in [("ada", "owner_required"), ("bob", "admin_required")] {
            let (status, problem) = call(&app, &edit(who, &body)).await;
            assert_eq!((status, &problem["code"]), (403, &json!(code)), "{who} {body}");
        }
    }
    for (days, status) in
        [(json!(0), 422), (json!(-1), 422), (json!(36_501), 422), (json!(1.5), 400), (json!("9"), 400)]
    {
        let (actual, problem) =
            call(&app, &edit("olga", &json!({ "hold": true, "retentionDays": days }))).await;
        assert_eq!((actual, pointers(&problem)), (status, vec!["/retentionDays"]), "{days}");
    }
    let (status, problem) = call(&app, &edit("olga", &json!({ "hold": true, "days": 5 }))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/days"]), "an unknown field");
    let (status, problem) = call(&app, &edit("olga", &json!({ "name": "", "retentionDays": 0 }))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/name", "/retentionDays"]));
    assert_eq!(test.engine.items().await, before, "a refused edit writes nothing");
    for (body, hold, days) in [
        (json!({ "retentionDays": 36_500 }), false, json!(36_500)),
        (json!({ "hold": true }), true, json!(36_500)),
        (json!({ "hold": true, "retentionDays": 1 }), true, json!(1)),
        (json!({ "name": "Reception" }), true, json!(1)),
        (json!({ "hold": null }), true, json!(1)),
        (json!({}), true, json!(1)),
        (json!({ "hold": false }), false, json!(1)),
        (json!({ "retentionDays": null }), false, Value::Null),
    ] {
        let (status, team) = call(&app, &edit("olga", &body)).await;
        assert_eq!((status, &team["hold"], &team["retentionDays"]), (200, &json!(hold), &days), "{body}");
        assert_eq!(kept(&app, "bob").await, (json!(hold), days), "{body}");
    }
    let (_, listed) = call(&app, &Event::new("GET /v1/teams", &[]).user("org_1", "bob")).await;
    assert_eq!(
        (&listed["items"][0]["hold"], &listed["items"][0]["name"]),
        (&json!(false), &json!("Reception"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_hold_and_retention_has_one_audit_entry() {
    let test = TestApp::with_two_teams().await;
    let (app, start) = (app(&test), now());
    let all = json!({ "name": "Reception", "hold": true, "retentionDays": 30 });
    let end = json!({ "hold": false });
    for (seconds, body) in (0..).zip([&all, &all, &end, &end]) {
        let (status, team) = call_at(&app, &edit("olga", body), start + Duration::from_secs(seconds)).await;
        assert_eq!(status, 200, "{team}");
    }
    let (_, trail) = call(&app, &team_event("GET /v1/teams/{teamId}/audit", "olga", "team_1")).await;
    let entries = trail["items"].as_array().unwrap().iter();
    let mut entries: Vec<_> = entries
        .map(|entry| ["userId", "action", "target"].map(|field| entry[field].as_str().unwrap()))
        .collect();
    assert_eq!(entries[0], ["olga", "team.hold_end", "team_1"], "the newest is first");
    entries.sort_unstable();
    let actions: Vec<_> = entries.iter().map(|entry| entry[1]).collect();
    assert_eq!(actions, ["team.edit", "team.hold_begin", "team.hold_end", "team.retention_edit"]);
}

/// The operator's tool and the erasure of contacts read the hold that the API begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_the_api_is_the_one_that_stops_erasures() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let organization = build::organization_id("org_1");
    let held = async || Teams::new(test.table()).held(&organization).await.unwrap();
    assert_eq!(held().await, []);
    assert_eq!(call(&app, &edit("olga", &json!({ "hold": true }))).await.0, 200);
    assert_eq!(held().await, [team_id("team_1")]);
    assert_eq!(call(&app, &edit("olga", &json!({ "hold": false }))).await.0, 200);
    assert_eq!(held().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_different_fields_at_the_same_time_are_both_kept() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let bodies = [json!({ "hold": true }), json!({ "retentionDays": 9 }), json!({ "name": "Reception" })];
    let edits = bodies.map(|body| edit("olga", &body));
    for round in 0..3 {
        let answers = tokio::join!(call(&app, &edits[0]), call(&app, &edits[1]), call(&app, &edits[2]));
        // One that lost every attempt says so, and its repetition is applied.
        for (answer, edit) in [answers.0, answers.1, answers.2].into_iter().zip(&edits) {
            assert!([200, 503].contains(&answer.0), "{round} {}", answer.1);
            if answer.0 != 200 {
                assert_eq!(call(&app, edit).await.0, 200);
            }
        }
        assert_eq!(kept(&app, "bob").await, (json!(true), json!(9)));
    }
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
        assert!(cursors.len() < 10, "the list has no end");
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
async fn the_signing_keys_are_read_for_lists_only_and_cursors_survive_a_rotation_in_every_environment() {
    let test = TestApp::with_two_teams().await;
    let secrets = FakeSecrets::start("generated").await;
    let environment = || {
        let cursors = Cursors::new(SigningSecret::named(&secrets.client(), "signing"));
        App::new(&test.table(), Claims::standard(), cursors)
    };
    let (early, late, start) = (environment(), environment(), now());
    for minute in 0..3 {
        let event = put("ada", "team_1", &format!("user{minute}"), &member_body("member", "Ida"));
        assert_eq!(call_at(&early, &event, start).await.0, 200);
    }
    assert_eq!(secrets.reads(), 0, "a request without a list needs no key");
    let list = async |app: &App, query: &str, minutes: u64| {
        let event = team_event("GET /v1/teams/{teamId}/audit", "ada", "team_1").query(query);
        call_at(app, &event, start + Duration::from_mins(minutes)).await
    };
    let cursor = async |app: &App, minutes: u64| {
        let (status, page) = list(app, "limit=1", minutes).await;
        assert_eq!(status, 200, "{page}");
        format!("limit=1&cursor={}", page["nextCursor"].as_str().unwrap())
    };
    let before = cursor(&early, 0).await;
    assert_eq!(secrets.reads(), 1);

    let rotated_at = start + Duration::from_mins(1);
    let keys = SigningKeys::single("generated").rotated("new", rotated_at, false).unwrap();
    secrets.client().put_signing_keys("signing", &keys).await.unwrap();
    let pending = cursor(&late, 2).await;
    assert_eq!(list(&early, &pending, 3).await.0, 200, "this environment has not read the new key");
    assert_eq!(secrets.reads(), 2);
    let after = cursor(&late, 16).await;
    for app in [&early, &late] {
        for query in [&before, &pending, &after] {
            assert_eq!(list(app, query, 17).await.0, 200);
        }
    }
    let week = 7 * 24 * 60;
    assert_eq!(list(&early, &before, week + 15).await.0, 200);
    for (query, expected) in [(&before, 400), (&pending, 400), (&after, 200)] {
        assert_eq!(list(&early, query, week + 16).await.0, expected);
    }
    secrets.set("signing", "{");
    assert_eq!(list(&early, &after, week + 30).await.0, 200, "keys that cannot be read again stay in use");
    let (status, problem) = list(&environment(), "", 0).await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (503, "unavailable"));
}
