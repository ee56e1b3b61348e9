//! Creating a shared inbox step by step, and failures during its creation.

use product_tests::{Office, Phone, Shared, Stack};
use serde_json::{Value, json};

/// ◆ product 2: creation is the admins' alone.
#[tokio::test]
async fn only_admins_create_inboxes() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Admins alone", "amelia").await;
    office.employs("erin").await;
    let wish = office.wish("Not for everybody").await;
    let (member, outsider) = (stack.user("erin"), stack.user("dev"));
    member.post(&office.inboxes(), wish.clone()).await.problem(403, "admin_required");
    member.get("/v1/inbox-wizard").await.problem(403, "admin_required");
    member.get("/v1/numbers/available?areaCode=628").await.problem(403, "admin_required");
    outsider.post(&office.inboxes(), wish.clone()).await.problem(404, "not_found");
    stack.user("zoe").post(&office.inboxes(), wish.clone()).await.problem(404, "not_found");
    let made = office.creates_as(&wish).await;
    for somebody in [&member, &outsider] {
        somebody.get(&made.path()).await.problem(404, "not_found");
        somebody.patch(&made.path(), json!({ "name": "Mine" })).await.problem(404, "not_found");
        somebody.delete(&made.path()).await.problem(404, "not_found");
    }
}

/// ◆ product 2: name, API code, team, color; a number by area code and exchange; voice forwarding; confirm.
/// The API code is generated and editable, and the team is preset where there is only one.
#[tokio::test]
async fn an_inbox_is_created_step_by_step() {
    let stack = Stack::open();
    let adam = stack.user("adam"); // an admin of one team alone
    let wizard = adam.get("/v1/inbox-wizard?name=Front%20desk%20two").await.expect(200);
    assert_eq!((&wizard["teamId"], &wizard["apiCode"]), (&json!("team_frontdesk"), &json!("front-desk-two")));
    assert_eq!(wizard["teams"][0]["membersOffered"], true, "the team is registered");
    let nothing = adam.get("/v1/inbox-wizard").await.expect(200);
    assert_eq!(nothing["apiCode"], Value::Null, "there is no code without a name");

    let office = Office::open(&stack, "Step by step", "carla").await;
    let wizard = stack.user("olivia").get("/v1/inbox-wizard").await.expect(200);
    assert_eq!(wizard["teamId"], Value::Null, "an owner of several teams chooses");
    let carla = &office.admin;
    let mine = carla.get("/v1/inbox-wizard").await.expect(200);
    let offered = mine["teams"].as_array().expect("teams").iter();
    let offered: Vec<_> = offered.filter(|team| team["teamId"] == office.team).collect();
    assert_eq!(offered[0]["membersOffered"], false, "not before the registration");
    assert!(offered[0]["notice"].as_str().expect("a notice").contains("Messages cannot be sent"));

    let found = office.offers("areaCode=628&prefix=299&limit=3").await;
    let numbers = found["items"].as_array().expect("numbers");
    assert_eq!(numbers.len(), 3);
    assert!(
        numbers
            .iter()
            .all(|number| number["phoneNumber"].as_str().is_some_and(|n| n.starts_with("+1628299")))
    );
    let by_area = office.offers("areaCode=628").await;
    assert_eq!(by_area["items"].as_array().map(Vec::len), Some(25));
    carla.get("/v1/numbers/available").await.points_at("?areaCode");
    carla.get("/v1/numbers/available?areaCode=12").await.problem(422, "invalid_fields");

    let wish = json!({
        "name": "Step by step", "apiCode": format!("steps-{}", office.team), "color": "#AA5500",
        "phoneNumber": office.free_number().await, "voiceForwardingNumber": "(202) 555-0188",
    });
    let dry = format!("{}?dryRun=true", office.inboxes());
    let before = carla.post(&dry, wish.clone()).await.expect(200);
    assert!(
        before["notice"].as_str().expect("a notice").contains("cannot be sent"),
        "told before confirming"
    );
    carla
        .get(&format!("/v1/inboxes/{}", before["inboxId"].as_str().unwrap()))
        .await
        .problem(404, "not_found");
    let made = office.creates_as(&wish).await.answer;
    for (field, value) in [
        ("name", "Step by step"),
        ("color", "#aa5500"),
        ("voiceForwardingNumber", "+12025550188"),
        ("apiCode", wish["apiCode"].as_str().unwrap()),
        ("phoneNumber", wish["phoneNumber"].as_str().unwrap()),
        ("teamId", &office.team),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
}

/// ◆ product 2: name, color and number are required; every field that makes no sense is named.
#[tokio::test]
async fn every_field_is_checked() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Checked", "amelia").await;
    let wish = office.wish("Checked").await;
    for missing in ["name", "color", "phoneNumber"] {
        let mut without = wish.clone();
        without.as_object_mut().unwrap().remove(missing);
        office.admin.post(&office.inboxes(), without).await.points_at(&format!("/{missing}"));
    }
    let bad = json!({
        "name": " ", "apiCode": "not a code", "color": "blue", "phoneNumber": "12", "voiceForwardingNumber": "+1202",
    });
    let problem = office.admin.post(&office.inboxes(), bad).await.problem(422, "invalid_fields");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/name", "/color", "/apiCode", "/phoneNumber", "/voiceForwardingNumber"]);
    for ours in [stack.desk().phone_number.clone(), wish["phoneNumber"].as_str().unwrap().to_owned()] {
        let mut circle = wish.clone();
        circle["voiceForwardingNumber"] = json!(ours);
        let problem = office.admin.post(&office.inboxes(), circle).await.problem(422, "invalid_fields");
        assert_eq!(problem["errors"][0]["pointer"], "/voiceForwardingNumber");
    }
}

/// Product 2: an API code is unique in the organization, also for two admins at one instant.
#[tokio::test]
async fn of_two_admins_with_one_api_code_one_wins() {
    let stack = Stack::open();
    let (here, there) =
        (Office::open(&stack, "Here", "amelia").await, Office::open(&stack, "There", "ben").await);
    let code = format!("Same-{}", here.team);
    let (mut one, mut other) = (here.wish("Here").await, there.wish("There").await);
    one["apiCode"] = json!(code);
    other["apiCode"] = json!(code.to_lowercase());
    let (first, second) = (here.inboxes(), there.inboxes());
    let (one, other) = futures_util::join!(here.admin.post(&first, one), there.admin.post(&second, other));
    let (won, lost) = if one.status == 201 { (one, other) } else { (other, one) };
    won.expect(201);
    assert_eq!(lost.problem(409, "api_code_taken")["errors"][0]["pointer"], "/apiCode");
}

/// ◆ product 2: the first shared inbox of a team starts its registration and says so; later ones inherit it.
#[tokio::test]
async fn the_first_shared_inbox_starts_the_registration_and_says_so() {
    let stack = Stack::open();
    let office = Office::open(&stack, "First", "amelia").await;
    assert_eq!(office.registration_now().await["status"], "not_started");
    let first = office.creates("First").await;
    assert_eq!(first.answer["registration"]["status"], "pending");
    assert!(first.answer["notice"].as_str().expect("a notice").contains("cannot be sent"));
    let begun = office.registration_now().await;
    assert_eq!((&begun["status"], &begun["submitted"]), (&json!("pending"), &json!(false)));
    assert_eq!(
        (&begun["timeline"][0]["source"], &begun["timeline"][0]["userId"]),
        (&json!("user"), &json!("amelia"))
    );
    let second = office.creates("Second").await;
    assert_eq!(second.answer["registration"]["status"], "pending");
    assert_eq!(office.registration_now().await["timeline"], begun["timeline"], "it is begun once");
    office.is_registered(&stack.carrier()).await;
    let third = office.creates("Third").await;
    assert_eq!(
        (&third.answer["registration"]["status"], &third.answer["notice"]),
        (&json!("approved"), &Value::Null)
    );
    let service = office.messaging_service().await;
    let numbers = stack.carrier().numbers_of(&service).await;
    for inbox in [&first, &second, &third] {
        assert!(numbers.contains(&inbox.number), "every number joins the campaign");
    }
}

/// ◆ product 2: members can be chosen only when the team is registered.
#[tokio::test]
async fn members_can_be_added_once_the_team_is_registered() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Members", "amelia").await;
    office.employs("ben").await;
    office.employs("carla").await;
    let mut wish = office.wish("With members").await;
    wish["memberIds"] = json!(["ben"]);
    let refused = office.admin.post(&office.inboxes(), wish.clone()).await;
    assert_eq!(refused.problem(409, "registration_incomplete")["registration"], "not_started");
    let waiting = office.creates("Waiting").await;
    office.admin.put(&waiting.member("ben"), json!({})).await.problem(409, "registration_incomplete");
    office.is_registered(&stack.carrier()).await;
    office.admin.put(&waiting.member("ben"), json!({})).await.expect(200);
    wish["memberIds"] = json!(["ben", "carla"]);
    let made = office.creates_as(&wish).await;
    let members = office.admin.get(&format!("{}/members", made.path())).await.expect(200);
    let members: Vec<_> =
        members["items"].as_array().unwrap().iter().map(|one| one["userId"].clone()).collect();
    assert_eq!(members, ["amelia", "ben", "carla"]);
    for user in ["ben", "carla"] {
        assert!(stack.user(user).accounts().await.contains(&made.id));
    }
    office.admin.put(&made.member("dev"), json!({})).await.problem(404, "not_found");
    wish["memberIds"] = json!(["dev"]);
    wish["phoneNumber"] = json!(office.free_number().await);
    let refused = office.admin.post(&office.inboxes(), wish).await.problem(422, "invalid_fields");
    assert_eq!(refused["errors"][0]["pointer"], "/memberIds/0");
}

/// Bad input: a number that is gone between search and purchase.
#[tokio::test]
async fn an_unavailable_number_is_refused_with_alternatives() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Gone", "amelia").await;
    let mut wish = office.wish("Gone").await;
    wish["apiCode"] = json!(format!("gone-{}", office.team));
    let number = wish["phoneNumber"].as_str().unwrap().to_owned();
    stack.carrier().sells_to_somebody_else(&number).await;
    let refused = office.admin.post(&office.inboxes(), wish.clone()).await.problem(409, "number_unavailable");
    let suggestions = refused["suggestions"].as_array().expect("suggestions");
    assert!(!suggestions.is_empty() && suggestions.iter().all(|other| other["phoneNumber"] != number));
    assert_eq!(office.registration_now().await["status"], "not_started", "nothing is half made");
    wish["phoneNumber"] = suggestions[0]["phoneNumber"].clone();
    office.creates_as(&wish).await; // with the same API code
}

/// Product 2: retry with the same idempotency key finishes what broke off after the purchase, and buys
/// nothing twice.
#[tokio::test]
async fn an_interrupted_creation_is_completed_by_a_retry_with_the_same_key() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Broken off", "amelia").await);
    let wish = office.wish("Broken off").await;
    let number = wish["phoneNumber"].as_str().unwrap().to_owned();
    let key = format!("create-{}", office.team);
    // The purchase is made and its answer lost; then the carrier does not even tell what it has sold.
    let crisis = carrier.crisis(&[("error-after", "purchases", "1"), ("error-before", "numbers", "1")]).await;
    let broken = office.admin.post_once(&office.inboxes(), &key, &wish).await;
    carrier.recovers(&crisis).await;
    broken.problem(503, "carrier_unavailable");
    assert_eq!(carrier.owns(&number).await.len(), 1, "it was bought");
    let listed = office.admin.get(&office.inboxes()).await.expect(200);
    assert_eq!(listed["items"], json!([]), "nothing is to be seen of it");
    let made = office.admin.post_once(&office.inboxes(), &key, &wish).await.expect(201);
    assert_eq!(carrier.owns(&number).await.len(), 1);
    let again = office.admin.post_once(&office.inboxes(), &key, &wish).await.expect(201);
    assert_eq!(made["inboxId"], again["inboxId"]);
    drop(crisis);
    let other = office.wish("Another").await;
    office.admin.post_once(&office.inboxes(), &key, &other).await.problem(422, "idempotency_key_reused");
}

/// Bad input: carrier down, and nothing half made.
#[tokio::test]
async fn a_carrier_outage_leaves_no_partial_inbox() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Down", "amelia").await);
    let mut wish = office.wish("Down").await;
    wish["apiCode"] = json!(format!("down-{}", office.team));
    let crisis = carrier.crisis(&[("error-before", "purchases", "1")]).await;
    let refused = office.admin.post(&office.inboxes(), wish.clone()).await;
    carrier.recovers(&crisis).await;
    refused.problem(503, "carrier_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert!(carrier.owns(wish["phoneNumber"].as_str().unwrap()).await.is_empty());
    drop(crisis);
    office.creates_as(&wish).await; // same number, same API code
}

/// ◆ product 2: color and name are shown to members alone; admins edit them all the same.
#[tokio::test]
async fn name_and_color_are_shown_only_to_members() {
    let stack = Stack::open();
    let office = Office::open(&stack, "Colors", "amelia").await;
    let made = office.creates("Blue").await;
    let owner = stack.user("olivia"); // manages every team, and is no member here
    let seen = owner.get(&made.path()).await.expect(200);
    assert_eq!((&seen["name"], &seen["color"], &seen["member"]), (&Value::Null, &Value::Null, &json!(false)));
    let edited = json!({ "name": "Green", "color": "#00ff00", "apiCode": format!("green-{}", office.team) });
    owner.patch(&made.path(), edited).await.expect(200);
    let seen = office.admin.get(&made.path()).await.expect(200);
    assert_eq!((&seen["name"], &seen["color"]), (&json!("Green"), &json!("#00ff00")));
    owner.patch(&made.path(), json!({ "color": "green" })).await.problem(422, "invalid_fields");
    let taken = json!({ "apiCode": stack.desk().api_code.to_lowercase() });
    owner.patch(&made.path(), taken).await.problem(409, "api_code_taken");
}

/// Product 2: retiring stops sends, keeps history readable, and gives the number back if asked.
#[tokio::test]
async fn a_retired_inbox_sends_nothing_and_stays_readable() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Retired", "amelia").await);
    let inbox = office.creates("Retired").await;
    office.is_registered(&carrier).await;
    let phone = Phone::new();
    carrier.text_in(&phone, &inbox.number, "Are you still there?").await;
    let thread = stack.thread_in(&office.admin, &inbox.id, "inbox", &phone).await;
    office.admin.delete(&inbox.path()).await.expect(204);
    assert!(!office.admin.accounts().await.contains(&inbox.id));
    let token = thread.acquired_by(&office.admin).await;
    let reply = json!({ "text": "No", "lockToken": token });
    office.admin.post(&thread.messages(), reply).await.problem(409, "inbox_retired");
    assert_eq!(thread.texts(&office.admin).await, ["Are you still there?"]);
    assert_eq!(office.admin.get(&inbox.path()).await.expect(200)["retired"], true);
    carrier.text_in(&phone, &inbox.number, "Hello?").await; // the number is kept
    office.retire_and_release(&inbox).await;
    assert!(carrier.owns(&inbox.number).await.is_empty(), "the number went back");
    // The carrier delivers nothing to a number that is gone. A webhook that was under way finds no inbox.
    let late = [
        ("MessageSid", "SM77777777777777777777777777777777"),
        ("AccountSid", carrier.account()),
        ("From", phone.number()),
        ("To", &inbox.number),
        ("Body", "Hello??"),
    ];
    assert_eq!(carrier.webhook("/webhooks/twilio/messages", &late).await.status, 404);
    assert_eq!(thread.texts(&office.admin).await, ["Are you still there?", "Hello?"]);
    office.admin.patch(&inbox.path(), json!({ "name": "Back" })).await.problem(409, "inbox_retired");
}

/// ◆ product 2: a call to the inbox's number rings the forwarding number; with none set, an announcement.
#[tokio::test]
async fn a_call_is_forwarded_or_answered_with_an_announcement() {
    let stack = Stack::open();
    let (carrier, office) = (stack.carrier(), Office::open(&stack, "Calls", "amelia").await);
    let inbox = office.creates("Calls").await;
    let announced = carrier.calls("+12025550123", &inbox.number).await;
    assert!(announced.contains("<Say>") && announced.contains("<Hangup/>"), "{announced}");
    office.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": "+12025550188" })).await.expect(200);
    let forwarded = carrier.calls("anonymous", &inbox.number).await;
    assert!(forwarded.contains(&format!("callerId=\"{}\"", inbox.number)), "{forwarded}");
    assert!(forwarded.contains("<Number>+12025550188</Number>"), "{forwarded}");
    let circle = json!({ "voiceForwardingNumber": stack.desk().phone_number });
    let refused = office.admin.patch(&inbox.path(), circle).await.problem(422, "invalid_fields");
    assert_eq!(refused["errors"][0]["pointer"], "/voiceForwardingNumber");
    office.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": null })).await.expect(200);
    assert!(carrier.calls("+12025550123", &inbox.number).await.contains("<Say>"));
    let unknown = [
        ("CallSid", "CA77777777777777777777777777777777"),
        ("AccountSid", carrier.account()),
        ("From", "+12025550123"),
        ("To", "+16282990000"),
    ];
    let rejected = carrier.webhook("/webhooks/twilio/voice", &unknown).await;
    assert!(rejected.status == 200 && rejected.body.contains("<Reject"), "{rejected}");

    // A number that becomes ours after it was set as forwarding number rings nobody in a circle.
    let mut later = office.wish("Later ours").await;
    let number = later["phoneNumber"].clone();
    office.admin.patch(&inbox.path(), json!({ "voiceForwardingNumber": number })).await.expect(200);
    later["apiCode"] = json!(format!("later-{}", office.team));
    let ours: Shared = office.creates_as(&later).await;
    assert_eq!(json!(ours.number), number);
    assert!(carrier.calls("+12025550123", &inbox.number).await.contains("<Say>"));
}
