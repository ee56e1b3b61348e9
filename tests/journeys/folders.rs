//! Folders, read state and paged history.

use product_tests::{Phone, Stack};
use serde_json::json;

/// ◆ product 4: members archive a conversation and return it to the inbox. A new message returns it
/// automatically.
#[tokio::test]
async fn a_conversation_is_archived_and_returned_to_the_inbox() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let archived = amelia.patch(&conversation.path(), json!({ "folder": "archived" })).await.expect(200);
    assert_eq!(
        (&archived["folder"], &archived["read"]),
        (&json!("archived"), &json!(false)),
        "only the folder changes"
    );
    assert!(conversation.find_as(&ben, "inbox").await.is_none());
    assert_eq!(conversation.find_as(&ben, "archived").await.expect("archived")["folder"], "archived");
    amelia.patch(&conversation.path(), json!({ "folder": "inbox" })).await.expect(200);
    assert!(
        conversation.find_as(&ben, "inbox").await.is_some()
            && conversation.find_as(&ben, "archived").await.is_none()
    );
    amelia.patch(&conversation.path(), json!({ "folder": "archived" })).await.expect(200);
    stack.conversation_from(&conversation.phone, "One more thing").await;
    assert!(conversation.find_as(&ben, "inbox").await.is_some());
}

/// ◆ product 4: read and unread belong to the inbox, not to the viewer.
#[tokio::test]
async fn the_read_state_is_shared_by_all_members() {
    let stack = Stack::open();
    let (dev, inbox) = (stack.user("dev"), stack.inbox("DEV"));
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("Hello").await;
    let read = amelia.patch(&conversation.path(), json!({ "read": true })).await.expect(200);
    assert_eq!((&read["read"], &read["folder"]), (&json!(true), &json!("inbox")));
    assert_eq!(conversation.find_as(&ben, "inbox").await.expect("listed")["read"], true);
    ben.patch(&conversation.path(), json!({ "read": false })).await.expect(200);
    assert_eq!(conversation.get_as(&amelia).await["read"], false);
    let token = conversation.acquire_lock(&amelia).await;
    assert_eq!(conversation.get_as(&ben).await["read"], true, "acquiring the lock marks it read");
    conversation.release_lock(&amelia, token).await;
    stack.conversation_from(&conversation.phone, "And?").await;
    assert_eq!(conversation.get_as(&amelia).await["read"], false, "a new message is unread");

    // The unread count changes too. A personal inbox gets no messages of other journeys.
    let phone = Phone::new();
    let before = dev.unread(&inbox.inbox_id).await;
    stack.carrier().send_inbound(&phone, &inbox.phone_number, "Hello").await;
    let own = stack.find_conversation(&dev, &inbox.inbox_id, "inbox", &phone).await;
    assert_eq!(dev.unread(&inbox.inbox_id).await, before + 1);
    dev.patch(&own.path(), json!({ "read": true, "folder": "archived" })).await.expect(200);
    assert_eq!(dev.unread(&inbox.inbox_id).await, before);
    dev.patch(&own.path(), json!({ "read": false })).await.expect(200);
    assert_eq!(dev.unread(&inbox.inbox_id).await, before + 1);
    dev.patch(&own.path(), json!({ "read": true })).await.expect(200);
}

#[tokio::test]
async fn a_malformed_change_changes_nothing() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = stack.new_conversation("Hello").await;
    let before = conversation.get_as(&amelia).await;
    amelia.patch(&conversation.path(), json!({ "folder": "trash" })).await.expect_field_error("/folder");
    amelia.patch(&conversation.path(), json!({ "read": "yes" })).await.expect_field_error("/read");
    amelia.patch(&conversation.path(), json!({})).await.expect(200);
    assert_eq!(conversation.get_as(&amelia).await, before);
}

/// ◆ product 4: history shows each outbound message with the name of the user who sent it.
#[tokio::test]
async fn history_is_paged_newest_first_with_the_names_of_the_senders() {
    let stack = Stack::open();
    let (amelia, ben) = (stack.user("amelia"), stack.user("ben"));
    let conversation = stack.new_conversation("1").await;
    stack.conversation_from(&conversation.phone, "2").await;
    amelia.lock_and_reply(&conversation, "3").await.expect(202);
    ben.lock_and_reply(&conversation, "4").await.expect(202);
    stack.conversation_from(&conversation.phone, "5").await;

    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = amelia.get(&format!("{}?limit=2{cursor}", conversation.messages())).await.expect(200);
        pages.push(page["items"].as_array().expect("items").clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        // A message that arrives between two pages does not move the next page.
        stack.conversation_from(&conversation.phone, "between two pages").await;
    }
    let shown: Vec<_> =
        pages.concat().iter().map(|text| (text["text"].clone(), text["sender"]["name"].clone())).collect();
    let by = |text: &str, name: Option<&str>| (json!(text), json!(name));
    let expected =
        [by("5", None), by("4", Some(&ben.name)), by("3", Some(&amelia.name)), by("2", None), by("1", None)];
    assert_eq!(shown, expected);
    assert!(pages.iter().all(|page| page.len() <= 2));
}

#[tokio::test]
async fn a_list_is_paged_in_order_of_activity() {
    let stack = Stack::open();
    let (farid, inbox) = (stack.user("farid"), stack.inbox("FARID"));
    let phones: Vec<_> = (0..5).map(|_| Phone::new()).collect();
    for phone in &phones {
        stack.carrier().send_inbound(phone, &inbox.phone_number, "Hello").await;
    }
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    while numbers.len() < 5 {
        let path = format!("/v1/inboxes/{}/conversations?folder=inbox&limit=2{cursor}", inbox.inbox_id);
        let page = farid.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2 && !items.is_empty());
        numbers.extend(
            items.iter().map(|found| found["contact"]["phoneNumber"].as_str().expect("a number").to_owned()),
        );
        cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap_or_default());
    }
    let newest_first: Vec<_> = phones.iter().rev().map(|phone| phone.number().to_owned()).collect();
    assert_eq!(numbers[..5], newest_first);
}
