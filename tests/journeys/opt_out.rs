//! Opt-outs: keywords, scopes, the ledger and reviews.

use product_tests::{Client, Phone, SharedInbox, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

/// Product 7: a message that is only STOP opts out at once and is confirmed once. START opts in again. Until
/// then sends are refused. The ledger records both changes.
#[tokio::test]
async fn stop_opts_out_at_once_and_start_opts_in() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Opt-out", "amelia").await);
    let (inbox, other) = (team.create_inbox("One").await, team.create_inbox("Two").await);
    team.register(&carrier).await;
    let (settings, recipient) =
        (format!("{}/notification-settings", team.path()), format!("{}@brightside.example", team.id));
    let off = json!({ "enabled": false, "recipients": [] });
    let on = json!({ "enabled": true, "recipients": [recipient] });
    team.admin
        .put(&settings, json!({ "optOutChanged": on, "unknownContact": off, "contactAdded": off }))
        .await
        .expect(200);
    let phone = Phone::new();
    carrier.send_inbound(&phone, &inbox.number, "Hello").await;
    carrier.send_inbound(&phone, &other.number, "Hello").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let no_pause = carrier.no_pause().await; // no pause of another journey delays the confirmation
    carrier.send_inbound(&phone, &inbox.number, " Stop. ").await;
    let words = async |count: usize| {
        eventually("the confirmation", WAIT_TIMEOUT, async || {
            let words = carrier.texts_to(&phone).await;
            (words.len() == count).then_some(words)
        })
        .await
    };
    assert!(words(1).await[0].contains("unsubscribed"));
    drop(no_pause);
    let seen = conversation.get_as(&team.admin).await;
    assert_eq!(seen["contact"]["optedOut"], true);
    let second = stack.find_conversation(&team.admin, &other.id, "inbox", &phone).await;
    assert_eq!(second.get_as(&team.admin).await["contact"]["optedOut"], true, "the whole team");
    let token = conversation.acquire_lock(&team.admin).await;
    let reply = json!({ "text": "One more thing", "lockToken": token });
    team.admin.post(&conversation.messages(), reply).await.problem(409, "opted_out");
    let compose =
        json!({ "from": { "inboxId": other.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    team.admin.post("/v1/messages", compose.clone()).await.problem(409, "opted_out");
    conversation.renew_lock(&team.admin, token).await;
    let reasons = team.admin.get(&conversation.can_send()).await.expect(200);
    assert_eq!(reasons["reasons"][0]["code"], "opted_out");
    let elsewhere = json!({ "from": { "inboxId": stack.front_desk_inbox().inbox_id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    team.admin.send("/v1/messages", elsewhere).await.expect(202); // another team
    words(2).await;

    carrier.send_inbound(&phone, &inbox.number, "STOP").await; // no second confirmation
    carrier.send_inbound(&phone, &other.number, "START").await; // not the number that got STOP
    assert_eq!(conversation.get_as(&team.admin).await["contact"]["optedOut"], true);
    let no_pause = carrier.no_pause().await;
    carrier.send_inbound(&phone, &inbox.number, "start").await;
    assert!(words(3).await[2].contains("subscribed again"));
    drop(no_pause);
    assert_eq!(second.get_as(&team.admin).await["contact"]["optedOut"], false);
    team.admin.send("/v1/messages", compose).await.expect(202);

    let contact = conversation.get_as(&team.admin).await["contact"]["contactId"].as_str().unwrap().to_owned();
    let ledger = team.admin.get(&format!("{}/contacts/{contact}/opt-outs", team.path())).await.expect(200);
    let lines: Vec<_> = ledger["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["status"].clone(), line["source"].clone()))
        .collect();
    assert_eq!(lines, [(json!("opted_in"), json!("keyword")), (json!("opted_out"), json!("keyword"))]);
    assert!(ledger["items"][1]["messageId"].is_string());
    let emails = stack.wait_for_emails(&recipient, "opt").await;
    assert!(!emails.is_empty());
    let csv = team
        .admin
        .request(reqwest::Method::GET, &format!("{}/opt-outs", team.path()))
        .header("accept", "text/csv");
    let csv = product_tests::client::read("GET opt-outs".into(), csv).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.body.lines().count(), 3, "{}", csv.body);
}

/// Product 7: a user opts a contact out and in. START does not revoke an opt-out by a user.
#[tokio::test]
async fn a_user_opts_a_contact_out_and_in() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "By hand", "amelia").await);
    let (inbox, phone) = (team.create_inbox("By hand").await, Phone::new());
    team.register(&carrier).await;
    let contacts = format!("{}/contacts", team.path());
    let created = team
        .admin
        .post(&contacts, json!({ "firstName": "Ola", "mobileNumber": phone.number() }))
        .await
        .expect(201);
    let opt_out = format!("{contacts}/{}/opt-out", created["contactId"].as_str().unwrap());
    assert_eq!(team.admin.put(&opt_out, Value::Null).await.expect(200)["optedOut"], true);
    team.admin.put(&opt_out, Value::Null).await.expect(200);
    carrier.send_inbound(&phone, &inbox.number, "START").await;
    let compose =
        json!({ "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    team.admin.post("/v1/messages", compose.clone()).await.problem(409, "opted_out");
    let twin = json!({ "firstName": "Ola's twin", "mobileNumber": phone.number() });
    let twin = team.admin.post(&contacts, twin).await.expect(201);
    assert_eq!(twin["optedOut"], true, "an opt-out belongs to the number");
    let number = json!({ "mobileNumber": Phone::new().number() });
    let moved = format!("{contacts}/{}", twin["contactId"].as_str().unwrap());
    let moved = team.admin.patch(&moved, number).await.expect(200);
    assert_eq!(moved["optedOut"], true, "what a user said goes along to the new number");
    assert_eq!(team.admin.delete(&opt_out).await.expect(200)["optedOut"], false);
    team.admin.send("/v1/messages", compose).await.expect(202);
    let ledger = team.admin.get(&format!("{}/opt-outs", team.path())).await.expect(200);
    let users: Vec<_> =
        ledger["items"].as_array().unwrap().iter().map(|line| line["userId"].clone()).collect();
    assert_eq!(users, ["amelia", "amelia", "amelia"]);
    stack.user("dev").put(&opt_out, Value::Null).await.problem(404, "not_found");
}

/// Product 7: STOP to a personal inbox applies to all personal inboxes of the organization and to no shared
/// inbox.
#[tokio::test]
async fn stop_to_a_personal_inbox_applies_to_all_personal_inboxes() {
    let stack = Stack::open();
    let (carrier, phone) = (stack.carrier(), Phone::new());
    carrier.send_inbound(&phone, &stack.inbox("BEN").phone_number, "STOP").await;
    let to = json!({ "phoneNumber": phone.number() });
    for user in ["ben", "carla"] {
        let text = json!({ "from": { "apiCode": user.to_uppercase() }, "to": to, "text": "Hi" });
        stack.user(user).post("/v1/messages", text).await.problem(409, "opted_out");
    }
    let shared = json!({ "from": { "inboxId": stack.front_desk_inbox().inbox_id }, "to": to, "text": "Hi" });
    stack.user("ben").send("/v1/messages", shared).await.expect(202);
}

/// Product 7: a refusal by the carrier is recorded as an opt-out with the source `carrier`.
#[tokio::test]
async fn a_refusal_by_the_carrier_is_recorded_as_an_opt_out() {
    let stack = Stack::open();
    let (carrier, amelia) = (stack.carrier(), stack.user("amelia"));
    let conversation = stack.new_conversation("Hello").await;
    carrier.start_fault("refuse:21610", &conversation.phone).await;
    let accepted = amelia.lock_and_reply(&conversation, "Hello back").await.expect(202);
    amelia.wait_for_message(accepted["messageId"].as_str().unwrap(), "failed").await;
    eventually("the contact is opted out", WAIT_TIMEOUT, async || {
        (conversation.get_as(&amelia).await["contact"]["optedOut"] == true).then_some(())
    })
    .await;
    let token = conversation.acquire_lock(&amelia).await;
    amelia
        .post(&conversation.messages(), json!({ "text": "Again", "lockToken": token }))
        .await
        .problem(409, "opted_out");
}

/// Product 7: the carrier accepts a message to a contact who opted out only at the carrier, and reports 21610
/// later.
#[tokio::test]
async fn an_opt_out_that_only_the_carrier_knows_is_recorded_from_its_status_callback() {
    let stack = Stack::open();
    let (carrier, amelia) = (stack.carrier(), stack.user("amelia"));
    let conversation = stack.new_conversation("Hello").await;
    carrier.opt_out(&conversation.phone, &stack.front_desk_inbox().phone_number).await;
    let accepted = amelia.lock_and_reply(&conversation, "Hello back").await.expect(202);
    let message = amelia.wait_for_message(accepted["messageId"].as_str().unwrap(), "failed").await;
    let states = message["states"].as_array().unwrap();
    assert!(states.iter().any(|state| state["code"] == "21610"), "{message}");
    assert_eq!(conversation.get_as(&amelia).await["contact"]["optedOut"], true);
    let token = conversation.acquire_lock(&amelia).await;
    let again = json!({ "text": "Again", "lockToken": token });
    amelia.post(&conversation.messages(), again).await.problem(409, "opted_out");
}

/// Product 7: "please stop texting me" does not opt out but creates a review. A member of the inbox decides
/// it once.
#[tokio::test]
async fn an_opt_out_request_without_a_keyword_is_reviewed() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Judges", "amelia").await);
    let (inbox, phone, other) = (team.create_inbox("Judged").await, Phone::new(), Phone::new());
    team.register(&carrier).await;
    let reviews = format!("{}/opt-out-reviews", inbox.path());
    let waiting = async || team.admin.get(&reviews).await.expect(200)["items"].as_array().unwrap().clone();
    carrier.send_inbound(&phone, &inbox.number, "Please stop texting me!").await;
    carrier.send_inbound(&other, &inbox.number, "can u stop sending these messages").await;
    carrier.send_inbound(&other, &inbox.number, "I'll stop by tomorrow").await;
    let [newer, older] = &waiting().await[..] else { panic!("expected two reviews") };
    assert_eq!(older["text"], "Please stop texting me!");
    assert_eq!(older["contact"]["phoneNumber"], phone.number());
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(older["conversationId"], conversation.id);
    assert_eq!(older["messageId"], conversation.history(&team.admin).await[0]["messageId"]);
    assert_eq!(
        conversation.get_as(&team.admin).await["contact"]["optedOut"],
        false,
        "a review is not an opt-out"
    );

    let page = team.admin.get(&format!("{reviews}?limit=1")).await.expect(200);
    assert_eq!(page["items"][0], *newer);
    let cursor = page["nextCursor"].as_str().unwrap();
    let page = team.admin.get(&format!("{reviews}?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(page["items"][0], *older);

    let review = format!("{reviews}/{}", older["reviewId"].as_str().unwrap());
    let (out, nothing) = (json!({ "decision": "opted_out" }), json!({ "decision": "dismissed" }));
    for outsider in ["olivia", "nora", "zoe"] {
        let outsider = stack.user(outsider); // even the owner and other admins, who are not members
        outsider.get(&reviews).await.problem(404, "not_found");
        outsider.put(&review, out.clone()).await.problem(404, "not_found");
    }
    let decided = team.admin.put(&review, out.clone()).await.expect(200);
    assert_eq!(decided["decided"]["decision"], "opted_out");
    assert_eq!(decided["decided"]["by"]["userId"], "amelia");
    assert_eq!(decided["contact"]["optedOut"], true);
    assert_eq!(team.admin.put(&review, out.clone()).await.expect(200), decided);
    team.admin.put(&review, nothing.clone()).await.problem(409, "already_decided");
    let compose =
        json!({ "from": { "inboxId": inbox.id }, "to": { "phoneNumber": phone.number() }, "text": "Hi" });
    team.admin.post("/v1/messages", compose).await.problem(409, "opted_out");
    let ledger = team.admin.get(&format!("{}/opt-outs", team.path())).await.expect(200);
    assert_eq!(ledger["items"][0]["source"], "user");
    assert_eq!(ledger["items"][0]["messageId"], older["messageId"]);

    let other_review = format!("{reviews}/{}", newer["reviewId"].as_str().unwrap());
    let decided = team.admin.put(&other_review, nothing).await.expect(200);
    assert_eq!(decided["contact"]["optedOut"], false);
    team.admin.put(&other_review, out).await.problem(409, "already_decided");
    assert!(waiting().await.is_empty());
}

/// Creates a registered team with an inbox, as the owner of an organization.
pub(crate) async fn registered_inbox(stack: &Stack, owner: &Client, name: &str) -> SharedInbox {
    let created = owner.post("/v1/teams", json!({ "name": name })).await.expect(201);
    let id = created["teamId"].as_str().expect("an id").to_owned();
    let team = TestTeam { id, admin: owner.clone() };
    let inbox = team.create_inbox(name).await;
    team.register(&stack.carrier()).await;
    inbox
}

/// Product 7: the owner decides whether a STOP to a shared inbox binds its team or the whole organization.
/// The journey uses the second organization, in which no other journey opts out.
#[tokio::test]
async fn the_owner_decides_whether_a_stop_binds_the_team_or_the_organization() {
    let stack = Stack::open();
    let (carrier, zoe) = (stack.carrier(), stack.user("zoe"));
    let one = registered_inbox(&stack, &zoe, "One scope").await;
    let two = registered_inbox(&stack, &zoe, "Other scope").await;
    let set_scope = async |scope: &str| {
        let organization = zoe.patch("/v1/organization", json!({ "optOutScope": scope })).await.expect(200);
        assert_eq!(organization["optOutScope"], scope);
    };
    let compose = async |inbox: &SharedInbox, phone: &Phone| {
        let to = json!({ "phoneNumber": phone.number() });
        zoe.send("/v1/messages", json!({ "from": { "inboxId": inbox.id }, "to": to, "text": "Hi" })).await
    };
    let (first, second) = (Phone::new(), Phone::new());
    carrier.send_inbound(&first, &one.number, "STOP").await;
    compose(&one, &first).await.problem(409, "opted_out");
    compose(&two, &first).await.expect(202);

    set_scope("organization").await;
    carrier.send_inbound(&second, &one.number, "STOP").await;
    for inbox in [&one, &two] {
        compose(inbox, &second).await.problem(409, "opted_out");
    }
    carrier.send_inbound(&second, &one.number, "START").await;
    for inbox in [&one, &two] {
        compose(inbox, &second).await.expect(202);
    }
    compose(&one, &first).await.problem(409, "opted_out");
    set_scope("team").await;
}
