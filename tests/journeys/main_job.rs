//! The main job: a message arrives, one member answers it, and all members see who.

use product_tests::{Phone, Stack};
use serde_json::{Value, json};

/// ◆ product 4 and 5: Inbox and Archived, the holder of the lock, one reply at a time, the sender's name.
#[tokio::test]
async fn a_message_is_answered_by_one_member_and_everyone_sees_who() {
    let stack = Stack::open();
    let (carrier, front_desk) = (stack.carrier(), stack.front_desk_inbox());
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));

    let conversation = stack.new_conversation("Is the pool open today?").await;
    let listed = conversation.find_as(&ben, "inbox").await.expect("in the Inbox");
    assert_eq!((&listed["read"], &listed["lock"]), (&json!(false), &Value::Null), "{listed}");
    assert_eq!(listed["lastMessage"]["text"], "Is the pool open today?");

    let no_pause = stack.carrier().no_pause().await;
    let held = amelia.post(&conversation.lock(), Value::Null).await.expect(200);
    let token = held["token"].as_u64().expect("a token");
    assert_eq!(held["holder"], json!({ "id": amelia.id, "name": amelia.name }));
    let responding = |held: &Value| json!({ "holder": held["holder"], "expiresAt": held["expiresAt"] });
    assert_eq!(conversation.get_as(&ben).await["lock"], responding(&held));
    let held = conversation.renew_lock(&amelia, token).await;
    let listed = conversation.find_as(&ben, "inbox").await.expect("in the Inbox");
    assert_eq!(listed["lock"], responding(&held));

    let held = conversation.renew_lock(&amelia, token).await;
    let locked = ben.post(&conversation.lock(), Value::Null).await.problem(423, "locked");
    assert_eq!((&locked["holder"], &locked["expiresAt"]), (&held["holder"], &held["expiresAt"]));
    let locked = ben.post(&conversation.messages(), json!({ "text": "Me too" })).await.problem(423, "locked");
    assert_eq!(locked["holder"], held["holder"]);

    conversation.renew_lock(&amelia, token).await;
    let accepted = amelia.reply(&no_pause, &conversation, token, "Yes, until eight.").await.expect(202);
    drop(no_pause);
    assert_eq!(accepted["state"], "queued");
    let shown = carrier.messages_to(&conversation.phone).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((shown[0].body.as_str(), &shown[0].from), ("Yes, until eight.", &front_desk.phone_number));

    let history = conversation.history(&ben).await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1]["sender"], json!({ "userId": amelia.id, "name": amelia.name }));
    assert_eq!((&history[0]["sender"], &history[0]["direction"]), (&Value::Null, &json!("inbound")));

    let delivered = ben.wait_for_message(accepted["messageId"].as_str().expect("an id"), "delivered").await;
    let states: Vec<_> =
        delivered["states"].as_array().expect("states").iter().map(|step| &step["state"]).collect();
    assert_eq!(states, ["queued", "sending", "sent", "delivered"]);

    assert!(conversation.find_as(&ben, "inbox").await.is_none());
    let archived = conversation.find_as(&ben, "archived").await.expect("in Archived");
    assert_eq!(archived["lastMessage"]["text"], "Yes, until eight.");

    conversation.release_lock(&amelia, token).await;
    assert_eq!(conversation.get_as(&ben).await["lock"], Value::Null);
    let next = conversation.acquire_lock(&ben).await;
    assert!(next > token);
    let late = amelia.post(&conversation.messages(), json!({ "text": "Or nine?", "lockToken": token })).await;
    let lost = late.problem(412, "lock_lost");
    assert_eq!((&lost["reason"], &lost["holder"]["id"]), (&json!("taken"), &json!(ben.id)));
    conversation.release_lock(&ben, next).await;
    conversation.release_lock(&ben, next).await;
    assert_eq!(carrier.texts_to(&conversation.phone).await, ["Yes, until eight."]);
}

/// ◆ product 4: an inbound message puts its conversation in the Inbox, unread and first, for every member.
#[tokio::test]
async fn an_inbound_message_is_unread_at_the_top_of_the_inbox_for_every_member() {
    let stack = Stack::open();
    // A personal inbox gets no messages of other journeys.
    let inbox = stack.inbox("CARLA");
    let carla = stack.user("carla");
    let before = carla.unread(&inbox.inbox_id).await;
    let (first, second) = (Phone::new(), Phone::new());
    for phone in [&first, &second, &first] {
        stack.carrier().send_inbound(phone, &inbox.phone_number, "Hello").await;
    }
    assert_eq!(carla.unread(&inbox.inbox_id).await, before + 2, "conversations are counted, not messages");
    let path = format!("/v1/inboxes/{}/conversations?limit=2", inbox.inbox_id);
    let page = carla.get(&path).await.expect(200);
    let numbers: Vec<_> =
        page["items"].as_array().expect("items").iter().map(|c| &c["contact"]["phoneNumber"]).collect();
    assert_eq!(numbers, [first.number(), second.number()]);

    let shared = stack.new_conversation("Hello").await;
    for member in ["olivia", "adam", "amelia", "ben", "carla", "dev", "erin", "farid"] {
        let member = stack.user(member);
        let seen = shared.get_as(&member).await;
        assert_eq!((&seen["folder"], &seen["read"]), (&json!("inbox"), &json!(false)), "{}", member.name);
        assert!(member.unread(&shared.inbox).await > 0, "{}", member.name);
    }
}
