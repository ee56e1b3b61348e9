//! Creation of a shared inbox, step by step, and failures during its creation.

use product_tests::{Phone, SharedInbox, Stack, TestTeam};
use serde_json::{Value, json};

/// ◆ product 2: only admins create inboxes.
#[tokio::test]
async fn only_admins_create_inboxes() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Admins alone", "amelia").await;
    team.add_member("erin").await;
    let inbox_request = team.inbox_request("Not for everybody").await;
    let (member, outsider) = (stack.user("erin"), stack.user("dev"));
    member.post(&team.inboxes(), inbox_request.clone()).await.problem(403, "admin_required");
    member.get("/v1/inbox-wizard").await.problem(403, "admin_required");
    member.get("/v1/numbers/available?areaCode=628").await.problem(403, "admin_required");
    outsider.post(&team.inboxes(), inbox_request.clone()).await.problem(404, "not_found");
    stack.user("zoe").post(&team.inboxes(), inbox_request.clone()).await.problem(404, "not_found");
    let created = team.create_inbox_from(&inbox_request).await;
    for user in [&member, &outsider] {
        user.get(&created.path()).await.problem(404, "not_found");
        user.patch(&created.path(), json!({ "name": "Mine" })).await.problem(404, "not_found");
        user.delete(&created.path()).await.problem(404, "not_found");
    }
}

/// ◆ product 2: the steps are name, API code, team and color, a number by area code and exchange, voice
/// forwarding, and confirmation. The API code is generated and editable. The team is preset if there is only
/// one.
#[tokio::test]
async fn an_inbox_is_created_step_by_step() {
    let stack = Stack::open();
    let adam = stack.user("adam"); // an admin of one team
    let wizard = adam.get("/v1/inbox-wizard?name=Front%20desk%20two").await.expect(200);
    assert_eq!(
        (&wizard["teamId"], &wizard["apiCode"]),
        (&json!(stack.front_desk_inbox().team_id), &json!("front-desk-two"))
    );
    assert_eq!(wizard["teams"][0]["membersOffered"], true, "the team is registered");
    let nothing = adam.get("/v1/inbox-wizard").await.expect(200);
    assert_eq!(nothing["apiCode"], Value::Null, "no API code without a name");

    let team = TestTeam::create(&stack, "Step by step", "carla").await;
    let wizard = stack.user("olivia").get("/v1/inbox-wizard").await.expect(200);
    assert_eq!(wizard["teamId"], Value::Null, "a user who manages several teams chooses one");
    let carla = &team.admin;
    let mine = carla.get("/v1/inbox-wizard").await.expect(200);
    let offered = mine["teams"].as_array().expect("teams").iter();
    let offered: Vec<_> = offered.filter(|offer| offer["teamId"] == team.id).collect();
    assert_eq!(offered[0]["membersOffered"], false, "not before the registration");
    assert!(offered[0]["notice"].as_str().expect("a notice").contains("Messages cannot be sent"));

    let found = team.available_numbers("areaCode=628&prefix=299&limit=3").await;
    let numbers = found["items"].as_array().expect("numbers");
    assert_eq!(numbers.len(), 3);
    assert!(
        numbers
            .iter()
            .all(|number| number["phoneNumber"].as_str().is_some_and(|n| n.starts_with("+1628299")))
    );
    let by_area = team.available_numbers("areaCode=628").await;
    assert_eq!(by_area["items"].as_array().map(Vec::len), Some(25));
    carla.get("/v1/numbers/available").await.expect_field_error("?areaCode");
    carla.get("/v1/numbers/available?areaCode=12").await.problem(422, "invalid_fields");

    let inbox_request = json!({
        "name": "Step by step", "apiCode": format!("steps-{}", team.id), "color": "#AA5500",
        "phoneNumber": team.free_number().await, "voiceForwardingNumber": "(202) 555-0188",
    });
    let dry = format!("{}?dryRun=true", team.inboxes());
    let before = carla.post(&dry, inbox_request.clone()).await.expect(200);
    assert!(
        before["notice"].as_str().expect("a notice").contains("cannot be sent"),
        "the notice is shown before the confirmation"
    );
    carla
        .get(&format!("/v1/inboxes/{}", before["inboxId"].as_str().unwrap()))
        .await
        .problem(404, "not_found");
    let created = team.create_inbox_from(&inbox_request).await.response;
    for (field, value) in [
        ("name", "Step by step"),
        ("color", "#aa5500"),
        ("voiceForwardingNumber", "+12025550188"),
        ("apiCode", inbox_request["apiCode"].as_str().unwrap()),
        ("phoneNumber", inbox_request["phoneNumber"].as_str().unwrap()),
        ("teamId", &team.id),
    ] {
        assert_eq!(created[field], value, "{field}");
    }
}

/// ◆ product 2: name, color and number are required. The error lists every invalid field.
#[tokio::test]
async fn every_field_is_checked() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Checked", "amelia").await;
    let inbox_request = team.inbox_request("Checked").await;
    for missing in ["name", "color", "phoneNumber"] {
        let mut without = inbox_request.clone();
        without.as_object_mut().unwrap().remove(missing);
        team.admin.post(&team.inboxes(), without).await.expect_field_error(&format!("/{missing}"));
    }
    let bad = json!({
        "name": " ", "apiCode": "not a code", "color": "blue", "phoneNumber": "12", "voiceForwardingNumber": "+1202",
    });
    let problem = team.admin.post(&team.inboxes(), bad).await.problem(422, "invalid_fields");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/color", "/apiCode", "/phoneNumber", "/voiceForwardingNumber"]);
    for ours in [
        stack.front_desk_inbox().phone_number.clone(),
        inbox_request["phoneNumber"].as_str().unwrap().to_owned(),
    ] {
        let mut circle = inbox_request.clone();
        circle["voiceForwardingNumber"] = json!(ours);
        let problem = team.admin.post(&team.inboxes(), circle).await.problem(422, "invalid_fields");
        assert_eq!(problem["errors"][0]["pointer"], "/voiceForwardingNumber");
    }
}

/// Product 2: an API code is unique in the organization, even if two admins choose it at the same time.
#[tokio::test]
async fn of_two_admins_with_one_api_code_one_wins() {
    let stack = Stack::open();
    let (here, there) =
        (TestTeam::create(&stack, "Here", "amelia").await, TestTeam::create(&stack, "There", "ben").await);
    let code = format!("Same-{}", here.id);
    let (mut one, mut other) = (here.inbox_request("Here").await, there.inbox_request("There").await);
    one["apiCode"] = json!(code);
    other["apiCode"] = json!(code.to_lowercase());
    let (first, second) = (here.inboxes(), there.inboxes());
    let (one, other) = futures_util::join!(here.admin.post(&first, one), there.admin.post(&second, other));
    let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
    won.expect(201);
    assert_eq!(lost.problem(409, "api_code_taken")["errors"][0]["pointer"], "/apiCode");
}

/// ◆ product 2: the first shared inbox of a team starts its registration, and the response says so. Later
/// inboxes use the same registration.
#[tokio::test]
async fn the_first_shared_inbox_starts_the_registration_and_says_so() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "First", "amelia").await;
    assert_eq!(team.get_registration().await["status"], "not_started");
    let first = team.create_inbox("First").await;
    assert_eq!(first.response["registration"]["status"], "pending");
    assert!(first.response["notice"].as_str().expect("a notice").contains("cannot be sent"));
    let begun = team.get_registration().await;
    assert_eq!((&begun["status"], &begun["submitted"]), (&json!("pending"), &json!(false)));
    assert_eq!(
        (&begun["timeline"][0]["source"], &begun["timeline"][0]["userId"]),
        (&json!("user"), &json!("amelia"))
    );
    let second = team.create_inbox("Second").await;
    assert_eq!(second.response["registration"]["status"], "pending");
    assert_eq!(team.get_registration().await["timeline"], begun["timeline"], "it is started once");
    team.register(&stack.carrier()).await;
    let third = team.create_inbox("Third").await;
    assert_eq!(
        (&third.response["registration"]["status"], &third.response["notice"]),
        (&json!("approved"), &Value::Null)
    );
    let service = team.messaging_service().await;
    let numbers = stack.carrier().numbers_of(&service).await;
    for inbox in [&first, &second, &third] {
        assert!(numbers.contains(&inbox.number), "every number joins the campaign");
    }
}

/// Product 12: an admin creates a personal inbox for a member, who answers from it without a registration.
#[tokio::test]
async fn a_personal_inbox_is_created_by_an_admin_and_used_by_its_owner_at_once() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Personal", "carla").await;
    team.add_member("dev").await;
    let request =
        async || json!({ "kind": "personal", "ownerId": "dev", "phoneNumber": team.free_number().await });
    let created = team.admin.post(&team.inboxes(), request().await).await;
    let created = created.expect(201);
    assert_eq!(
        (&created["notice"], &created["registration"]["status"]),
        (&Value::Null, &json!("not_started"))
    );
    team.admin.post(&team.inboxes(), request().await).await.problem(409, "personal_inbox_exists");

    let (dev, phone) = (stack.user("dev"), Phone::new());
    let (id, number) =
        (created["inboxId"].as_str().expect("an id"), created["phoneNumber"].as_str().expect("a number"));
    team.admin.get(&format!("/v1/inboxes/{id}/conversations?folder=inbox")).await.problem(404, "not_found");
    stack.carrier().send_inbound(&phone, number, "Hello").await;
    let conversation = stack.find_conversation(&dev, id, "inbox", &phone).await;
    dev.send(&conversation.messages(), json!({ "text": "Hi" })).await.expect(202);
    assert_eq!(stack.carrier().texts_to(&phone).await, ["Hi"]);
}

/// ◆ product 2: members can be added only after the team is registered.
#[tokio::test]
async fn members_can_be_added_once_the_team_is_registered() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Members", "amelia").await;
    team.add_member("ben").await;
    team.add_member("carla").await;
    let mut inbox_request = team.inbox_request("With members").await;
    inbox_request["memberIds"] = json!(["ben"]);
    let refused = team.admin.post(&team.inboxes(), inbox_request.clone()).await;
    assert_eq!(refused.problem(409, "registration_incomplete")["registration"], "not_started");
    let waiting = team.create_inbox("Waiting").await;
    team.admin.put(&waiting.member("ben"), json!({})).await.problem(409, "registration_incomplete");
    team.register(&stack.carrier()).await;
    team.admin.put(&waiting.member("ben"), json!({})).await.expect(200);
    inbox_request["memberIds"] = json!(["ben", "carla"]);
    let created = team.create_inbox_from(&inbox_request).await;
    let members = team.admin.get(&format!("{}/members", created.path())).await.expect(200);
    let members: Vec<_> =
        members["items"].as_array().unwrap().iter().map(|one| one["userId"].clone()).collect();
    assert_eq!(members, ["amelia", "ben", "carla"]);
    for user in ["ben", "carla"] {
        assert!(stack.user(user).accounts().await.contains(&created.id));
    }
    team.admin.put(&created.member("dev"), json!({})).await.problem(404, "not_found");
    inbox_request["memberIds"] = json!(["dev"]);
    inbox_request["phoneNumber"] = json!(team.free_number().await);
    let refused = team.admin.post(&team.inboxes(), inbox_request).await.problem(422, "invalid_fields");
    assert_eq!(refused["errors"][0]["pointer"], "/memberIds/0");
}

/// Bad input: a number that was sold between search and purchase.
#[tokio::test]
async fn an_unavailable_number_is_refused_with_alternatives() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Gone", "amelia").await;
    let mut inbox_request = team.inbox_request("Gone").await;
    inbox_request["apiCode"] = json!(format!("gone-{}", team.id));
    let number = inbox_request["phoneNumber"].as_str().unwrap().to_owned();
    stack.carrier().sell_to_another_account(&number).await;
    let refused = team.try_create_inbox(&inbox_request).await.problem(409, "number_unavailable");
    let suggestions = refused["suggestions"].as_array().expect("suggestions");
    assert!(!suggestions.is_empty() && suggestions.iter().all(|other| other["phoneNumber"] != number));
    assert_eq!(team.get_registration().await["status"], "not_started", "no registration was started");
    inbox_request["phoneNumber"] = suggestions[0]["phoneNumber"].clone();
    team.create_inbox_from(&inbox_request).await; // with the same API code
}

/// Product 2: a retry with the same idempotency key completes a creation that failed after the purchase, and
/// buys no second number.
#[tokio::test]
async fn an_interrupted_creation_is_completed_by_a_retry_with_the_same_key() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Broken off", "amelia").await);
    let inbox_request = team.inbox_request("Broken off").await;
    let number = inbox_request["phoneNumber"].as_str().unwrap().to_owned();
    let key = format!("create-{}", team.id);
    // The purchase succeeds but its response is lost. Then the lookup of owned numbers fails.
    let faults = [("error-after", "purchases"), ("error-before", "numbers")];
    carrier.start_number_faults(&number, &faults).await;
    let broken = team.admin.post_once(&team.inboxes(), &key, &inbox_request).await;
    carrier.end_number_faults(&number).await;
    broken.problem(503, "carrier_unavailable");
    assert_eq!(carrier.owned_numbers(&number).await.len(), 1, "the number was bought");
    let listed = team.admin.get(&team.inboxes()).await.expect(200);
    assert_eq!(listed["items"], json!([]), "the incomplete inbox is not listed");
    let created = team.admin.post_once(&team.inboxes(), &key, &inbox_request).await.expect(201);
    assert_eq!(carrier.owned_numbers(&number).await.len(), 1);
    let again = team.admin.post_once(&team.inboxes(), &key, &inbox_request).await.expect(201);
    assert_eq!(created["inboxId"], again["inboxId"]);
    let other = team.inbox_request("Another").await;
    team.admin.post_once(&team.inboxes(), &key, &other).await.problem(422, "idempotency_key_reused");
}

/// Bad input: the carrier is unavailable. No partial inbox is left.
#[tokio::test]
async fn a_carrier_outage_leaves_no_partial_inbox() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Down", "amelia").await);
    let mut inbox_request = team.inbox_request("Down").await;
    inbox_request["apiCode"] = json!(format!("down-{}", team.id));
    let number = inbox_request["phoneNumber"].as_str().unwrap().to_owned();
    carrier.start_number_faults(&number, &[("error-before", "purchases")]).await;
    let refused = team.admin.post(&team.inboxes(), inbox_request.clone()).await;
    carrier.end_number_faults(&number).await;
    refused.problem(503, "carrier_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert!(carrier.owned_numbers(&number).await.is_empty());
    team.create_inbox_from(&inbox_request).await; // same number, same API code
}

/// ◆ product 2: only members see the color and the name. Admins can edit them.
#[tokio::test]
async fn name_and_color_are_shown_only_to_members() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Colors", "amelia").await;
    let created = team.create_inbox("Blue").await;
    let owner = stack.user("olivia"); // manages every team but is not a member
    let seen = owner.get(&created.path()).await.expect(200);
    assert_eq!((&seen["name"], &seen["color"], &seen["member"]), (&Value::Null, &Value::Null, &json!(false)));
    let edited = json!({ "name": "Green", "color": "#00ff00", "apiCode": format!("green-{}", team.id) });
    owner.patch(&created.path(), edited).await.expect(200);
    let seen = team.admin.get(&created.path()).await.expect(200);
    assert_eq!((&seen["name"], &seen["color"]), (&json!("Green"), &json!("#00ff00")));
    owner.patch(&created.path(), json!({ "color": "green" })).await.problem(422, "invalid_fields");
    let taken = json!({ "apiCode": stack.front_desk_inbox().api_code.to_lowercase() });
    owner.patch(&created.path(), taken).await.problem(409, "api_code_taken");
}

/// Product 2: retiring an inbox stops sends and keeps the history readable. It returns the number if
/// requested.
#[tokio::test]
async fn a_retired_inbox_sends_nothing_and_stays_readable() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Retired", "amelia").await);
    let inbox = team.create_inbox("Retired").await;
    team.register(&carrier).await;
    let phone = Phone::new();
    carrier.send_inbound(&phone, &inbox.number, "Are you still there?").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    team.admin.delete(&inbox.path()).await.expect(204);
    assert!(!team.admin.accounts().await.contains(&inbox.id));
    let token = conversation.acquire_lock(&team.admin).await;
    let reply = json!({ "text": "No", "lockToken": token });
    team.admin.post(&conversation.messages(), reply).await.problem(409, "inbox_retired");
    assert_eq!(conversation.texts(&team.admin).await, ["Are you still there?"]);
    assert_eq!(team.admin.get(&inbox.path()).await.expect(200)["retired"], true);
    carrier.send_inbound(&phone, &inbox.number, "Hello?").await; // the number is kept
    team.retire_and_release(&inbox).await;
    assert!(carrier.owned_numbers(&inbox.number).await.is_empty(), "the number was returned");
    // A late webhook for a returned number finds no inbox.
    let late = [
        ("MessageSid", "SM77777777777777777777777777777777"),
        ("AccountSid", carrier.account()),
        ("From", phone.number()),
        ("To", &inbox.number),
        ("Body", "Hello??"),
    ];
    assert_eq!(carrier.webhook("/webhooks/twilio/messages", &late).await.status, 404);
    assert_eq!(conversation.texts(&team.admin).await, ["Are you still there?", "Hello?"]);
    team.admin.patch(&inbox.path(), json!({ "name": "Back" })).await.problem(409, "inbox_retired");
}

/// ◆ product 2: a call to the inbox's number is forwarded. Without a forwarding number, the caller hears an
/// announcement.
#[tokio::test]
async fn a_call_is_forwarded_or_answered_with_an_announcement() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Calls", "amelia").await);
    let inbox = team.create_inbox("Calls").await;
    let announced = carrier.call("+12025550123", &inbox.number).await;
    assert!(announced.contains("<Say>") && announced.contains("<Hangup/>"), "{announced}");
    team.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": "+12025550188" })).await.expect(200);
    let forwarded = carrier.call("anonymous", &inbox.number).await;
    assert!(forwarded.contains(&format!("callerId=\"{}\"", inbox.number)), "{forwarded}");
    assert!(forwarded.contains("<Number>+12025550188</Number>"), "{forwarded}");
    let circle = json!({ "voiceForwardingNumber": stack.front_desk_inbox().phone_number });
    let refused = team.admin.patch(&inbox.path(), circle).await.problem(422, "invalid_fields");
    assert_eq!(refused["errors"][0]["pointer"], "/voiceForwardingNumber");
    team.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": null })).await.expect(200);
    assert!(carrier.call("+12025550123", &inbox.number).await.contains("<Say>"));
    let unknown = [
        ("CallSid", "CA77777777777777777777777777777777"),
        ("AccountSid", carrier.account()),
        ("From", "+12025550123"),
        ("To", "+16282990000"),
    ];
    let rejected = carrier.webhook("/webhooks/twilio/voice", &unknown).await;
    assert!(rejected.status == 200 && rejected.body.contains("<Reject"), "{rejected}");

    // If a forwarding number later becomes a number of the product, calls are not forwarded in a loop.
    let mut later = team.inbox_request("Later ours").await;
    let number = later["phoneNumber"].clone();
    team.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": number })).await.expect(200);
    later["apiCode"] = json!(format!("later-{}", team.id));
    let ours: SharedInbox = team.create_inbox_from(&later).await;
    assert_eq!(json!(ours.number), number);
    assert!(carrier.call("+12025550123", &inbox.number).await.contains("<Say>"));
}
