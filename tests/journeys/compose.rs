//! Compose: send from a chosen inbox to a contact or a number.

use product_tests::{Phone, Stack};
use serde_json::{Value, json};

const COMPOSE: &str = "/v1/messages";

/// ◆ product 6 and 4: the sender chooses the inbox and sends to a number. The conversation is in Archived.
#[tokio::test]
async fn a_composed_message_is_sent_from_the_chosen_inbox_and_listed_in_archived() {
    let stack = Stack::open();
    let (carrier, amelia, front_desk) = (stack.carrier(), stack.user("amelia"), stack.front_desk_inbox());
    let phone = Phone::new();
    let text = json!({ "from": { "inboxId": front_desk.inbox_id }, "to": { "phoneNumber": phone.national() }, "text": "Good morning" });
    let accepted = amelia.send(COMPOSE, text).await.expect(202);
    assert_eq!((&accepted["state"], &accepted["direction"]), (&json!("queued"), &json!("outbound")));
    assert_eq!(accepted["sender"], json!({ "userId": amelia.id, "name": amelia.name }));

    let shown = carrier.messages_to(&phone).await;
    assert_eq!(shown.len(), 1);
    assert_eq!((&shown[0].from, shown[0].body.as_str()), (&front_desk.phone_number, "Good morning"));
    let conversation =
        stack.find_conversation(&stack.user("ben"), &front_desk.inbox_id, "archived", &phone).await;
    let seen = conversation.get_as(&amelia).await;
    assert_eq!(
        (&seen["read"], &seen["lock"]),
        (&json!(true), &Value::Null),
        "the conversation is read and not locked"
    );
    assert_eq!(accepted["conversationId"], seen["conversationId"]);

    stack.conversation_from(&phone, "Good morning!").await;
    assert_eq!(conversation.get_as(&amelia).await["folder"], "inbox");
    assert_eq!(conversation.texts(&amelia).await, ["Good morning", "Good morning!"]);
}

/// ◆ product 6: an API code identifies the inbox.
#[tokio::test]
async fn an_api_code_names_the_inbox_and_a_contact_id_the_recipient() {
    let stack = Stack::open();
    let (carrier, amelia, front_desk) = (stack.carrier(), stack.user("amelia"), stack.front_desk_inbox());
    let known = stack.conversation_from(&Phone::of("+12025550152"), "Hello").await;
    let contact = known.get_as(&amelia).await["contact"].clone();
    let text = json!({ "from": { "apiCode": front_desk.api_code }, "to": { "contactId": contact["contactId"] }, "text": "By contact" });
    let accepted = amelia.send(COMPOSE, text).await.expect(202);
    assert_eq!(
        (&accepted["inboxId"], &accepted["conversationId"]),
        (&json!(front_desk.inbox_id), &json!(known.id))
    );
    assert_eq!(carrier.texts_to(&known.phone).await.last().expect("a text"), "By contact");
    let archived = known.find_as(&amelia, "archived").await.expect("archived");
    assert_eq!(archived["contact"], contact);
}

#[tokio::test]
async fn there_is_no_default_inbox_and_no_default_recipient() {
    let stack = Stack::open();
    let (amelia, front_desk, phone) = (stack.user("amelia"), stack.front_desk_inbox(), Phone::new());
    let (from, to) = (json!({ "inboxId": front_desk.inbox_id }), json!({ "phoneNumber": phone.number() }));
    let both_from = json!({ "inboxId": front_desk.inbox_id, "apiCode": front_desk.api_code });
    let both_to = json!({ "phoneNumber": phone.number(), "contactId": "con_1" });
    for (body, pointer) in [
        (json!({ "to": to, "text": "Hi" }), "/from"),
        (json!({ "from": {}, "to": to, "text": "Hi" }), "/from"),
        (json!({ "from": null, "to": to, "text": "Hi" }), "/from"),
        (json!({ "from": both_from, "to": to, "text": "Hi" }), "/from"),
        (json!({ "from": { "inboxId": 7 }, "to": to, "text": "Hi" }), "/from/inboxId"),
        (json!({ "from": from, "text": "Hi" }), "/to"),
        (json!({ "from": from, "to": {}, "text": "Hi" }), "/to"),
        (json!({ "from": from, "to": both_to, "text": "Hi" }), "/to"),
        (json!({ "from": from, "to": to }), "/text"),
        (json!({ "from": from, "to": to, "text": ["Hi"] }), "/text"),
    ] {
        amelia.send(COMPOSE, body).await.expect_field_error(pointer);
    }
    assert!(stack.carrier().messages_to(&phone).await.is_empty());
}

#[tokio::test]
async fn each_kind_of_unreachable_recipient_has_its_own_error() {
    let stack = Stack::open();
    let (amelia, front_desk) = (stack.user("amelia"), stack.front_desk_inbox());
    let to = async |to: Value| {
        amelia
            .send(COMPOSE, json!({ "from": { "inboxId": front_desk.inbox_id }, "to": to, "text": "Hi" }))
            .await
    };
    for contact in ["con_nobody", "nobody", "", "con_'\"; --", "con_\u{e9}"] {
        to(json!({ "contactId": contact })).await.problem(404, "not_found");
    }
    for number in ["", "hello", "555-0143", "+1 102 555 0143", "+", "12345", &"1".repeat(300)] {
        let refused = to(json!({ "phoneNumber": number })).await.problem(422, "invalid_number");
        assert_eq!(refused["errors"][0]["pointer"], "/to/phoneNumber");
    }
    for from in [
        json!({ "inboxId": "inb_nowhere" }),
        json!({ "inboxId": "#" }),
        json!({ "apiCode": "NOWHERE" }),
        json!({ "apiCode": "" }),
    ] {
        let text = json!({ "from": from, "to": { "phoneNumber": Phone::new().number() }, "text": "Hi" });
        amelia.send(COMPOSE, text).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn composing_into_a_locked_conversation_is_refused() {
    let stack = Stack::open();
    let (carrier, amelia, ben, front_desk) =
        (stack.carrier(), stack.user("amelia"), stack.user("ben"), stack.front_desk_inbox());
    let conversation = stack.new_conversation("Hello").await;
    let text = json!({ "from": { "inboxId": front_desk.inbox_id }, "to": { "phoneNumber": conversation.phone.number() }, "text": "Hi" });
    let by_code = json!({ "from": { "apiCode": front_desk.api_code }, "to": text["to"], "text": "Hi" });
    let no_pause = stack.carrier().no_pause().await;
    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    let locked = ben.post(COMPOSE, text.clone()).await.problem(423, "locked");
    assert_eq!((&locked["holder"], &locked["expiresAt"]), (&held["holder"], &held["expiresAt"]));
    conversation.renew_lock(&amelia, token).await;
    stack.machine().post(COMPOSE, by_code).await.problem(423, "locked");
    let accepted = amelia.post(COMPOSE, text.clone()).await;
    accepted.expect(202); // the holder of the lock may send
    amelia.wait_until_sent(&accepted).await;
    drop(no_pause);
    conversation.release_lock(&amelia, token).await;
    ben.send(COMPOSE, text).await.expect(202);
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["Hi", "Hi"]);
}

#[tokio::test]
async fn a_text_is_limited_in_characters_and_billed_in_segments() {
    let stack = Stack::open();
    let (carrier, amelia, front_desk) = (stack.carrier(), stack.user("amelia"), stack.front_desk_inbox());
    let phone = Phone::new();
    let compose = async |text: &str| {
        let to = json!({ "phoneNumber": phone.number() });
        amelia
            .send(COMPOSE, json!({ "from": { "inboxId": front_desk.inbox_id }, "to": to, "text": text }))
            .await
    };
    let refused = compose(&"a".repeat(307)).await.problem(422, "text_too_long");
    assert_eq!(
        (&refused["characters"], &refused["limit"], &refused["segments"]),
        (&json!(307), &json!(306), &json!(3))
    );
    assert_eq!(refused["errors"][0]["pointer"], "/text");
    // é takes one septet. € takes two, which must be in the same segment.
    assert_eq!(compose(&"é€".repeat(154)).await.problem(422, "text_too_long")["segments"], 4);
    for blank in ["", " ", "\n\t "] {
        compose(blank).await.problem(422, "text_empty");
    }
    assert_eq!(compose(&"a".repeat(306)).await.expect(202)["segments"], 2);
    assert_eq!(compose(&"\u{1f600}".repeat(35)).await.expect(202)["segments"], 1);
    assert_eq!(compose(&"\u{1f600}".repeat(36)).await.expect(202)["segments"], 2);
    let shown = carrier.texts_to(&phone).await;
    assert_eq!(shown, ["a".repeat(306), "\u{1f600}".repeat(35), "\u{1f600}".repeat(36)]);

    let conversation = stack.find_conversation(&amelia, &front_desk.inbox_id, "archived", &phone).await;
    amelia.lock_and_reply(&conversation, &"b".repeat(1501)).await.problem(422, "text_too_long");
    amelia.lock_and_reply(&conversation, "  ").await.problem(422, "text_empty");
    amelia.lock_and_reply(&conversation, &"b".repeat(1500)).await.expect(202);
    assert_eq!(carrier.texts_to(&phone).await.last().expect("a text").len(), 1500);
}

/// ◆ product 6: a message from a personal inbox to a contact of a shared inbox does not change the
/// conversation of the shared inbox.
#[tokio::test]
async fn a_personal_message_to_a_contact_of_the_shared_inbox_leaves_that_inbox_unchanged() {
    let stack = Stack::open();
    let (carrier, amelia, ben, own) =
        (stack.carrier(), stack.user("amelia"), stack.user("ben"), stack.inbox("AMELIA"));
    let shared = stack.new_conversation("To the desk").await;
    let before = shared.get_as(&ben).await;
    let text = json!({ "from": { "inboxId": own.inbox_id }, "to": { "phoneNumber": shared.phone.number() }, "text": "From me" });
    amelia.send(COMPOSE, text.clone()).await.expect(202);
    let personal = stack.find_conversation(&amelia, &own.inbox_id, "archived", &shared.phone).await;
    assert_eq!(personal.texts(&amelia).await, ["From me"]);
    assert_eq!(carrier.messages_to(&shared.phone).await[0].from, own.phone_number);
    assert_eq!(shared.get_as(&ben).await, before);
    assert_eq!(shared.texts(&ben).await, ["To the desk"]);

    // The contact replies to the personal inbox. Only its user sees the reply.
    carrier.send_inbound(&shared.phone, &own.phone_number, "To you").await;
    assert_eq!(personal.get_as(&amelia).await["folder"], "inbox");
    // A lock of the shared conversation does not affect the personal one.
    shared.acquire_lock(&ben).await;
    amelia.send(COMPOSE, text).await.expect(202);
    assert_eq!(personal.texts(&amelia).await, ["From me", "To you", "From me"]);
    ben.get(&personal.path()).await.problem(404, "not_found");
    assert_eq!(shared.texts(&ben).await, ["To the desk"]);
}
