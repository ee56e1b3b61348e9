//! Members of a team: adding, renaming and removing them.

use serde_json::json;
use shared_aws::{
    conversation::{Acquired, Locks, Renewed},
    team::Members,
};
use shared_domain::{
    inbox::{Inbox, InboxKind},
    keys::{ConversationKey, InboxKey},
    lock::LockPolicy,
    membership::Role,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    build::{organization_id, user_id},
    crash,
    gateway::pointers,
};

use super::{accounts, app, app_over, call, inbox, me, member_body, put, read, receive, remove, team_event};

#[tokio::test(flavor = "multi_thread")]
async fn admins_add_members_and_only_the_owner_appoints_and_removes_admins() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (status, added) = call(&app, &put("ada", "team_1", "gus", &member_body("member", "Gus"))).await;
    let gus = json!({
        "userId": "gus", "name": "Gus", "email": "gus@clinic.example", "role": "member", "canBroadcast": false,
    });
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
}

/// The admins of a team do not see the users of other teams, so an ID that they guess shows them nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_user_of_another_team_is_answered_as_a_new_one_except_for_the_owner() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let role_only = json!({ "role": "member" });
    let (status, problem) = call(&app, &put("ada", "team_1", "cyn", &role_only)).await;
    let (status_of_new, of_new) = call(&app, &put("ada", "team_1", "gus", &role_only)).await;
    assert_eq!((status, status_of_new), (422, 422));
    assert_eq!(problem["errors"], of_new["errors"]);
    let (status, known) = call(&app, &put("olga", "team_1", "cyn", &role_only)).await;
    assert_eq!((status, &known["email"]), (200, &json!("cyn@clinic.example")));
    let (status, known) = call(&app, &put("ada", "team_1", "cyn", &role_only)).await;
    assert_eq!((status, &known["email"]), (200, &json!("cyn@clinic.example")), "now a member of the team");
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
    let (status, _) = call(&app, &put("olga", "team_1", "olga", &json!({ "role": "member" }))).await;
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
        let Acquired::Held(lease) =
            locks.acquire(key_of_conversation, &bob, now(), 1, &policy).await.unwrap()
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
            locks.acquire(key_of_conversation, &member_body, now(), 1, &policy).await.unwrap(),
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
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob", "ada"]).await;
        let (locks, policy) = (Locks::new(test.table()), LockPolicy::default());
        let conversation = receive(&test, &front, 1).await;
        let key_of_conversation =
            ConversationKey { organization: &organization, inbox: &front.id, conversation: &conversation };
        locks.acquire(key_of_conversation, &bob, now(), 1, &policy).await.unwrap();
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
        let can_acquire = locks.acquire(key_of_conversation, &ada, now(), 1, &policy).await.unwrap();
        assert!(matches!(can_acquire, Acquired::Held(_)), "{requests}: {can_acquire:?}");
        if status == 204 {
            assert!(requests > 5, "{requests}");
            break;
        }
    }
}
