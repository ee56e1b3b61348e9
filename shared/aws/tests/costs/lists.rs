//! Conversations, lists, and history.

use shared_aws::conversation::{ConversationUpdate, Listing};
use shared_domain::{
    contact::Contact,
    conversation::{Assignment, Conversation, Filter, Folder},
    keys::{InboxKey, TeamKey},
    user::UserRef,
};

use crate::support::{TestStores, ada, at_second, ben, contact, number};

use super::{Measurements, TEXT, receive};

pub(super) async fn reads(measured: &mut Measurements) {
    let mut conversations = Vec::new();
    for index in 0..50 {
        conversations.push(measured.conversation(index).await);
    }
    let first = conversations[0].clone();
    let get =
        async |stores: &TestStores| stores.conversations.get(stores.conversation_key(&first)).await.unwrap();
    measured.measure("read a conversation", get).await;
    let list =
        async |stores: &TestStores| stores.list(Folder::Inbox, &Filter::default(), 50, None).await.unwrap();
    assert_eq!(measured.measure("list page of 50", list).await.items.len(), 50);
    let count = async |stores: &TestStores| {
        let listing =
            Listing { inbox: stores.inbox.key(), folder: Folder::Inbox, filter: &Filter::default() };
        stores.conversations.count(listing).await.unwrap()
    };
    assert_eq!(measured.measure("count 50 conversations", count).await, 50);
    let wanted = [measured.stores.inbox.id.clone()];
    let locks = async |stores: &TestStores| {
        stores.locks.of_user(stores.organization(), &ben().id, &wanted, at_second(100)).await.unwrap()
    };
    assert!(measured.measure("read the locks of a user without locks", locks).await.is_empty());
    let counted =
        measured.stores.inboxes.with_teams(measured.stores.organization(), &wanted, &[]).await.unwrap();
    let (inbox, counter) = counted.0[0].clone();
    let recount = async |stores: &TestStores| {
        stores
            .unread
            .recount(
                InboxKey { organization: stores.organization(), inbox: &inbox.id },
                counter,
                at_second(900),
            )
            .await
            .unwrap()
    };
    assert_eq!(measured.measure("recount 50 unread conversations", recount).await, 50);
    for conversation in &conversations[..5] {
        measured.stores.acquire_lock(conversation, &ben(), at_second(100)).await;
    }
    measured.measure("list page of 50, five locked", list).await;
    for at in 101..125 {
        measured.stores.receive(&number(0), TEXT, at_second(at)).await;
    }
    let history = async |stores: &TestStores| {
        stores.messages.history(stores.organization(), &first, 25, None).await.unwrap()
    };
    assert_eq!(measured.measure("history page of 25", history).await.items.len(), 25);
    let change = async |stores: &TestStores, seen: Conversation, change| {
        stores.conversations.change(stores.organization(), seen, change, at_second(900)).await.unwrap()
    };
    let seen = measured.stores.stored_conversation(&first).await;
    let read = ConversationUpdate { folder: None, read: Some(true) };
    measured.measure("mark read", async |stores| change(stores, seen.clone(), read).await).await;
    let archived = ConversationUpdate { folder: Some(Folder::Archived), read: None };
    measured.measure("archive", async |stores| change(stores, seen.clone(), archived).await).await;
}

/// Lists a page through each filter. All contacts are assigned to one user.
pub(super) async fn filtered_lists(measured: &mut Measurements) {
    let stores = &measured.stores;
    let team = &stores.inbox.team;
    let unassigned = Contact { assigned: None, ..contact(59) };
    stores.contacts.put(TeamKey { organization: stores.organization(), team }, &unassigned).await.unwrap();
    receive(stores, 59, 300).await;
    measured
        .measure("inbound message, unread conversation without assigned user", async |stores| {
            receive(stores, 59, 301).await;
        })
        .await;
    for index in 0..50 {
        let stores = &measured.stores;
        let contact_of_team = Contact { assigned: Some(ada()), ..contact(index) };
        stores.contacts.put(stores.inbox.team_key(), &contact_of_team).await.unwrap();
        receive(stores, index, 400 + index as u64).await;
    }
    let page = async |stores: &TestStores, assigned: Option<UserRef>, read| {
        let filter = Filter { assigned: assigned.map(|user| Assignment::User(user.id)), read };
        stores.list(Folder::Inbox, &filter, 50, None).await.unwrap().items.len()
    };
    let lists = [
        ("list page of 50, unread", None, Some(false)),
        ("list page of 50, assigned", Some(ada()), None),
        ("list page of 50, assigned and unread", Some(ada()), Some(false)),
    ];
    for (operation, user, read) in lists {
        assert_eq!(
            measured.measure(operation, async |stores| page(stores, user.clone(), read).await).await,
            50
        );
    }
    let all: Vec<_> = (0..50).map(|index| measured.stores.conversation_id(&number(index))).collect();
    let read = ConversationUpdate { folder: None, read: Some(true) };
    let stores = &measured.stores;
    stores.conversations.change_many(stores.inbox.key(), &all, read, at_second(900)).await.unwrap();
    let operation = "list page of 50, read";
    assert_eq!(measured.measure(operation, async |stores| page(stores, None, Some(true)).await).await, 50);
}
