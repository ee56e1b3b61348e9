//! Templates of a team, with merge fields.

use product_tests::{Phone, Stack};
use serde_json::{Value, json};

/// ◆ product 8: an admin writes a template, and members send it with the values of a contact.
#[tokio::test]
async fn a_template_is_written_by_an_admin_and_sent_by_a_member() {
    let stack = Stack::open();
    let (carrier, owner, amelia, front_desk) =
        (stack.carrier(), stack.user("olivia"), stack.user("amelia"), stack.front_desk_inbox());
    let phone = Phone::new();
    let team = format!("/v1/teams/{}", front_desk.team_id);
    let templates = format!("{team}/templates");
    let name = format!("Welcome {}", phone.number());
    let body = json!({ "name": name, "text": "Hi {{firstName}}, {{custom.Campus|the office}} is open. {{senderName}}" });
    let created = owner.post(&templates, body.clone()).await.expect(201);
    let path = format!("{templates}/{}", created["templateId"].as_str().expect("an id"));
    owner.post(&templates, body.clone()).await.problem(409, "template_name_taken");
    amelia.post(&templates, body).await.problem(403, "admin_required");
    let unknown = json!({ "name": "Odd", "text": "Hi {{nickname}}" });
    let refused = owner.post(&templates, unknown).await.problem(422, "invalid_fields");
    assert_eq!(refused["errors"][0]["pointer"], "/text");

    let contact =
        json!({ "firstName": "Noor", "mobileNumber": phone.number(), "custom": { "Campus": "North" } });
    let contact = amelia.post(&format!("{team}/contacts"), contact).await.expect(201);
    let render = json!({ "contactId": contact["contactId"] });
    let wanted = format!("Hi Noor, North is open. {}", amelia.name);
    let shown = amelia.post(&format!("{path}/render"), render).await.expect(200);
    assert_eq!((&shown["text"], &shown["segments"]), (&json!(wanted), &json!(1)));

    let compose = json!({
        "from": { "inboxId": front_desk.inbox_id }, "to": { "contactId": contact["contactId"] },
        "templateId": created["templateId"],
    });
    let accepted = amelia.send("/v1/messages", compose).await.expect(202);
    assert_eq!(accepted["text"], json!(wanted));
    assert_eq!(carrier.texts_to(&phone).await, std::slice::from_ref(&wanted));

    // The holder of a lock replies with the template.
    let conversation = stack.conversation_from(&phone, "Thanks").await;
    let ben = stack.user("ben");
    let no_pause = carrier.no_pause().await;
    let token = conversation.acquire_lock(&ben).await;
    let both = json!({ "templateId": created["templateId"], "text": "Hi", "lockToken": token });
    ben.post(&conversation.messages(), both).await.expect_field_error("/templateId");
    let reply = json!({ "templateId": created["templateId"], "lockToken": token });
    let accepted = ben.post(&conversation.messages(), reply).await;
    assert_eq!(accepted.expect(202)["text"], json!(wanted.replace(&amelia.name, &ben.name)));
    ben.wait_until_sent(&accepted).await;
    drop(no_pause);
    conversation.release_lock(&ben, token).await;

    // A contact without a value for a merge field gets no message.
    let outsider = json!({
        "from": { "inboxId": front_desk.inbox_id }, "to": { "phoneNumber": Phone::new().number() },
        "templateId": created["templateId"],
    });
    let refused = amelia.post("/v1/messages", outsider).await.problem(422, "template_incomplete");
    assert_eq!(refused["missing"], json!(["firstName"]));

    owner.patch(&path, json!({ "text": "{{firstName}}: closed" })).await.expect(200);
    assert_eq!(amelia.get(&path).await.expect(200)["text"], "{{firstName}}: closed");
    owner.delete(&path).await.expect(204);
    amelia.get(&path).await.problem(404, "not_found");
    let compose = json!({
        "from": { "inboxId": front_desk.inbox_id }, "to": { "contactId": contact["contactId"] },
        "templateId": created["templateId"],
    });
    amelia.post("/v1/messages", compose).await.problem(422, "unknown_template");
}

/// ◆ product 1: other teams and organizations cannot see that a template exists.
#[tokio::test]
async fn another_organization_sees_no_templates() {
    let stack = Stack::open();
    let (owner, front_desk) = (stack.user("olivia"), stack.front_desk_inbox());
    let templates = format!("/v1/teams/{}/templates", front_desk.team_id);
    let name = format!("Private {}", Phone::new().number());
    let created = owner.post(&templates, json!({ "name": name, "text": "Ours" })).await.expect(201);
    let path = format!("{templates}/{}", created["templateId"].as_str().expect("an id"));
    for outsider in ["nora", "zoe"] {
        let outsider = stack.user(outsider);
        outsider.get(&templates).await.problem(404, "not_found");
        outsider.get(&path).await.problem(404, "not_found");
        outsider.delete(&path).await.problem(404, "not_found");
        outsider
            .post(&format!("{path}/render"), json!({ "contactId": "con_1" }))
            .await
            .problem(404, "not_found");
    }
    let page = stack.user("amelia").get(&format!("{templates}?limit=100")).await.expect(200);
    let names: Vec<&Value> =
        page["items"].as_array().expect("items").iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&json!(name)), "{names:?}");
    owner.delete(&path).await.expect(204);
}
