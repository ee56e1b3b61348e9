//! Conversations: lists by folder, who is responding, and what is moved or marked by hand.

use shared_aws::{
    conversation::ConversationUpdate,
    messaging::{Accepted, Guard},
    table::StoreError,
};
use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    ids::{ConversationId, MessageId},
    keys::TeamKey,
    lock::{Lease, LockPolicy},
};

use crate::support::{Desk, START, ada, ben, contact, number, seconds};

async fn list(desk: &Desk, folder: Folder) -> Vec<Conversation> {
    let page = desk.list(folder, &Filter::default(), 50, None).await.unwrap();
    page.items
}

async fn listed(desk: &Desk, folder: Folder) -> Vec<ConversationId> {
    list(desk, folder).await.into_iter().map(|conversation| conversation.id).collect()
}

/// Goes through a folder page by page; `meanwhile` happens after each.
async fn pages(desk: &Desk, limit: u16, mut meanwhile: impl AsyncFnMut(usize)) -> Vec<ConversationId> {
    let (mut seen, mut after, mut page_count) = (Vec::new(), None, 0);
    loop {
        let page = desk.list(Folder::Inbox, &Filter::default(), limit, after.as_deref()).await.unwrap();
        assert!(page.items.len() <= usize::from(limit));
        seen.extend(page.items.into_iter().map(|conversation| conversation.id));
        assert!(seen.len() <= 100, "the pages never end");
        meanwhile(page_count).await;
        page_count += 1;
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn change(
    desk: &Desk,
    conversation: &ConversationId,
    change: ConversationUpdate,
) -> Option<Conversation> {
    desk.change(conversation, change, seconds(500)).await
}

fn to(folder: Folder) -> ConversationUpdate {
    ConversationUpdate { folder: Some(folder), read: None }
}

fn read(read: bool) -> ConversationUpdate {
    ConversationUpdate { folder: None, read: Some(read) }
}

/// Conversations of so many numbers, the latest first.
async fn begun(desk: &Desk, how_many: usize) -> Vec<ConversationId> {
    let mut conversations = Vec::new();
    for place in 0..how_many {
        conversations.insert(0, desk.conversation_begun_by(&number(place), seconds(place as u64)).await);
    }
    conversations
}

/// A text of ours, accepted.
async fn composed(desk: &Desk, at: u64) -> MessageId {
    let message = desk.draft(&number(143), "See you on Friday.", &ada(), seconds(at));
    let accepted = desk.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
    assert_eq!(accepted, Accepted::Stored);
    message.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_listed_by_last_activity_and_each_conversation_stands_in_one() {
    let desk = Desk::open().await;
    let all = begun(&desk, 5).await;
    assert_eq!(listed(&desk, Folder::Inbox).await, all);
    change(&desk, &all[1], to(Folder::Archived)).await;
    desk.hear(&number(0), "Me first", seconds(60)).await;
    assert_eq!(listed(&desk, Folder::Inbox).await, [4, 0, 2, 3].map(|place| all[place].clone()));
    assert_eq!(listed(&desk, Folder::Archived).await, [all[1].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_loss_or_repetition() {
    let desk = Desk::open().await;
    let all = begun(&desk, 11).await;
    for limit in [1, 4, 11, 50] {
        assert_eq!(pages(&desk, limit, async |_| ()).await, all, "pages of {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_between_two_pages_disturbs_nothing_else() {
    let desk = Desk::open().await;
    let all = begun(&desk, 9).await;
    let seen = pages(&desk, 3, async |page| {
        if page == 0 {
            change(&desk, &all[2], to(Folder::Archived)).await; // the one at which the page ended
            desk.hear(&number(2), "On top again", seconds(60)).await; // all[6], not yet seen
            change(&desk, &all[7], to(Folder::Archived)).await;
        }
    })
    .await;
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 8].map(|place| all[place].clone()));
    assert_eq!(listed(&desk, Folder::Inbox).await[0], all[6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_no_place_is_refused() {
    let desk = Desk::open().await;
    for place in ["", "inbox#1800000000000", "inbox#1800000000000#inb_1", "archived#1800000000000#cnv_1"] {
        let listed = desk.list(Folder::Inbox, &Filter::default(), 5, Some(place)).await;
        assert!(matches!(listed, Err(StoreError::Refused(_))), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_the_conversation_itself_shows() {
    let desk = Desk::open().await;
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(143))
        .await
        .unwrap();
    desk.hear(&number(143), &"Is there still a place? ".repeat(10), seconds(3)).await;
    let conversation = desk.conversation_with(&number(143));
    let whole = desk.look_at(&conversation).await;
    let listed = list(&desk, Folder::Inbox).await;
    let as_listed = Conversation { last_inbound: None, ..whole };
    assert_eq!(listed, [as_listed], "only the newest inbound text stands in no list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_who_is_responding_and_until_when() {
    let desk = Desk::open().await;
    let all = begun(&desk, 4).await;
    let held = desk.open_to_answer(&all[1], &ada(), START).await;
    let also_held = desk.open_to_answer(&all[3], &ben(), seconds(1)).await;
    let leases = async || -> Vec<Option<Lease>> {
        list(&desk, Folder::Inbox).await.into_iter().map(|conversation| conversation.lock.lease).collect()
    };
    assert_eq!(leases().await, [None, Some(held.clone()), None, Some(also_held.clone())]);
    let (ada, policy) = (ada().id, LockPolicy::default());
    desk.locks.renew(desk.thread(&all[1]), &ada, held.token, true, seconds(20), &policy).await.unwrap();
    desk.locks.release(desk.thread(&all[3]), &ben().id, also_held.token).await.unwrap();
    let later = leases().await;
    assert_eq!(
        later[1].as_ref().map(Lease::ends_at),
        Some(seconds(80)),
        "a renewal is seen though it writes no index"
    );
    assert_eq!(later[3], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn archiving_by_hand_keeps_place_read_state_and_lock() {
    let desk = Desk::open().await;
    let all = begun(&desk, 3).await;
    desk.open_to_answer(&all[1], &ada(), START).await;
    let before = desk.look_at(&all[1]).await;
    let changed = change(&desk, &all[1], to(Folder::Archived)).await.unwrap();
    assert_eq!(changed, Conversation { folder: Folder::Archived, ..before.clone() });
    let back = change(&desk, &all[1], to(Folder::Inbox)).await.unwrap();
    assert_eq!(back, before);
    assert_eq!(listed(&desk, Folder::Inbox).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_and_unread_are_counted_however_often_they_are_marked() {
    let desk = Desk::open().await;
    let all = begun(&desk, 3).await;
    assert_eq!(desk.unread().await, 3);
    for _ in 0..2 {
        assert!(change(&desk, &all[0], read(true)).await.unwrap().read);
        assert_eq!(desk.unread().await, 2);
    }
    for _ in 0..2 {
        assert!(!change(&desk, &all[0], read(false)).await.unwrap().read);
        assert_eq!(desk.unread().await, 3);
    }
    let both = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    let changed = change(&desk, &all[2], both).await.unwrap();
    assert_eq!((changed.folder, changed.read), (Folder::Archived, true));
    assert_eq!(desk.unread().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_nothing_gives_the_conversation_as_it_is() {
    let desk = Desk::open().await;
    let all = begun(&desk, 1).await;
    let rows = desk.rows().await;
    let same = change(&desk, &all[0], ConversationUpdate::default()).await;
    assert_eq!(same, Some(desk.look_at(&all[0]).await));
    assert_eq!(desk.rows().await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_is_not_there_is_neither_found_nor_made() {
    let desk = Desk::open().await;
    let nowhere = desk.conversation_with(&number(999));
    assert_eq!(desk.conversations.get(desk.thread(&nowhere)).await.unwrap(), None);
    for wanted in [to(Folder::Inbox), read(true), read(false), ConversationUpdate::default()] {
        assert_eq!(change(&desk, &nowhere, wanted).await, None);
    }
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_text_of_ours_says_whether_delivery_failed() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_with(&number(143));
    let mark = async |message: &MessageId, failed| {
        desk.conversations.mark_delivery(desk.thread(&conversation), message, failed).await.unwrap();
        let listed = list(&desk, desk.look_at(&conversation).await.folder).await;
        let shown = desk.look_at(&conversation).await.delivery_failed;
        assert_eq!(listed[0].delivery_failed, shown, "list and conversation agree");
        shown
    };
    let first = composed(&desk, 0).await;
    assert!(mark(&first, true).await);
    assert!(!mark(&first, false).await, "delivered after all");
    assert!(!mark(&first, true).await, "what arrived never fails again, however late somebody says so");
    let second = composed(&desk, 10).await;
    assert!(!desk.look_at(&conversation).await.delivery_failed, "a new text of ours begins anew");
    assert!(!mark(&first, true).await, "the older text says nothing any more");
    desk.hear(&number(143), "Thanks", seconds(20)).await;
    assert!(mark(&second, true).await, "an inbound text is not one of ours");
    assert!(mark(&first, false).await);
}
