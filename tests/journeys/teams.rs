//! Teams: `/v1/me`, roles, removal of members, the audit log and notification settings.

use product_tests::{Phone, Stack, TestTeam};
use serde_json::{Value, json};

/// ◆ product 1 and API: `GET /v1/me` contains what navigation and Compose need and nothing more. A user may
/// have several teams.
#[tokio::test]
async fn me_contains_what_navigation_and_compose_need_and_nothing_more() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Second team", "dev").await;
    let inbox = team.create_inbox("Second team").await;
    let me = team.admin.get("/v1/me").await.expect(200);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&me), ["accounts", "locks", "teams", "user"]);
    assert_eq!(
        me["user"],
        json!({ "userId": "dev", "name": "Dev Patel", "email": "dev@brightside.example", "owner": false })
    );
    let teams = me["teams"].as_array().unwrap();
    let of = |id: &str| teams.iter().find(|team| team["teamId"] == id).cloned();
    assert_eq!(of(&team.id), Some(json!({ "teamId": team.id, "name": "Second team", "role": "admin" })));
    assert_eq!(of(&stack.front_desk_inbox().team_id).unwrap()["role"], "member");
    team.register(&stack.carrier()).await;
    let me = team.admin.get("/v1/me").await.expect(200);
    let account =
        me["accounts"].as_array().unwrap().iter().find(|one| one["inboxId"] == inbox.id).cloned().unwrap();
    assert_eq!(
        account,
        json!({
            "inboxId": inbox.id, "kind": "shared", "name": "Second team", "color": "#336699", "phoneNumber": inbox.number,
            "apiCode": inbox.response["apiCode"], "teamId": team.id, "unreadCount": 0,
            "counts": { "inbox": 0, "unread": 0, "assignedToMe": 0 },
        })
    );
}

/// Product 14: the owner sets hold and retention of a team, and its members see them.
#[tokio::test]
async fn the_owner_holds_a_team_and_sets_its_retention() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Kept", "amelia").await;
    team.add_member("ben").await;
    let (admin, ben, owner) = (&team.admin, stack.user("ben"), stack.user("olivia"));
    for body in [json!({ "hold": true }), json!({ "retentionDays": 30 })] {
        admin.patch(&team.path(), body.clone()).await.problem(403, "owner_required");
        ben.patch(&team.path(), body).await.problem(403, "admin_required");
    }
    owner.patch(&team.path(), json!({ "retentionDays": 0 })).await.problem(422, "invalid_fields");
    let shown = ben.get(&team.path()).await.expect(200);
    assert_eq!((&shown["hold"], &shown["retentionDays"]), (&json!(false), &Value::Null));
    owner.patch(&team.path(), json!({ "hold": true, "retentionDays": 30 })).await.expect(200);
    let shown = ben.get(&team.path()).await.expect(200);
    assert_eq!((&shown["hold"], &shown["retentionDays"]), (&json!(true), &json!(30)));
    let ended = owner.patch(&team.path(), json!({ "hold": false, "retentionDays": null })).await.expect(200);
    assert_eq!(
        (&ended["hold"], &ended["retentionDays"], &ended["name"]),
        (&json!(false), &Value::Null, &json!("Kept"))
    );
}

/// Product 1: the owner creates teams and adds admins. Admins add members.
#[tokio::test]
async fn the_owner_adds_admins_and_admins_add_members() {
    let stack = Stack::open();
    stack.user("adam").post("/v1/teams", json!({ "name": "Mine" })).await.problem(403, "owner_required");
    let team = TestTeam::create(&stack, "Roles", "amelia").await;
    team.add_member("ben").await;
    let (admin, ben, dev) = (&team.admin, stack.user("ben"), stack.user("dev"));
    admin.put(&team.member("carla"), json!({ "role": "admin" })).await.problem(403, "owner_required");
    ben.put(&team.member("carla"), json!({ "role": "member" })).await.problem(403, "admin_required");
    dev.put(&team.member("carla"), json!({ "role": "member" })).await.problem(404, "not_found");
    admin.put(&team.member("ben"), json!({ "role": "chief" })).await.expect_field_error("/role");
    let newcomer = format!("new-{}", team.id);
    let refused = admin.put(&team.member(&newcomer), json!({ "role": "member" })).await;
    assert_eq!(
        refused.problem(422, "invalid_fields")["errors"].as_array().unwrap().len(),
        2,
        "name and email"
    );
    let details = json!({ "role": "member", "name": "Nia New", "email": "nia@brightside.example" });
    admin.put(&team.member(&newcomer), details).await.expect(200);
    let members = ben.get(&format!("{}/members", team.path())).await.expect(200);
    let names: Vec<_> = members["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Amelia Hart", "Ben Okafor", "Nia New"]);
    assert_eq!(members["items"][0]["email"], Value::Null, "only admins see e-mail addresses");
    let renamed = json!({ "role": "member", "name": "Benjamin" });
    admin.put(&team.member("ben"), renamed).await.problem(403, "owner_required"); // Ben is also in another team
    admin.put(&team.member("a b"), json!({ "role": "member" })).await.problem(422, "invalid_fields");
    let moved = json!({ "role": "member", "email": "nia.new@brightside.example" });
    admin.put(&team.member(&newcomer), moved).await.expect(200);
    admin.delete(&team.member(&newcomer)).await.expect(204);
}

/// ◆ issue and product 5: removing a member ends their access and releases their locks at once.
#[tokio::test]
async fn a_removed_member_has_no_access_and_holds_no_lock() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Removal", "amelia").await);
    let (inbox, phone) = (team.create_inbox("Removal").await, Phone::new());
    team.register(&carrier).await;
    team.add_member("ben").await;
    team.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    carrier.send_inbound(&phone, &inbox.number, "Hello").await;
    let ben = stack.user("ben");
    let conversation = stack.find_conversation(&ben, &inbox.id, "inbox", &phone).await;
    let token = conversation.acquire_lock(&ben).await;
    team.admin.post(&conversation.lock(), Value::Null).await.problem(423, "locked");
    team.admin.delete(&team.member("ben")).await.expect(204);
    ben.put(&conversation.lock(), json!({ "token": token, "active": true })).await.problem(404, "not_found");
    ben.post(&conversation.messages(), json!({ "text": "Still here", "lockToken": token }))
        .await
        .problem(404, "not_found");
    ben.get(&conversation.path()).await.problem(404, "not_found");
    assert_eq!(conversation.get_as(&team.admin).await["lock"], Value::Null, "the lock is gone");
    conversation.acquire_lock(&team.admin).await;
    assert!(!ben.accounts().await.contains(&inbox.id));
    assert!(
        ben.accounts().await.contains(&stack.front_desk_inbox().inbox_id),
        "access to the other team stays"
    );
    team.admin.delete(&team.member("ben")).await.expect(204);

    // Removal from one inbox does the same for that inbox.
    team.add_member("carla").await;
    team.admin.put(&inbox.member("carla"), json!({})).await.expect(200);
    let carla = stack.user("carla");
    let other = Phone::new();
    carrier.send_inbound(&other, &inbox.number, "Hello").await;
    let conversation = stack.find_conversation(&carla, &inbox.id, "inbox", &other).await;
    conversation.acquire_lock(&carla).await;
    team.admin.delete(&inbox.member("carla")).await.expect(204);
    carla.get(&conversation.path()).await.problem(404, "not_found");
    conversation.acquire_lock(&team.admin).await;
}

/// ◆ product 2: team admins manage all inboxes of the team but read them only as members.
#[tokio::test]
async fn admins_manage_every_inbox_of_their_team_and_read_only_as_members() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Managed", "amelia").await);
    let inbox = team.create_inbox("Managed").await;
    team.register(&carrier).await;
    let owner = stack.user("olivia");
    let conversations = format!("{}/conversations", inbox.path());
    owner.get(&conversations).await.problem(404, "not_found");
    owner.put(&team.member("olivia"), json!({ "role": "admin" })).await.expect(200);
    owner.get(&conversations).await.problem(404, "not_found");
    owner.put(&inbox.member("olivia"), json!({})).await.expect(200);
    owner.get(&conversations).await.expect(200);
    let listed = stack.user("zoe").get(&team.inboxes()).await;
    listed.problem(404, "not_found");
    // `/v1/me` of the owner has the demo team alone, for the journey that reads it.
    owner.delete(&team.member("olivia")).await.expect(204);
}

/// The audit log lists the actions of admins.
#[tokio::test]
async fn the_audit_log_lists_what_admins_did() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Trail", "amelia").await;
    let inbox = team.create_inbox("Trail").await;
    team.add_member("ben").await;
    team.admin.patch(&inbox.path(), json!({ "name": "Trails" })).await.expect(200);
    let trail = format!("{}/audit", team.path());
    stack.user("ben").get(&trail).await.problem(403, "admin_required");
    let page = team.admin.get(&format!("{trail}?limit=2")).await.expect(200);
    let actions = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|one| one["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&page), ["inbox.edit", "member.put"]);
    let cursor = page["nextCursor"].as_str().expect("more");
    let rest = team.admin.get(&format!("{trail}?cursor={cursor}")).await.expect(200);
    assert_eq!(actions(&rest), ["inbox.create", "member.put", "team.create"]);
    assert_eq!(
        (&rest["items"][2]["userId"], &rest["items"][2]["target"]),
        (&json!("olivia"), &json!(team.id))
    );
    stack.user("olivia").get(&format!("{trail}?cursor={cursor}")).await.problem(400, "bad_cursor");
}

/// Product 10: each team enables each notification separately and sets its recipients.
#[tokio::test]
async fn a_team_chooses_its_notifications() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "E-mails", "amelia").await;
    team.add_member("ben").await;
    let path = format!("{}/notification-settings", team.path());
    stack.user("ben").get(&path).await.problem(403, "admin_required");
    let none = team.admin.get(&path).await.expect(200);
    assert_eq!(none["unknownContact"], json!({ "enabled": false, "recipients": [] }));
    let off = json!({ "enabled": false, "recipients": [] });
    let wanted = json!({
        "optOutChanged": { "enabled": true, "recipients": ["desk@brightside.example"] }, "unknownContact": off, "contactAdded": off,
    });
    assert_eq!(team.admin.put(&path, wanted.clone()).await.expect(200), wanted);
    assert_eq!(team.admin.get(&path).await.expect(200), wanted);
    let bad = json!({
        "optOutChanged": { "enabled": true, "recipients": ["desk"] }, "unknownContact": { "enabled": true, "recipients": [] }, "contactAdded": off,
    });
    let problem = team.admin.put(&path, bad).await.problem(422, "invalid_fields");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/optOutChanged/recipients/0", "/unknownContact/recipients"]);
    team.admin.put(&path, json!({ "optOutChanged": off })).await.expect_field_error("/unknownContact");
}

/// Creating a team twice with one idempotency key creates one team.
#[tokio::test]
async fn one_idempotency_key_creates_one_team() {
    let stack = Stack::open();
    let owner = stack.user("olivia");
    let key = format!("team-{}", Phone::new().number());
    let wanted = json!({ "name": "Once" });
    let one = owner.post_once("/v1/teams", &key, &wanted).await.expect(201);
    let two = owner.post_once("/v1/teams", &key, &wanted).await.expect(201);
    assert_eq!(one["teamId"], two["teamId"]);
    owner
        .post_once("/v1/teams", &key, &json!({ "name": "Twice" }))
        .await
        .problem(422, "idempotency_key_reused");
    owner.post("/v1/teams", json!({ "name": "" })).await.problem(422, "invalid_fields");
    owner.post("/v1/teams", json!({})).await.expect_field_error("/name");
}
