//! Contacts that users enter: created, found, changed and removed. Conversations show the changes.

use product_tests::{Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|contact| contact["contactId"].as_str().expect("an id").to_owned()).collect()
}

/// Product 8: users enter contacts and find them by ID, number or the beginning of a name.
#[tokio::test]
async fn a_contact_is_created_found_changed_and_removed() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Contacts", "amelia").await;
    team.add_member("ben").await;
    let (contacts, ben, phone) = (format!("{}/contacts", team.path()), stack.user("ben"), Phone::new());
    let wanted = json!({
        "externalId": "S-17", "firstName": "Zoltan", "lastName": "Quill", "mobileNumber": phone.national(),
        "assignedUserId": "amelia", "custom": { "Class": "4b" },
    });
    let created = ben.post_once(&contacts, "one", &wanted).await.expect(201);
    let id = created["contactId"].as_str().unwrap().to_owned();
    assert_eq!((&created["mobileNumber"], &created["optedOut"]), (&json!(phone.number()), &json!(false)));
    assert_eq!(ben.post_once(&contacts, "one", &wanted).await.expect(201)["contactId"], created["contactId"]);
    ben.post(&contacts, wanted.clone()).await.problem(409, "external_id_taken");
    for question in ["S-17", phone.number(), "zol", "QUILL", "quill%20zo", "zoltan%20q"] {
        let question = question.replace('+', "%2B");
        let found = ben.get(&format!("{contacts}?q={question}")).await.expect(200);
        assert_eq!(ids(&found), std::slice::from_ref(&id), "{question}");
    }
    assert!(ids(&ben.get(&format!("{contacts}?q=oltan")).await.expect(200)).is_empty());
    let one = format!("{contacts}/{id}");
    let changed = ben.patch(&one, json!({ "lastName": "Quince", "assignedUserId": null })).await.expect(200);
    assert_eq!((&changed["firstName"], &changed["lastName"]), (&json!("Zoltan"), &json!("Quince")));
    assert_eq!((&changed["assignedUserId"], &changed["custom"]), (&Value::Null, &json!({ "Class": "4b" })));
    assert!(ids(&ben.get(&format!("{contacts}?q=quill")).await.expect(200)).is_empty());
    assert_eq!(ids(&ben.get(&format!("{contacts}?q=quince")).await.expect(200)), std::slice::from_ref(&id));
    let bad = json!({ "firstName": "", "mobileNumber": "12", "assignedUserId": "dev", "externalId": "" });
    let problem = ben.post(&contacts, bad).await.problem(422, "invalid_fields");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 4);
    stack.user("dev").get(&contacts).await.problem(404, "not_found");
    stack.user("zoe").get(&one).await.problem(404, "not_found");
    ben.delete(&one).await.expect(204);
    ben.get(&one).await.problem(404, "not_found");
    assert!(ids(&ben.get(&format!("{contacts}?q=S-17")).await.expect(200)).is_empty());
}

/// Product 4: conversations are searched by name, contact id and number.
#[tokio::test]
async fn a_conversation_is_found_by_its_contact() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Search", "amelia").await);
    let inbox = team.create_inbox("Search").await;
    team.register(&carrier).await;
    let contacts = format!("{}/contacts", team.path());
    let (first, second, unknown) = (Phone::new(), Phone::new(), Phone::new());
    for (phone, name, id) in [(&first, "Quentin", "S-1"), (&second, "Quentina", "S-2")] {
        let wanted =
            json!({ "firstName": name, "lastName": "Fry", "externalId": id, "mobileNumber": phone.number() });
        team.admin.post(&contacts, wanted).await.expect(201);
        carrier.send_inbound(phone, &inbox.number, "Hello").await;
    }
    carrier.send_inbound(&unknown, &inbox.number, "Hello").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &second).await;
    team.admin.patch(&conversation.path(), json!({ "folder": "archived" })).await.expect(200);
    let found = async |query: String| {
        let query = query.replace('+', "%2B").replace(' ', "%20");
        let page = team.admin.get(&format!("{}/conversations?{query}", inbox.path())).await.expect(200);
        let items = page["items"].as_array().expect("items").iter();
        let mut numbers: Vec<_> =
            items.map(|one| one["contact"]["phoneNumber"].as_str().unwrap().to_owned()).collect();
        numbers.sort();
        numbers
    };
    let number = |phone: &Phone| phone.number().to_owned();
    let mut both = [number(&first), number(&second)];
    both.sort();
    assert_eq!(found("q=quent".into()).await, both);
    assert_eq!(found("q=fry quentina".into()).await, [number(&second)]);
    assert_eq!(found("q=quent&folder=inbox".into()).await, [number(&first)]);
    assert_eq!(found("q=quent&folder=archived".into()).await, [number(&second)]);
    assert_eq!(found("q=S-2".into()).await, [number(&second)]);
    assert_eq!(found(format!("q={}", unknown.number())).await, [number(&unknown)]);
    assert_eq!(found(format!("q={}", first.national())).await, [number(&first)]);
    assert!(found("q=nobody".into()).await.is_empty());
    let conversations = format!("{}/conversations?q=quent", inbox.path());
    stack.user("ben").get(&conversations).await.problem(404, "not_found");
    team.admin.get(&format!("{conversations}{}", "x".repeat(80))).await.problem(422, "invalid_fields");
}

#[tokio::test]
async fn the_list_is_paged_and_a_cursor_works_only_for_its_caller() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let path = &format!("/v1/teams/{}/contacts?limit=20", stack.front_desk_inbox().team_id);
    let (mut seen, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = match &next {
            Some(cursor) => amelia.get(&format!("{path}&cursor={cursor}")).await.expect(200),
            None => amelia.get(path).await.expect(200),
        };
        seen.extend(ids(&page));
        next = page["nextCursor"].as_str().map(str::to_owned);
        let Some(cursor) = &next else { break };
        stack.user("ben").get(&format!("{path}&cursor={cursor}")).await.problem(400, "bad_cursor");
    }
    assert!(seen.len() >= 50 && seen.is_sorted());
}

/// Product 7: opt-out and block are facts of a number. Every contact that has it shows them, and contacts
/// that are added or removed do not lift them.
#[tokio::test]
async fn contacts_that_share_a_number_share_its_block_and_opt_out() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Shared number", "amelia").await);
    let (inbox, phone) = (team.create_inbox("Family").await, Phone::new());
    team.register(&carrier).await;
    let contacts = format!("{}/contacts", team.path());
    let add = async |name: &str| {
        let wanted = json!({ "firstName": name, "mobileNumber": phone.number() });
        let made = team.admin.post(&contacts, wanted).await.expect(201);
        (format!("{contacts}/{}", made["contactId"].as_str().unwrap()), made)
    };
    let (first, made) = add("Ann").await;
    assert_eq!((&made["blocked"], &made["optedOut"]), (&json!(false), &json!(false)));
    let blocked = team.admin.patch(&first, json!({ "blocked": true })).await.expect(200);
    assert_eq!(blocked["blocked"], true);
    team.admin.put(&format!("{first}/opt-out"), json!({})).await.expect(200);

    // The second contact is blocked and opted out from the start.
    let (second, made) = add("Ben").await;
    assert_eq!((&made["blocked"], &made["optedOut"]), (&json!(true), &json!(true)));
    let send = async |contact: &Value| {
        let to = json!({ "contactId": contact["contactId"] });
        let message = json!({ "from": { "inboxId": inbox.id }, "to": to, "text": "Hello" });
        team.admin.post("/v1/messages", message).await
    };
    send(&made).await.problem(409, "blocked");
    team.admin.patch(&first, json!({ "blocked": false })).await.expect(200);
    send(&made).await.problem(409, "opted_out");
    let found = team.admin.get(&format!("{contacts}?q={}", phone.national())).await.expect(200);
    assert_eq!(ids(&found).len(), 2, "a search by number finds both");

    // The number stays opted out when its contacts are removed and added again. A conversation shows the
    // contact written last, then the other, then the number alone.
    carrier.send_inbound(&phone, &inbox.number, "Hello").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let shown = async || conversation.get_as(&team.admin).await["contact"].clone();
    assert_eq!(shown().await["firstName"], "Ann", "the contact that was changed last");
    team.admin.delete(&first).await.expect(204);
    assert_eq!((&shown().await["firstName"], &shown().await["optedOut"]), (&json!("Ben"), &json!(true)));
    team.admin.delete(&second).await.expect(204);
    assert_eq!((&shown().await["provisional"], &shown().await["optedOut"]), (&json!(true), &json!(true)));
    let (third, made) = add("Cy").await;
    assert_eq!((&shown().await["firstName"], &made["optedOut"]), (&json!("Cy"), &json!(true)));
    team.admin.delete(&format!("{third}/opt-out")).await.expect(200);
    let to = json!({ "phoneNumber": phone.number() });
    let message = json!({ "from": { "inboxId": inbox.id }, "to": to, "text": "Hello" });
    team.admin.send("/v1/messages", message).await.expect(202);
}

/// Product 8: a message from an unknown number creates a provisional contact. When a user enters the contact,
/// its conversation shows the name.
#[tokio::test]
async fn a_provisional_contact_is_named() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Named", "amelia").await);
    let (inbox, phone) = (team.create_inbox("Named").await, Phone::new());
    team.register(&carrier).await;
    let settings = format!("{}/notification-settings", team.path());
    let (off, recipient) =
        (json!({ "enabled": false, "recipients": [] }), format!("{}@brightside.example", team.id));
    let on = json!({ "enabled": true, "recipients": [recipient] });
    team.admin
        .put(&settings, json!({ "optOutChanged": off, "unknownContact": off, "contactAdded": on }))
        .await
        .expect(200);
    carrier.send_inbound(&phone, &inbox.number, "Guess who").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(conversation.get_as(&team.admin).await["contact"]["provisional"], true);
    let contacts = format!("{}/contacts", team.path());
    let wanted = json!({ "firstName": "Guess", "lastName": "Who", "mobileNumber": phone.number() });
    let created = team.admin.post(&contacts, wanted).await.expect(201);
    let seen = conversation.get_as(&team.admin).await["contact"].clone();
    assert_eq!((&seen["contactId"], &seen["firstName"]), (&created["contactId"], &json!("Guess")));
    let listed = conversation.find_as(&team.admin, "inbox").await.expect("listed");
    assert_eq!(listed["contact"]["lastName"], "Who");
    assert_eq!(
        ids(&team.admin.get(&contacts).await.expect(200)).len(),
        1,
        "the provisional contact is not listed"
    );
    let emails = stack.wait_for_emails(&recipient, "Guess Who").await;
    assert_eq!(emails.len(), 1);

    // No messages are sent to a blocked contact.
    let one = format!("{contacts}/{}", created["contactId"].as_str().unwrap());
    team.admin.patch(&one, json!({ "blocked": true })).await.expect(200);
    let token = conversation.acquire_lock(&team.admin).await;
    team.admin
        .post(&conversation.messages(), json!({ "text": "No", "lockToken": token }))
        .await
        .problem(409, "blocked");
    team.admin.delete(&one).await.expect(204);
    let shown = eventually("the contact is provisional again", WAIT_TIMEOUT, async || {
        let seen = conversation.get_as(&team.admin).await["contact"].clone();
        (seen["provisional"] == true).then_some(seen)
    });
    shown.await;
    let token = conversation.acquire_lock(&team.admin).await;
    team.admin
        .post(&conversation.messages(), json!({ "text": "No", "lockToken": token }))
        .await
        .problem(409, "blocked");
}
