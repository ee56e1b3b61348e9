//! `teams`: teams, their members, notification settings, the audit trail, and `GET /v1/me`.

use std::{
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
    conversation::{Acquired, Locks, Renewed},
    inbox::Inboxes,
    messaging::{Inbound, InboundText},
    table::Table,
    team::{Members, Teams},
};
use shared_domain::{
    ids::{ConversationId, InboxId},
    inbox::{Inbox, InboxKind, Stage},
    keys::ConversationKey,
    lock::LockPolicy,
    membership::{Membership, Role},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::UserRef,
};
use shared_http::{caller::Claims, cursor::Cursors};
use teams::{App, handle};
use test_kit::{engine::TABLE, gateway::Event};

use crate::{
    office::{Office, org, team, user},
    stage::{json as body_of, now},
    wizard::pointers,
};

fn app(office: &Office) -> App {
    app_over(&office.table())
}

fn app_over(table: &Table) -> App {
    App::new(table, Claims::standard(), Cursors::new("secret"))
}

async fn ask(app: &App, event: &Event) -> (u16, Value) {
    ask_at(app, event, now()).await
}

async fn ask_at(app: &App, event: &Event, at: Timestamp) -> (u16, Value) {
    let answer = handle(app, at, shared_lambda::clock::entropy(), event.request()).await;
    let mut body = body_of(&answer);
    body.as_object_mut().map(|body| body.remove("requestId"));
    (answer.status().as_u16(), body)
}

fn new_team(who: &str, name: &str) -> Event {
    Event::new("POST /v1/teams", &[]).user("org_1", who).json(&json!({ "name": name }))
}

fn of_team(route: &'static str, who: &str, team: &str) -> Event {
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
    let (status, me) = ask(app, &Event::new("GET /v1/me", &[]).user("org_1", who)).await;
    assert_eq!(status, 200, "{me}");
    me
}

fn accounts(me: &Value) -> Vec<&str> {
    let accounts = me["accounts"].as_array().unwrap();
    accounts.iter().map(|account| account["inboxId"].as_str().unwrap()).collect()
}

/// A member as `PUT` wants them.
fn person(role: &str, name: &str) -> Value {
    json!({ "role": role, "name": name, "email": format!("{}@clinic.example", name.to_lowercase()) })
}

/// An inbox of a team, with these members.
async fn inbox(office: &Office, id: &str, of: &str, kind: InboxKind, members: &[&str]) -> Inbox {
    let serial: u32 = id.bytes().map(u32::from).sum();
    let inbox = Inbox {
        organization: org("org_1"),
        id: InboxId::parse(id).unwrap(),
        team: team(of),
        kind,
        name: format!("Name of {id}"),
        color: "#336699".into(),
        api_code: id.to_owned(),
        number: PhoneNumber::from_carrier(&format!("+1202555{serial:04}")).unwrap(),
        number_sid: None,
        voice_forwarding: None,
        creator: None,
        stage: Stage::Active,
    };
    Inboxes::new(office.table()).put(&inbox).await.unwrap();
    for member in members {
        let user = UserRef { id: user(member), name: member.to_uppercase() };
        let membership = Membership { inbox: inbox.id.clone(), kind, team: team(of), user };
        Members::new(office.table()).add(&org("org_1"), &membership).await.unwrap();
    }
    inbox
}

/// A text comes in; its conversation.
async fn texted(office: &Office, inbox: &Inbox, serial: u32) -> ConversationId {
    let from = PhoneNumber::from_carrier(&format!("+1415555{serial:04}")).unwrap();
    let text = InboundText {
        carrier: "twilio",
        carrier_id: format!("SM{}{serial:08}", inbox.id),
        from: from.clone(),
        text: "hello".into(),
        media: Vec::new(),
    };
    Inbound::new(office.table()).receive(inbox, &text, now()).await.unwrap();
    ConversationId::of(&inbox.id, &from)
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_made_by_the_owner_alone_and_once_by_a_key() {
    let office = Office::set().await;
    let app = app(&office);
    let before = office.rows().await;
    for who in ["ada", "bob", "nobody"] {
        assert_eq!(ask(&app, &new_team(who, "West")).await.0, 403, "{who}");
    }
    for (body, status, pointer) in [(json!({}), 400, "/name"), (json!({ "name": " " }), 422, "/name")] {
        let event = Event::new("POST /v1/teams", &[]).user("org_1", "olga").json(&body);
        let (told, problem) = ask(&app, &event).await;
        assert_eq!((told, pointers(&problem)), (status, vec![pointer]));
    }
    assert_eq!(office.rows().await, before);
    let event = new_team("olga", " West ").header("idempotency-key", "k-1");
    let (one, other) = tokio::join!(ask(&app, &event), ask(&app, &event));
    assert_eq!((one.0, &one.1["name"]), (201, &json!("West")), "{}", one.1);
    assert_eq!((&one.1["registrationStatus"], &one), (&json!("not_started"), &other));
    assert_eq!(ask(&app, &event).await, one);
    let reused = new_team("olga", "East").header("idempotency-key", "k-1");
    let (status, problem) = ask(&app, &reused).await;
    assert_eq!((status, &problem["code"]), (422, &json!("idempotency_key_reused")));
    let (_, all) = ask(&app, &Event::new("GET /v1/teams", &[]).user("org_1", "olga")).await;
    let names: Vec<_> = all["items"].as_array().unwrap().iter().map(|team| &team["name"]).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let (_, own) = ask(&app, &Event::new("GET /v1/teams", &[]).user("org_1", "bob")).await;
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!((&own["items"][0]["teamId"], &own["items"][0]["role"]), (&json!("team_1"), &json!("member")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_pages_through_all_teams() {
    let office = Office::set().await;
    let app = app(&office);
    for name in ["c", "d", "e"] {
        assert_eq!(ask(&app, &new_team("olga", name)).await.0, 201);
    }
    let page = |query: String| Event::new("GET /v1/teams", &[]).user("org_1", "olga").query(&query);
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    for _ in 0..5 {
        let (status, found) = ask(&app, &page(query.clone())).await;
        assert_eq!(status, 200, "{found}");
        seen.extend(found["items"].as_array().unwrap().iter().map(|team| team["teamId"].to_string()));
        let Some(cursor) = found["nextCursor"].as_str() else { break };
        let theirs = Event::new("GET /v1/teams", &[]).user("org_2", "zoe").query(&format!("cursor={cursor}"));
        assert_eq!(ask(&app, &theirs).await.0, 400, "another's");
        query = format!("limit=2&cursor={cursor}");
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (5, 5), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_adds_members_and_only_the_owner_makes_and_removes_admins() {
    let office = Office::set().await;
    let app = app(&office);
    let (status, added) = ask(&app, &put("ada", "team_1", "gus", &person("member", "Gus"))).await;
    let gus = json!({ "userId": "gus", "name": "Gus", "email": "gus@clinic.example", "role": "member" });
    assert_eq!((status, &added), (200, &gus));
    assert_eq!(ask(&app, &put("ada", "team_1", "gus", &json!({ "role": "member" }))).await.1, gus, "again");
    let admin = json!({ "role": "admin" });
    let member = json!({ "role": "member" });
    for (who, event) in [
        ("made", put("ada", "team_1", "gus", &admin)),
        ("made of nobody", put("ada", "team_1", "ida", &person("admin", "Ida"))),
        ("demoted by another", put("ada", "team_1", "ada", &member)),
        ("removed", remove("ada", "team_1", "ada")),
    ] {
        let (status, problem) = ask(&app, &event).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")), "{who}");
    }
    let (status, problem) = ask(&app, &put("bob", "team_1", "ida", &person("member", "Ida"))).await;
    assert_eq!((status, &problem["code"]), (403, &json!("admin_required")));
    let (status, made) = ask(&app, &put("olga", "team_1", "gus", &admin)).await;
    assert_eq!((status, &made["role"], &made["name"]), (200, &json!("admin"), &json!("Gus")));
    assert_eq!(ask(&app, &put("gus", "team_1", "ida", &person("member", "Ida"))).await.0, 200, "he may now");
    assert_eq!(ask(&app, &put("olga", "team_1", "gus", &member)).await.1["role"], "member");
    assert_eq!(ask(&app, &put("gus", "team_1", "jo", &person("member", "Jo"))).await.0, 403, "no more");
    assert_eq!(ask(&app, &remove("olga", "team_1", "ada")).await.0, 204);
    assert_eq!(ask(&app, &read("olga", "team_1", "ada")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_shown_to_those_who_manage_the_team() {
    let office = Office::set().await;
    let app = app(&office);
    let list = |who: &str| of_team("GET /v1/teams/{teamId}/members", who, "team_1");
    for (who, shown) in [("ada", true), ("olga", true), ("bob", false)] {
        let (status, found) = ask(&app, &list(who)).await;
        let found = found["items"].as_array().unwrap();
        let names: Vec<_> = found.iter().map(|member| member["userId"].as_str().unwrap()).collect();
        assert_eq!((status, names), (200, vec!["ada", "bob"]));
        assert!(found.iter().all(|member| member.get("email").is_some() == shown), "{who}");
        assert_eq!(ask(&app, &read(who, "team_1", "ada")).await.1.get("email").is_some(), shown, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_new_in_the_organization_needs_a_name_and_an_address() {
    let office = Office::set().await;
    let (app, before) = (app(&office), office.rows().await);
    for (body, status, expected) in [
        (json!({ "role": "member" }), 422, vec!["/name", "/email"]),
        (json!({ "role": "member", "name": " ", "email": "gus" }), 422, vec!["/name", "/email"]),
        (json!({ "role": "member", "name": "Gus" }), 422, vec!["/email"]),
        (json!({ "name": "Gus", "email": "gus@clinic.example" }), 400, vec!["/role"]),
        (json!({ "role": "owner" }), 400, vec!["/role"]),
    ] {
        let (told, problem) = ask(&app, &put("ada", "team_1", "gus", &body)).await;
        assert_eq!((told, pointers(&problem)), (status, expected), "{body}");
    }
    let (status, problem) = ask(&app, &put("ada", "team_1", "g#s", &person("member", "Gus"))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["?userId"]));
    assert_eq!(office.rows().await, before);
    let (status, known) = ask(&app, &put("ada", "team_1", "cyn", &json!({ "role": "member" }))).await;
    assert_eq!((status, &known["email"]), (200, &json!("cyn@clinic.example")), "known from another team");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_spreads_to_other_teams_and_inboxes_and_is_given_by_who_manages_all_of_them() {
    let office = Office::set().await;
    let app = app(&office);
    let members = Members::new(office.table());
    let front = inbox(&office, "inb_front", "team_1", InboxKind::Shared, &["bob"]).await;
    let named = async |inbox: &Inbox| {
        let found = members.membership(&org("org_1"), &inbox.id, &user("bob")).await.unwrap();
        found.unwrap().user.name
    };
    let (status, _) = ask(&app, &put("ada", "team_1", "bob", &person("member", "Robert"))).await;
    assert_eq!((status, named(&front).await.as_str()), (200, "Robert"), "of one team alone");
    assert_eq!(ask(&app, &put("olga", "team_2", "bob", &json!({ "role": "member" }))).await.0, 200);
    let back = inbox(&office, "inb_back", "team_2", InboxKind::Shared, &["bob"]).await;
    for admin in [
        put("ada", "team_1", "bob", &person("member", "Rob")),
        put("dan", "team_2", "bob", &person("member", "Rob")),
    ] {
        let (status, problem) = ask(&app, &admin).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")));
    }
    let same = json!({ "role": "member", "name": "Robert", "email": "robert@clinic.example" });
    assert_eq!(ask(&app, &put("ada", "team_1", "bob", &same)).await.0, 200, "nothing of it changes");
    let (status, _) = ask(&app, &put("olga", "team_2", "bob", &person("member", "Rob"))).await;
    assert_eq!(status, 200);
    assert_eq!((named(&front).await.as_str(), named(&back).await.as_str()), ("Rob", "Rob"));
    for of in ["team_1", "team_2"] {
        let (_, shown) = ask(&app, &read("olga", of, "bob")).await;
        let expected = (&json!("Rob"), &json!("rob@clinic.example"), &json!("member"));
        assert_eq!((&shown["name"], &shown["email"], &shown["role"]), expected, "{of}");
    }
    assert_eq!(me(&app, "bob").await["user"]["name"], "Rob");
    let (status, _) = ask(&app, &put("ada", "team_1", "olga", &json!({ "role": "member" }))).await;
    assert_eq!(status, 200);
    let (status, _) = ask(&app, &put("ada", "team_1", "olga", &person("member", "Mallory"))).await;
    assert_eq!(status, 403, "the owner's name is her own");
    assert_eq!(me(&app, "olga").await["user"]["owner"], true, "and she stays it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_has_no_access_and_holds_no_lock_from_that_instant() {
    let office = Office::set().await;
    let app = app(&office);
    office.person("org_1", "bob", false, &[("team_2", Role::Member)]).await;
    let front = inbox(&office, "inb_front", "team_1", InboxKind::Shared, &["bob", "ada"]).await;
    let back = inbox(&office, "inb_back", "team_2", InboxKind::Shared, &["bob", "cyn"]).await;
    let (locks, policy) = (Locks::new(office.table()), LockPolicy::default());
    let bob = UserRef { id: user("bob"), name: "Bob".into() };
    let organization = org("org_1");
    let mut held = Vec::new();
    for inbox in [&front, &back] {
        let conversation = texted(&office, inbox, 1).await;
        let thread =
            ConversationKey { organization: &organization, inbox: &inbox.id, conversation: &conversation };
        let Acquired::Held(lease) = locks.acquire(thread, &bob, now(), &policy).await.unwrap() else {
            panic!("free")
        };
        held.push((inbox.id.clone(), conversation, lease.token));
    }
    let taken = async |place: usize, who: &str| {
        let (inbox, conversation, _) = &held[place];
        let thread = ConversationKey { organization: &organization, inbox, conversation };
        let person = UserRef { id: user(who), name: who.into() };
        matches!(locks.acquire(thread, &person, now(), &policy).await.unwrap(), Acquired::Held(_))
    };
    assert!(!taken(0, "ada").await && !taken(1, "cyn").await, "bob holds both");
    let before = office.rows().await;
    assert_eq!(ask(&app, &remove("ada", "team_1", "bob")).await.0, 204);
    assert!(taken(0, "ada").await, "at once");
    assert!(!taken(1, "cyn").await, "the other team's is left alone");
    let (inbox, conversation, token) = &held[0];
    let thread = ConversationKey { organization: &organization, inbox, conversation };
    let renewed = locks.renew(thread, &bob.id, *token, true, now(), &policy).await.unwrap();
    assert!(matches!(renewed, Renewed::Lost(_)), "{renewed:?}");

    let gone: Vec<_> = before.difference(&office.rows().await).cloned().collect();
    let of_team_one = [
        "org_1#USER#bob inb_front",
        "org_1#USER#bob team_1",
        "org_1#inb_front MEMBER#bob",
        "org_1#team_1 USER#bob",
    ];
    assert_eq!(gone, of_team_one);
    let him = me(&app, "bob").await;
    assert_eq!((accounts(&him), him["teams"].as_array().unwrap().len()), (vec!["inb_back"], 1));
    assert_eq!(ask(&app, &read("bob", "team_1", "ada")).await.0, 404, "an outsider by now");

    let after = office.rows().await;
    for who in ["bob", "nobody"] {
        assert_eq!(ask(&app, &remove("ada", "team_1", who)).await.0, 204, "{who}");
    }
    assert_eq!(office.rows().await, after, "nothing is done, and nothing told, a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_broke_off_anywhere_is_done_to_its_end_when_it_is_asked_for_again() {
    let (organization, bob) = (org("org_1"), UserRef { id: user("bob"), name: "Bob".into() });
    for through in 0.. {
        let office = Office::set().await;
        let front = inbox(&office, "inb_front", "team_1", InboxKind::Shared, &["bob", "ada"]).await;
        let (locks, policy) = (Locks::new(office.table()), LockPolicy::default());
        let conversation = texted(&office, &front, 1).await;
        let thread =
            ConversationKey { organization: &organization, inbox: &front.id, conversation: &conversation };
        locks.acquire(thread, &bob, now(), &policy).await.unwrap();
        let (status, _) = ask(&app_over(&office.mortal(through)), &remove("ada", "team_1", "bob")).await;
        assert!(status == 204 || status >= 500, "{through}: {status}");
        assert_eq!(ask(&app(&office), &remove("ada", "team_1", "bob")).await.0, 204, "{through}");
        let rows = office.rows().await;
        let stays = ["org_1#USER#bob USER", "org_1#LOCKS#bob LOCKS"]; // the user, and an empty set of locks
        let left: Vec<_> =
            rows.iter().filter(|row| row.contains("bob") && !stays.contains(&row.as_str())).collect();
        assert_eq!(left, Vec::<&String>::new(), "{through}");
        assert_eq!(rows.iter().filter(|row| row.contains("#AUDIT")).count(), 1, "{through}: told once");
        let ada = UserRef { id: user("ada"), name: "Ada".into() };
        let taken = locks.acquire(thread, &ada, now(), &policy).await.unwrap();
        assert!(matches!(taken, Acquired::Held(_)), "{through}: {taken:?}");
        if status == 204 {
            assert!(through > 5, "{through}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outsiders_find_no_team_whatever_they_ask() {
    let office = Office::set().await;
    let (app, before) = (app(&office), office.rows().await);
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
            assert_eq!(ask(&app, &event).await.0, 404, "{route} {who}");
        }
    }
    for who in ["ada", "olga"] {
        assert_eq!(ask(&app, &of_team("GET /v1/teams/{teamId}", who, "team_none")).await.0, 404, "{who}");
    }
    let theirs = of_team("GET /v1/teams/{teamId}", "olga", "team_9");
    assert_eq!(ask(&app, &theirs).await.0, 404, "of another organization");
    assert_eq!(office.rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_read_their_team_and_those_who_manage_it_name_it() {
    let office = Office::set().await;
    let app = app(&office);
    let rename = |who: &str, name: &str| {
        of_team("PATCH /v1/teams/{teamId}", who, "team_1").json(&json!({ "name": name }))
    };
    assert_eq!(ask(&app, &rename("bob", "Mine")).await.0, 403);
    let (status, problem) = ask(&app, &rename("ada", "")).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/name"]));
    assert_eq!(ask(&app, &rename("ada", "Reception")).await.1["name"], "Reception");
    let (status, shown) = ask(&app, &of_team("GET /v1/teams/{teamId}", "bob", "team_1")).await;
    assert_eq!((status, &shown["name"], &shown["role"]), (200, &json!("Reception"), &json!("member")));
    assert_eq!(me(&app, "bob").await["teams"][0]["name"], "Reception");
    let owned = ask(&app, &of_team("GET /v1/teams/{teamId}", "olga", "team_1")).await.1;
    assert_eq!(owned["role"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_settings_come_back_as_they_were_chosen() {
    let office = Office::set().await;
    let app = app(&office);
    let get = |who: &str| of_team("GET /v1/teams/{teamId}/notification-settings", who, "team_1");
    let set = |who: &str, body: &Value| {
        of_team("PUT /v1/teams/{teamId}/notification-settings", who, "team_1").json(body)
    };
    let off = json!({ "enabled": false, "recipients": [] });
    let unset = json!({ "optOutChanged": off, "unknownContact": off, "contactAdded": off });
    assert_eq!(ask(&app, &get("ada")).await, (200, unset.clone()));
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
    assert_eq!(ask(&app, &set("ada", &wanted)).await, (200, chosen.clone()));
    assert_eq!(ask(&app, &get("olga")).await, (200, chosen.clone()));
    for event in [get("bob"), set("bob", &unset)] {
        assert_eq!(ask(&app, &event).await.0, 403);
    }
    let many: Vec<_> = (0..21).map(|n| format!("u{n}@clinic.example")).collect();
    let bad = json!({
        "optOutChanged": { "enabled": true, "recipients": [] },
        "unknownContact": { "enabled": true, "recipients": ["a@b.example", "nobody", "a b@c.example"] },
        "contactAdded": { "enabled": false, "recipients": many },
    });
    let (status, problem) = ask(&app, &set("ada", &bad)).await;
    let all = [
        "/optOutChanged/recipients",
        "/unknownContact/recipients/1",
        "/unknownContact/recipients/2",
        "/contactAdded/recipients",
    ];
    assert_eq!((status, pointers(&problem)), (422, all.to_vec()));
    let (status, problem) = ask(&app, &set("ada", &json!({ "optOutChanged": off }))).await;
    assert_eq!((status, pointers(&problem)), (400, vec!["/unknownContact"]));
    assert_eq!(ask(&app, &get("ada")).await.1, chosen, "what was refused changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_shows_the_deeds_newest_first_page_by_page() {
    let office = Office::set().await;
    let app = app(&office);
    let begin = now();
    let off = json!({ "enabled": false, "recipients": [] });
    let settings = json!({ "optOutChanged": off, "unknownContact": off, "contactAdded": off });
    let deeds = [
        put("ada", "team_1", "gus", &person("member", "Gus")),
        of_team("PATCH /v1/teams/{teamId}", "olga", "team_1").json(&json!({ "name": "Reception" })),
        of_team("PUT /v1/teams/{teamId}/notification-settings", "ada", "team_1").json(&settings),
        remove("ada", "team_1", "gus"),
        put("ada", "team_1", "bob", &json!({ "role": "member" })),
    ];
    for (seconds, event) in (0..).zip(&deeds) {
        let (status, told) = ask_at(&app, event, begin + Duration::from_secs(seconds)).await;
        assert!(status < 300, "{told}");
    }
    assert_eq!(ask(&app, &put("bob", "team_1", "ida", &person("member", "Ida"))).await.0, 403, "no deed");
    let page = |who: &str, query: &str| of_team("GET /v1/teams/{teamId}/audit", who, "team_1").query(query);
    let (mut seen, mut query, mut cursors) = (Vec::new(), "limit=2".to_owned(), Vec::new());
    loop {
        let (status, found) = ask(&app, &page("ada", &query)).await;
        assert_eq!(status, 200, "{found}");
        seen.extend(found["items"].as_array().unwrap().clone());
        let Some(cursor) = found["nextCursor"].as_str() else { break };
        query = format!("limit=2&cursor={cursor}");
        cursors.push(cursor.to_owned());
    }
    let told: Vec<_> = seen
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
    assert_eq!(told, expected);
    assert_eq!(seen[4]["at"], begin.to_string());
    assert_eq!(cursors.len(), 2);
    let own = format!("cursor={}", cursors[0]);
    for (what, event) in [
        ("another's", page("olga", &own)),
        ("another list's", Event::new("GET /v1/teams", &[]).user("org_1", "ada").query(&own)),
        ("made up", page("ada", "cursor=AAAA")),
    ] {
        assert_eq!(ask(&app, &event).await.0, 400, "{what}");
    }
    let admit = put("olga", "team_2", "ada", &json!({ "role": "admin" }));
    assert_eq!(ask(&app, &admit).await.0, 200);
    let elsewhere = of_team("GET /v1/teams/{teamId}/audit", "ada", "team_2").query(&own);
    assert_eq!(ask(&app, &elsewhere).await.0, 400, "another team's");
    assert_eq!(ask(&app, &page("ada", "limit=0")).await.0, 400);
    assert_eq!(ask(&app, &page("bob", "")).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_shown_while_its_team_may_send_and_it_is_in_use() {
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};
    let office = Office::set().await;
    let app = app(&office);
    let mut front = inbox(&office, "inb_front", "team_1", InboxKind::Shared, &["bob"]).await;
    inbox(&office, "inb_other", "team_1", InboxKind::Shared, &["ada"]).await;
    inbox(&office, "inb_bob", "team_1", InboxKind::Personal, &["bob"]).await;
    let teams = Teams::new(office.table());
    for (registration, shown) in [
        (NotStarted, false),
        (Pending, false),
        (Approved, true),
        (Suspended, false),
        (Rejected, false),
        (Approved, true),
    ] {
        let front = Team { id: team("team_1"), name: "Front".into(), registration, messaging_service: None };
        teams.put(&org("org_1"), &front).await.unwrap();
        let expected = if shown { vec!["inb_bob", "inb_front"] } else { vec!["inb_bob"] };
        assert_eq!(accounts(&me(&app, "bob").await), expected, "{registration:?}");
    }
    let him = me(&app, "bob").await;
    let account = json!({
        "inboxId": "inb_front", "kind": "shared", "name": "Name of inb_front", "color": "#336699",
        "phoneNumber": front.number.as_str(), "apiCode": "inb_front", "teamId": "team_1", "unreadCount": 0,
    });
    assert_eq!(him["accounts"][1], account);
    let who = json!({ "userId": "bob", "name": "BOB", "email": "bob@clinic.example", "owner": false });
    assert_eq!(him["user"], who);
    assert_eq!(him["teams"], json!([{ "teamId": "team_1", "name": "Front", "role": "member" }]));
    for stage in [Stage::Retired, Stage::Creating] {
        front.stage = stage;
        Inboxes::new(office.table()).put(&front).await.unwrap();
        assert_eq!(accounts(&me(&app, "bob").await), ["inb_bob"], "{stage:?}");
    }
    assert_eq!(accounts(&me(&app, "olga").await), Vec::<&str>::new(), "the owner is no member");
    let stranger = Event::new("GET /v1/me", &[]).user("org_1", "nobody");
    assert_eq!(ask(&app, &stranger).await.0, 403);
    let nobody = Event::new("GET /v1/me", &[]).claims(json!({ "sub": "2f1c" }));
    assert_eq!(ask(&app, &nobody).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_conversations_are_counted_and_one_less_when_one_is_opened() {
    let office = Office::set().await;
    let app = app(&office);
    let back = inbox(&office, "inb_back", "team_2", InboxKind::Shared, &["cyn"]).await;
    let other = inbox(&office, "inb_other", "team_2", InboxKind::Shared, &["cyn"]).await;
    let count = async |at: Timestamp| {
        let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
        let (_, me) = ask_at(&app, &event, at).await;
        let accounts = me["accounts"].as_array().unwrap().clone();
        accounts.iter().map(|account| account["unreadCount"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count(now()).await, [0, 0]);
    let first = texted(&office, &back, 1).await;
    for serial in [2, 3] {
        texted(&office, &back, serial).await;
    }
    texted(&office, &other, 1).await;
    assert_eq!(count(now()).await, [3, 1], "conversations");
    let organization = org("org_1");
    let thread = ConversationKey { organization: &organization, inbox: &back.id, conversation: &first };
    let cyn = UserRef { id: user("cyn"), name: "Cyn".into() };
    let opened = Locks::new(office.table()).acquire(thread, &cyn, now(), &LockPolicy::default()).await;
    assert!(matches!(opened.unwrap(), Acquired::Held(_)));
    assert_eq!(count(now()).await, [2, 1]);
    // A process that died between its two writes leaves the counter one off; it is put right once it is quiet.
    let unread = shared_aws::conversation::Unread::new(office.table());
    unread.count(&organization, &back.id, 1, now()).await.unwrap();
    assert_eq!(count(now()).await, [3, 1]);
    let quiet = now() + Duration::from_secs(61);
    assert_eq!(count(quiet).await, [2, 1]);
    assert_eq!(count(quiet).await, [2, 1]);
}

/// Counts requests by their kind.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<Mutex<Asked>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Asked {
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
        let mut asked = self.0.lock().unwrap();
        match context.request().headers().get("x-amz-target") {
            Some("DynamoDB_20120810.Query") => asked.queries += 1,
            Some("DynamoDB_20120810.BatchGetItem") => asked.batches += 1,
            _ => asked.others += 1,
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn showing_oneself_costs_the_same_however_many_inboxes_there_are() {
    let office = Office::set().await;
    let meter = Meter::default();
    let metered = Dynamo::from_conf(office.engine.aws.dynamodb_config().interceptor(meter.clone()).build());
    let app = app_over(&Table::new(metered, TABLE));
    let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
    let cost = async |at: Timestamp| {
        *meter.0.lock().unwrap() = Asked::default();
        let (_, me) = ask_at(&app, &event, at).await;
        (accounts(&me).len(), *meter.0.lock().unwrap())
    };
    let plain = Asked { queries: 1, batches: 1, others: 0 };
    assert_eq!(cost(now()).await, (0, plain));
    let mut inboxes = Vec::new();
    for (upto, quiet) in [(3, 61), (30, 200)] {
        for serial in inboxes.len()..upto {
            let id = format!("inb_{serial:02}");
            inboxes.push(inbox(&office, &id, "team_2", InboxKind::Shared, &["cyn"]).await);
            texted(&office, &inboxes[serial], 1).await;
        }
        assert_eq!(cost(now()).await, (upto, plain));
        // All counters are due to be counted anew: one at a time, and its correction is written.
        let later = now() + Duration::from_secs(quiet);
        assert_eq!(cost(later).await, (upto, Asked { queries: 2, batches: 1, others: 1 }));
    }
}
