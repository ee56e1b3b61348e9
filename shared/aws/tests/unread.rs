//! The counter of unread conversations: it follows whatever happens to them, and finds back when it was left behind.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use shared_aws::{
    conversation::{ConversationUpdate, Counter},
    messaging::Guard,
};
use shared_domain::{
    conversation::Folder, ids::ConversationId, keys::InboxKey, lock::LockPolicy, time::Timestamp,
};

use crate::support::{START, TestStores, ada, at_second, ben, number, seed};

const WALKS: u32 = 24;
const STEPS: usize = 20;
const CONTACTS: usize = 4;

/// What the sparse index says. The counter is left alone: nobody saw it as it is.
async fn in_index(stores: &TestStores) -> u64 {
    let unseen = Counter::default();
    stores.unread.recount(stores.inbox.key(), unseen, START).await.unwrap()
}

async fn both(stores: &TestStores) -> (u64, u64) {
    (stores.unread().await, in_index(stores).await)
}

async fn mark(stores: &TestStores, conversation: &ConversationId, read: bool, at: Timestamp) {
    let change = ConversationUpdate { folder: None, read: Some(read) };
    stores.update_conversation(conversation, change, at).await;
}

async fn file(stores: &TestStores, conversation: &ConversationId, folder: Folder, at: Timestamp) {
    let change = ConversationUpdate { folder: Some(folder), read: None };
    stores.update_conversation(conversation, change, at).await;
}

/// A host died between marking and counting: the counter is one too high.
async fn one_off(stores: &TestStores, at: Timestamp) {
    stores.unread.add(stores.inbox.key(), 1, at).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counter_follows_messages_replies_and_marks_and_counts_each_conversation_once() {
    let stores = TestStores::start().await;
    let first = stores.start_conversation(&number(1), at_second(0)).await;
    assert_eq!(both(&stores).await, (1, 1));
    stores.receive(&number(1), "Hello?", at_second(1)).await;
    assert_eq!(both(&stores).await, (1, 1), "it is one conversation still");
    stores.receive(&number(2), "Hello!", at_second(2)).await;
    assert_eq!(both(&stores).await, (2, 2));
    stores.acquire_lock(&first, &ada(), at_second(3)).await;
    assert_eq!(both(&stores).await, (1, 1));
    stores
        .locks
        .acquire(stores.conversation_key(&first), &ben(), at_second(4), &LockPolicy::default())
        .await
        .unwrap();
    assert_eq!(both(&stores).await, (1, 1), "who is refused reads nothing");
    mark(&stores, &first, false, at_second(5)).await;
    mark(&stores, &first, false, at_second(6)).await;
    assert_eq!(both(&stores).await, (2, 2), "unread twice is unread once");
    file(&stores, &first, Folder::Archived, at_second(7)).await;
    assert_eq!(both(&stores).await, (2, 2), "what is archived unread stays unread");
    mark(&stores, &first, true, at_second(8)).await;
    mark(&stores, &first, true, at_second(9)).await;
    assert_eq!(both(&stores).await, (1, 1));
    stores.receive(&number(1), "And another thing", at_second(10)).await;
    assert_eq!(both(&stores).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_inbox_is_not_counted() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await;
    let nowhere = shared_domain::ids::InboxId::new(START, 999);
    stores
        .unread
        .add(InboxKey { organization: stores.organization(), inbox: &nowhere }, 1, at_second(0))
        .await
        .unwrap();
    let seen = Counter::default();
    assert_eq!(
        stores
            .unread
            .recount(InboxKey { organization: stores.organization(), inbox: &nowhere }, seen, at_second(0))
            .await
            .unwrap(),
        0
    );
    assert_eq!(stores.all_items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_counter_is_corrected_after_a_minute_without_activity() {
    let stores = TestStores::start().await;
    stores.start_conversation(&number(1), at_second(0)).await;
    one_off(&stores, at_second(1)).await;
    assert_eq!(both(&stores).await, (2, 1));
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(61)));
    assert!(seen.needs_recount(at_second(62)));
    let counted = stores.unread.recount(stores.inbox.key(), seen, at_second(62)).await.unwrap();
    assert_eq!((counted, both(&stores).await), (1, (1, 1)));
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(100_000)), "once, until it moves again");
    stores.receive(&number(2), "Hello!", at_second(200)).await;
    assert!(stores.counter_of(&stores.inbox.id).await.needs_recount(at_second(261)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_changes_during_a_recount_is_not_overwritten() {
    let stores = TestStores::start().await;
    stores.start_conversation(&number(1), at_second(0)).await;
    one_off(&stores, at_second(1)).await;
    let seen = stores.counter_of(&stores.inbox.id).await;
    stores.receive(&number(2), "Hello!", at_second(62)).await;
    let counted = stores.unread.recount(stores.inbox.key(), seen, at_second(62)).await.unwrap();
    assert_eq!((counted, both(&stores).await), (2, (3, 2)), "who asks is told right, the counter waits");
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(122)));
    stores.unread.recount(stores.inbox.key(), seen, at_second(123)).await.unwrap();
    assert_eq!(both(&stores).await, (2, 2));
}

#[derive(Debug, Clone, Copy)]
enum What {
    Hear,
    Open { by_ada: bool },
    Mark { read: bool },
    File { archived: bool },
    Compose,
}

/// What happens in which conversation, so many seconds after the last.
fn step() -> impl Strategy<Value = (usize, What, u64)> {
    let what = prop_oneof![
        3 => Just(What::Hear),
        2 => any::<bool>().prop_map(|by_ada| What::Open { by_ada }),
        2 => any::<bool>().prop_map(|read| What::Mark { read }),
        1 => any::<bool>().prop_map(|archived| What::File { archived }),
        1 => Just(What::Compose),
    ];
    (0..CONTACTS, what, 1..90_u64)
}

async fn walk(stores: &TestStores, steps: Vec<(usize, What, u64)>) -> Result<(), TestCaseError> {
    let mut now = START;
    for (place, what, later) in steps {
        now = now + std::time::Duration::from_secs(later);
        let contact = number(place);
        let conversation = stores.conversation_id(&contact);
        match what {
            What::Hear => {
                stores.receive(&contact, "Hello?", now).await;
            }
            What::Open { by_ada } => {
                let user = if by_ada { ada() } else { ben() };
                let thread = stores.conversation_key(&conversation);
                stores.locks.acquire(thread, &user, now, &LockPolicy::default()).await.unwrap();
            }
            What::Mark { read } => mark(stores, &conversation, read, now).await,
            What::File { archived } => {
                let folder = if archived { Folder::Archived } else { Folder::Inbox };
                file(stores, &conversation, folder, now).await;
            }
            What::Compose => {
                let message = stores.outbound(&contact, "See you on Friday.", &ada(), now);
                stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
            }
        }
        let (counter, index) = both(stores).await;
        prop_assert_eq!(counter, index, "after {:?} with {}", what, place);
    }
    let mut unread = 0;
    for place in 0..CONTACTS {
        let conversation = stores.conversation_id(&number(place));
        let found = stores.conversations.get(stores.conversation_key(&conversation)).await.unwrap();
        unread += u64::from(found.is_some_and(|conversation| !conversation.read));
    }
    prop_assert_eq!(stores.unread().await, unread);
    Ok(())
}

#[test]
fn counter_index_and_conversations_agree_after_random_steps() {
    let seed = seed();
    let config = Config {
        cases: WALKS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let walked = TestRunner::new(config).run(&vec(step(), 1..=STEPS), |steps| {
        runtime.block_on(async { walk(&TestStores::start().await, steps).await })
    });
    walked.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}
