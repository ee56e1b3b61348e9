//! Conversations: lists by folder, the holder of the lock, and changes of folder and read state.

use shared_aws::{
    conversation::ConversationUpdate,
    messaging::{Accepted, Guard},
    table::StoreError,
};
use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    ids::{ConversationId, MessageId},
    lock::{Lease, LockPolicy},
};

use crate::support::{START, TestStores, ada, at_second, ben, contact, number};

async fn list(stores: &TestStores, folder: Folder) -> Vec<Conversation> {
    let page = stores.list(folder, &Filter::default(), 50, None).await.unwrap();
    page.items
}

async fn listed(stores: &TestStores, folder: Folder) -> Vec<ConversationId> {
    list(stores, folder).await.into_iter().map(|conversation| conversation.id).collect()
}

/// Reads all pages of a folder and calls `after_page` after each.
async fn pages(
    stores: &TestStores,
    limit: u16,
    mut after_page: impl AsyncFnMut(usize),
) -> Vec<ConversationId> {
    let (mut seen, mut after, mut page_count) = (Vec::new(), None, 0);
    loop {
        let page = stores.list(Folder::Inbox, &Filter::default(), limit, after.as_deref()).await.unwrap();
        assert!(page.items.len() <= usize::from(limit));
        seen.extend(page.items.into_iter().map(|conversation| conversation.id));
        assert!(seen.len() <= 100, "the pages do not end");
        after_page(page_count).await;
        page_count += 1;
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn change(
    stores: &TestStores,
    conversation: &ConversationId,
    change: ConversationUpdate,
) -> Option<Conversation> {
    stores.update_conversation(conversation, change, at_second(500)).await
}

fn to(folder: Folder) -> ConversationUpdate {
    ConversationUpdate { folder: Some(folder), read: None }
}

fn read(read: bool) -> ConversationUpdate {
    ConversationUpdate { folder: None, read: Some(read) }
}

/// Starts `count` conversations and returns their ids, newest first.
async fn started(stores: &TestStores, count: usize) -> Vec<ConversationId> {
    let mut conversations = Vec::new();
    for index in 0..count {
        conversations.insert(0, stores.start_conversation(&number(index), at_second(index as u64)).await);
    }
    conversations
}

/// Accepts an outbound message and returns its id.
async fn compose(stores: &TestStores, at: u64) -> MessageId {
    let message = stores.outbound(&number(143), "See you on Friday.", &ada(), at_second(at));
    let accepted = stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
    assert_eq!(accepted, Accepted::Stored);
    message.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_ordered_by_last_activity_and_each_conversation_is_in_one_folder() {
    let stores = TestStores::start().await;
    let all = started(&stores, 5).await;
    assert_eq!(listed(&stores, Folder::Inbox).await, all);
    change(&stores, &all[1], to(Folder::Archived)).await;
    stores.receive(&number(0), "Me first", at_second(60)).await;
    assert_eq!(listed(&stores, Folder::Inbox).await, [4, 0, 2, 3].map(|index| all[index].clone()));
    assert_eq!(listed(&stores, Folder::Archived).await, [all[1].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_contain_each_conversation_once() {
    let stores = TestStores::start().await;
    let all = started(&stores, 11).await;
    for limit in [1, 4, 11, 50] {
        assert_eq!(pages(&stores, limit, async |_| ()).await, all, "pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_moves_between_two_pages_does_not_affect_others() {
    let stores = TestStores::start().await;
    let all = started(&stores, 9).await;
    let seen = pages(&stores, 3, async |page| {
        if page == 0 {
            change(&stores, &all[2], to(Folder::Archived)).await; // the last one of the page
            stores.receive(&number(2), "On top again", at_second(60)).await; // all[6], not read yet
            change(&stores, &all[7], to(Folder::Archived)).await;
        }
    })
    .await;
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 8].map(|index| all[index].clone()));
    assert_eq!(listed(&stores, Folder::Inbox).await[0], all[6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_cursor_is_refused() {
    let stores = TestStores::start().await;
    for index in ["", "inbox#1800000000000", "inbox#1800000000000#inb_1", "archived#1800000000000#cnv_1"] {
        let listed = stores.list(Folder::Inbox, &Filter::default(), 5, Some(index)).await;
        assert!(matches!(listed, Err(StoreError::Refused(_))), "{index:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_the_same_fields_as_the_conversation() {
    let stores = TestStores::start().await;
    stores.contacts.put(stores.inbox.team_key(), &contact(143)).await.unwrap();
    stores.receive(&number(143), &"Is there still a place? ".repeat(10), at_second(3)).await;
    let conversation = stores.conversation_id(&number(143));
    let whole = stores.stored_conversation(&conversation).await;
    let listed = list(&stores, Folder::Inbox).await;
    let as_listed = Conversation { last_inbound: None, waiting_since: None, ..whole };
    assert_eq!(listed, [as_listed], "lists contain neither the newest inbound message nor the wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_who_is_responding_and_until_when() {
    let stores = TestStores::start().await;
    let all = started(&stores, 4).await;
    let held = stores.acquire_lock(&all[1], &ada(), START).await;
    let also_held = stores.acquire_lock(&all[3], &ben(), at_second(1)).await;
    let leases = async || -> Vec<Option<Lease>> {
        list(&stores, Folder::Inbox).await.into_iter().map(|conversation| conversation.lock.lease).collect()
    };
    assert_eq!(leases().await, [None, Some(held.clone()), None, Some(also_held.clone())]);
    let (ada, policy) = (ada().id, LockPolicy::default());
    stores
        .locks
        .renew(stores.conversation_key(&all[1]), &ada, held.token, true, at_second(20), &policy)
        .await
        .unwrap();
    stores.locks.release(stores.conversation_key(&all[3]), &ben().id, also_held.token).await.unwrap();
    let later = leases().await;
    assert_eq!(
        later[1].as_ref().map(Lease::ends_at),
        Some(at_second(80)),
        "a list shows a renewal although it does not write the index"
    );
    assert_eq!(later[3], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn archiving_keeps_position_read_state_and_lock_and_ends_the_wait() {
    let stores = TestStores::start().await;
    let all = started(&stores, 3).await;
    stores.acquire_lock(&all[1], &ada(), START).await;
    let before = stores.stored_conversation(&all[1]).await;
    let changed = change(&stores, &all[1], to(Folder::Archived)).await.unwrap();
    let before = Conversation { waiting_since: None, ..before };
    assert_eq!(changed, Conversation { folder: Folder::Archived, ..before.clone() });
    let back = change(&stores, &all[1], to(Folder::Inbox)).await.unwrap();
    assert_eq!(back, before);
    assert_eq!(listed(&stores, Folder::Inbox).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn marking_twice_counts_once() {
    let stores = TestStores::start().await;
    let all = started(&stores, 3).await;
    assert_eq!(stores.unread().await, 3);
    for _ in 0..2 {
        assert!(change(&stores, &all[0], read(true)).await.unwrap().read);
        assert_eq!(stores.unread().await, 2);
    }
    for _ in 0..2 {
        assert!(!change(&stores, &all[0], read(false)).await.unwrap().read);
        assert_eq!(stores.unread().await, 3);
    }
    let counter_and_index = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    let changed = change(&stores, &all[2], counter_and_index).await.unwrap();
    assert_eq!((changed.folder, changed.read), (Folder::Archived, true));
    assert_eq!(stores.unread().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_change_returns_the_unchanged_conversation() {
    let stores = TestStores::start().await;
    let all = started(&stores, 1).await;
    let items = stores.items().await;
    let same = change(&stores, &all[0], ConversationUpdate::default()).await;
    assert_eq!(same, Some(stores.stored_conversation(&all[0]).await));
    assert_eq!(stores.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_conversation_is_neither_found_nor_created() {
    let stores = TestStores::start().await;
    let missing = stores.conversation_id(&number(999));
    assert_eq!(stores.conversations.get(stores.conversation_key(&missing)).await.unwrap(), None);
    for wanted in [to(Folder::Inbox), read(true), read(false), ConversationUpdate::default()] {
        assert_eq!(change(&stores, &missing, wanted).await, None);
    }
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_outbound_message_decides_whether_delivery_failed() {
    let stores = TestStores::start().await;
    let conversation = stores.conversation_id(&number(143));
    let mark = async |message: &MessageId, failed| {
        stores
            .conversations
            .mark_delivery(stores.conversation_key(&conversation), message, failed)
            .await
            .unwrap();
        let listed = list(&stores, stores.stored_conversation(&conversation).await.folder).await;
        let shown = stores.stored_conversation(&conversation).await.delivery_failed;
        assert_eq!(listed[0].delivery_failed, shown, "the list and the conversation show the same");
        shown
    };
    let first = compose(&stores, 0).await;
    assert!(mark(&first, true).await);
    assert!(!mark(&first, false).await, "it was delivered");
    assert!(!mark(&first, true).await, "a delivered message does not fail later");
    let second = compose(&stores, 10).await;
    assert!(
        !stores.stored_conversation(&conversation).await.delivery_failed,
        "a new outbound message resets the failure"
    );
    assert!(!mark(&first, true).await, "the older message has no effect");
    stores.receive(&number(143), "Thanks", at_second(20)).await;
    assert!(mark(&second, true).await, "an inbound message does not change the failure");
    assert!(mark(&first, false).await);
}
