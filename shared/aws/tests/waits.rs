//! Since when a contact waits for an answer: from the oldest message without one, whatever the order of
//! deliveries.

use shared_aws::{
    conversation::ConversationUpdate,
    messaging::{Accepted, Guard, Receipt},
    table::keys,
};
use shared_domain::{
    broadcast::BroadcastRef,
    conversation::Folder,
    ids::{BroadcastId, ConversationId},
    message::Message,
    time::Timestamp,
};

use crate::support::{TestStores, ada, at_second, inbound_text, number};

/// Since when the contact waits.
async fn waiting_since(stores: &TestStores) -> Option<Timestamp> {
    stores.stored_conversation(&conversation(stores)).await.waiting_since
}

fn conversation(stores: &TestStores) -> ConversationId {
    stores.conversation_id(&number(143))
}

async fn receive(stores: &TestStores, text: &str, at: u64) {
    stores.receive(&number(143), text, at_second(at)).await;
}

/// Accepts a reply of the holder of the lock.
async fn reply(stores: &TestStores, at: u64) {
    let ada = ada();
    let token = stores.acquire_lock(&conversation(stores), &ada, at_second(at)).await.token;
    let message = stores.outbound(&number(143), "Yes, until noon.", &ada, at_second(at));
    let guard = Guard::Reply { lock: Some((&ada.id, token)), seen: None };
    assert_eq!(stores.accept(&message, guard, None).await, Accepted::Stored);
}

async fn compose(stores: &TestStores, message: &Message) {
    let user = message.sender.as_ref().map(|sender| &sender.id);
    assert_eq!(stores.accept(message, Guard::Compose { user }, None).await, Accepted::Stored);
}

async fn move_to(stores: &TestStores, folder: Folder) -> Option<Timestamp> {
    let change = ConversationUpdate { folder: Some(folder), read: Some(true) };
    let changed = stores.update_conversation(&conversation(stores), change, at_second(900)).await.unwrap();
    assert_eq!(changed, stores.stored_conversation(&changed.id).await);
    changed.waiting_since
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_waits_from_the_first_message_until_the_reply() {
    let stores = TestStores::start().await;
    for at in [0, 2_400, 3_540] {
        receive(&stores, "Is the office open?", at).await;
        assert_eq!(waiting_since(&stores).await, Some(at_second(0)), "{at}");
    }
    reply(&stores, 3_600).await;
    assert_eq!(waiting_since(&stores).await, None);
    receive(&stores, "And on Saturday?", 3_700).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(3_700)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_user_ends_the_wait_and_one_of_a_machine_or_broadcast_does_not() {
    let stores = TestStores::start().await;
    receive(&stores, "Is the office open?", 0).await;
    let of_user = |at| stores.outbound(&number(143), "The office is closed today.", &ada(), at_second(at));
    compose(&stores, &Message { sender: None, ..of_user(10) }).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(0)), "a machine");
    let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
    compose(&stores, &Message { broadcast: Some(of), ..of_user(20) }).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(0)), "a broadcast");
    compose(&stores, &of_user(30)).await;
    assert_eq!(waiting_since(&stores).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_a_user_starts_waits_for_nothing() {
    let stores = TestStores::start().await;
    compose(&stores, &stores.outbound(&number(143), "See you on Friday.", &ada(), at_second(0))).await;
    assert_eq!(waiting_since(&stores).await, None);
    receive(&stores, "At what time?", 10).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_again_or_late_begins_no_wait() {
    let stores = TestStores::start().await;
    let text = inbound_text(&number(143), "SM1", "Is the office open?");
    let deliver = async |at| stores.inbound.receive(&stores.inbox, &text, at_second(at)).await.unwrap().0;
    assert!(matches!(deliver(10).await, Receipt::Stored(_)));
    receive(&stores, "Hello?", 5).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(10)), "the wait does not move");
    reply(&stores, 20).await;
    assert!(matches!(deliver(30).await, Receipt::Duplicate(_)));
    assert_eq!(waiting_since(&stores).await, None, "a redelivery after the answer");
    for late in [7, 15] {
        receive(&stores, "Anybody there?", late).await;
        assert_eq!(waiting_since(&stores).await, None, "{late}");
    }
    assert_eq!(stores.stored_conversation(&conversation(&stores)).await.folder, Folder::Inbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn archiving_ends_the_wait_and_moving_back_begins_none() {
    let stores = TestStores::start().await;
    receive(&stores, "Thank you!", 0).await;
    assert_eq!(move_to(&stores, Folder::Inbox).await, Some(at_second(0)), "it is there already");
    assert_eq!(move_to(&stores, Folder::Archived).await, None);
    assert_eq!(move_to(&stores, Folder::Inbox).await, None);
    receive(&stores, "One more thing", 600).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(600)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_begins_no_wait_and_ends_none() {
    let stores = TestStores::start().await;
    receive(&stores, "HELP", 0).await;
    assert_eq!(waiting_since(&stores).await, None);
    receive(&stores, "Is the office open?", 10).await;
    receive(&stores, "STOP", 20).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_from_before_the_attribute_waits_from_its_next_message() {
    let stores = TestStores::start().await;
    receive(&stores, "Is the office open?", 0).await;
    let key = keys::conversation(stores.inbox.key().conversation(&conversation(&stores)));
    let mut item = stores.item(key).await.unwrap();
    assert!(item.remove("waitingSince").is_some());
    stores.put_item(item).await;
    assert_eq!(waiting_since(&stores).await, None);
    receive(&stores, "Hello?", 60).await;
    assert_eq!(waiting_since(&stores).await, Some(at_second(60)));
}
