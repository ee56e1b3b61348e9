//! Teams, roles, who is removed, what navigation shows, what admins did, which e-mails a team wants.

use product_tests::{Office, Phone, Stack};
use serde_json::{Value, json};

/// ◆ product 1 and api: `GET /v1/me` has what navigation and Compose need, and nothing more; several teams
/// per user.
#[tokio::test]
async fn me_contains_what_navigation_and_compose_need_and_nothing_more() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Second team", "dev").await;
    let inbox = office.creates("Second team").await;
    let me = office.admin.get("/v1/me").await.expect(200);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&me), ["accounts", "teams", "user"]);
    assert_eq!(
        me["user"],
        json!({ "userId": "dev", "name": "Dev Patel", "email": "dev@brightside.example", "owner": false })
    );
    let teams = me["teams"].as_array().unwrap();
    let of = |id: &str| teams.iter().find(|team| team["teamId"] == id).cloned();
    assert_eq!(
        of(&office.team),
        Some(json!({ "teamId": office.team, "name": "Second team", "role": "admin" }))
    );
    assert_eq!(of("team_frontdesk").unwrap()["role"], "member");
    office.is_registered(&stack.carrier()).await;
    let me = office.admin.get("/v1/me").await.expect(200);
    let account =
        me["accounts"].as_array().unwrap().iter().find(|one| one["inboxId"] == inbox.id).cloned().unwrap();
    assert_eq!(
        account,
        json!({
            "inboxId": inbox.id, "kind": "shared", "name": "Second team", "color": "#336699", "phoneNumber": inbox.number,
            "apiCode": inbox.answer["apiCode"], "teamId": office.team, "unreadCount": 0,
        })
    );
}

/// Product 1: the owner makes teams and their admins, admins their members.
#[tokio::test]
async fn the_owner_adds_admins_and_admins_add_members() {
    let stack = Stack::open();
    stack.user("adam").post("/v1/teams", json!({ "name": "Mine" })).await.problem(403, "owner_required");
    let office = Office::open(&stack, "Roles", "amelia").await;
    office.employs("ben").await;
    let (admin, ben, dev) = (&office.admin, stack.user("ben"), stack.user("dev"));
    admin.put(&office.member("carla"), json!({ "role": "admin" })).await.problem(403, "owner_required");
    ben.put(&office.member("carla"), json!({ "role": "member" })).await.problem(403, "admin_required");
    dev.put(&office.member("carla"), json!({ "role": "member" })).await.problem(404, "not_found");
    admin.put(&office.member("ben"), json!({ "role": "chief" })).await.points_at("/role");
    let newcomer = format!("new-{}", office.team);
    let refused = admin.put(&office.member(&newcomer), json!({ "role": "member" })).await;
    assert_eq!(
        refused.problem(422, "invalid_fields")["errors"].as_array().unwrap().len(),
        2,
        "name and email"
    );
    let details = json!({ "role": "member", "name": "Nia New", "email": "nia@brightside.example" });
    admin.put(&office.member(&newcomer), details).await.expect(200);
    let members = ben.get(&format!("{}/members", office.path())).await.expect(200);
    let names: Vec<_> = members["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Amelia Hart", "Ben Okafor", "Nia New"]);
    assert_eq!(members["items"][0]["email"], Value::Null, "addresses are for those who manage");
    let renamed = json!({ "role": "member", "name": "Benjamin" });
    admin.put(&office.member("ben"), renamed).await.problem(403, "owner_required"); // he belongs to another team too
    admin.put(&office.member("a b"), json!({ "role": "member" })).await.problem(422, "invalid_fields");
}

/// ◆ issue and product 5: removing somebody ends their access and releases their locks at once.
#[tokio::test]
async fn a_removed_member_has_no_access_and_holds_no_lock() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Removal", "amelia").await);
    let (inbox, phone) = (office.creates("Removal").await, Phone::new());
    office.is_registered(&carrier).await;
    office.employs("ben").await;
    office.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    carrier.text_in(&phone, &inbox.number, "Hello").await;
    let ben = stack.user("ben");
    let thread = stack.thread_in(&ben, &inbox.id, "inbox", &phone).await;
    let token = thread.acquired_by(&ben).await;
    office.admin.post(&thread.lock(), Value::Null).await.problem(423, "locked");
    office.admin.delete(&office.member("ben")).await.expect(204);
    ben.put(&thread.lock(), json!({ "token": token, "active": true })).await.problem(404, "not_found");
    ben.post(&thread.messages(), json!({ "text": "Still here", "lockToken": token }))
        .await
        .problem(404, "not_found");
    ben.get(&thread.path()).await.problem(404, "not_found");
    assert_eq!(thread.seen_by(&office.admin).await["lock"], Value::Null, "the lock is gone");
    thread.acquired_by(&office.admin).await;
    assert!(!ben.accounts().await.contains(&inbox.id));
    assert!(ben.accounts().await.contains(&stack.desk().inbox_id), "his other team is none of it");
    office.admin.delete(&office.member("ben")).await.expect(204);

    // The same from one inbox alone.
    office.employs("carla").await;
    office.admin.put(&inbox.member("carla"), json!({})).await.expect(200);
    let carla = stack.user("carla");
    let other = Phone::new();
    carrier.text_in(&other, &inbox.number, "Hello").await;
    let thread = stack.thread_in(&carla, &inbox.id, "inbox", &other).await;
    thread.acquired_by(&carla).await;
    office.admin.delete(&inbox.member("carla")).await.expect(204);
    carla.get(&thread.path()).await.problem(404, "not_found");
    thread.acquired_by(&office.admin).await;
}

/// ◆ product 2: team admins manage all inboxes of the team, and read them only as members.
#[tokio::test]
async fn admins_manage_every_inbox_of_their_team_and_read_only_as_members() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Managed", "amelia").await);
    let inbox = office.creates("Managed").await;
    office.is_registered(&carrier).await;
    let owner = stack.user("olivia");
    let conversations = format!("{}/conversations", inbox.path());
    owner.get(&conversations).await.problem(404, "not_found");
    owner.put(&office.member("olivia"), json!({ "role": "admin" })).await.expect(200);
    owner.get(&conversations).await.problem(404, "not_found");
    owner.put(&inbox.member("olivia"), json!({})).await.expect(200);
    owner.get(&conversations).await.expect(200);
    let listed = stack.user("zoe").get(&office.inboxes()).await;
    listed.problem(404, "not_found");
}

/// Admin actions stand in an audit trail.
#[tokio::test]
async fn the_audit_log_lists_what_admins_did() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Trail", "amelia").await;
    let inbox = office.creates("Trail").await;
    office.employs("ben").await;
    office.admin.patch(&inbox.path(), json!({ "name": "Trails" })).await.expect(200);
    let trail = format!("{}/audit", office.path());
    stack.user("ben").get(&trail).await.problem(403, "admin_required");
    let page = office.admin.get(&format!("{trail}?limit=2")).await.expect(200);
    let actions = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|one| one["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&page), ["inbox.edit", "member.put"]);
    let cursor = page["nextCursor"].as_str().expect("more");
    let rest = office.admin.get(&format!("{trail}?cursor={cursor}")).await.expect(200);
    assert_eq!(actions(&rest), ["inbox.create", "member.put", "team.create"]);
    assert_eq!(
        (&rest["items"][2]["userId"], &rest["items"][2]["target"]),
        (&json!("olivia"), &json!(office.team))
    );
    stack.user("olivia").get(&format!("{trail}?cursor={cursor}")).await.problem(400, "bad_cursor");
}

/// Product 10: per team, each with its switch and list of addresses.
#[tokio::test]
async fn a_team_chooses_its_notifications() {
    let stack = Stack::open();
    let office = Office::open(&stack, "E-mails", "amelia").await;
    office.employs("ben").await;
    let path = format!("{}/notification-settings", office.path());
    stack.user("ben").get(&path).await.problem(403, "admin_required");
    let none = office.admin.get(&path).await.expect(200);
    assert_eq!(none["unknownContact"], json!({ "enabled": false, "recipients": [] }));
    let off = json!({ "enabled": false, "recipients": [] });
    let wanted = json!({
        "optOutChanged": { "enabled": true, "recipients": ["desk@brightside.example"] }, "unknownContact": off, "contactAdded": off,
    });
    assert_eq!(office.admin.put(&path, wanted.clone()).await.expect(200), wanted);
    assert_eq!(office.admin.get(&path).await.expect(200), wanted);
    let bad = json!({
        "optOutChanged": { "enabled": true, "recipients": ["desk"] }, "unknownContact": { "enabled": true, "recipients": [] }, "contactAdded": off,
    });
    let problem = office.admin.put(&path, bad).await.problem(422, "invalid_fields");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/optOutChanged/recipients/0", "/unknownContact/recipients"]);
    office.admin.put(&path, json!({ "optOutChanged": off })).await.points_at("/unknownContact");
}

/// Creating a team is idempotent by its key.
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
    owner.post("/v1/teams", json!({})).await.points_at("/name");
}
