//! The counter of unread conversations: it follows every change, and a recount corrects it after a crash.

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

const RUNS: u32 = 24;
const STEPS: usize = 20;
const CONTACTS: usize = 4;

/// Counts the unread conversations in the sparse index, without correcting the counter.
async fn unread_in_index(stores: &TestStores) -> u64 {
    let unseen = Counter::default();
    stores.unread.recount(stores.inbox.key(), unseen, START).await.unwrap()
}

async fn counter_and_index(stores: &TestStores) -> (u64, u64) {
    (stores.unread().await, unread_in_index(stores).await)
}

async fn mark(stores: &TestStores, conversation: &ConversationId, read: bool, at: Timestamp) {
    let change = ConversationUpdate { folder: None, read: Some(read) };
    stores.update_conversation(conversation, change, at).await;
}

async fn file(stores: &TestStores, conversation: &ConversationId, folder: Folder, at: Timestamp) {
    let change = ConversationUpdate { folder: Some(folder), read: None };
    stores.update_conversation(conversation, change, at).await;
}

/// Makes the counter one too high, as a crash between marking and counting does.
async fn increment_counter(stores: &TestStores, at: Timestamp) {
    stores.unread.add(stores.inbox.key(), 1, at).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counter_follows_messages_replies_and_marks_and_counts_each_conversation_once() {
    let stores = TestStores::start().await;
    let first = stores.start_conversation(&number(1), at_second(0)).await;
    assert_eq!(counter_and_index(&stores).await, (1, 1));
    stores.receive(&number(1), "Hello?", at_second(1)).await;
    assert_eq!(counter_and_index(&stores).await, (1, 1), "it is the same conversation");
    stores.receive(&number(2), "Hello!", at_second(2)).await;
    assert_eq!(counter_and_index(&stores).await, (2, 2));
    stores.acquire_lock(&first, &ada(), at_second(3)).await;
    assert_eq!(counter_and_index(&stores).await, (1, 1));
    stores
        .locks
        .acquire(
            stores.conversation_key(&first),
            &ben(),
            at_second(4),
            shared_lambda::clock::entropy(),
            &LockPolicy::default(),
        )
        .await
        .unwrap();
    assert_eq!(counter_and_index(&stores).await, (1, 1), "a refusal does not mark the conversation read");
    mark(&stores, &first, false, at_second(5)).await;
    mark(&stores, &first, false, at_second(6)).await;
    assert_eq!(counter_and_index(&stores).await, (2, 2), "marking unread twice counts once");
    file(&stores, &first, Folder::Archived, at_second(7)).await;
    assert_eq!(counter_and_index(&stores).await, (2, 2), "archiving does not mark the conversation read");
    mark(&stores, &first, true, at_second(8)).await;
    mark(&stores, &first, true, at_second(9)).await;
    assert_eq!(counter_and_index(&stores).await, (1, 1));
    stores.receive(&number(1), "And another thing", at_second(10)).await;
    assert_eq!(counter_and_index(&stores).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_during_a_lock_is_read_once_the_holder_opens_the_conversation_again() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(1), at_second(0)).await;
    stores.acquire_lock(&conversation, &ada(), at_second(1)).await;
    stores.receive(&number(1), "And another thing", at_second(2)).await;
    assert_eq!(counter_and_index(&stores).await, (1, 1));
    stores.acquire_lock(&conversation, &ada(), at_second(3)).await;
    assert_eq!(counter_and_index(&stores).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_inbox_is_not_counted() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await;
    let missing = shared_domain::ids::InboxId::new(START, 999);
    stores
        .unread
        .add(InboxKey { organization: stores.organization(), inbox: &missing }, 1, at_second(0))
        .await
        .unwrap();
    let seen = Counter::default();
    assert_eq!(
        stores
            .unread
            .recount(InboxKey { organization: stores.organization(), inbox: &missing }, seen, at_second(0))
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
    increment_counter(&stores, at_second(1)).await;
    assert_eq!(counter_and_index(&stores).await, (2, 1));
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(61)));
    assert!(seen.needs_recount(at_second(62)));
    let counted = stores.unread.recount(stores.inbox.key(), seen, at_second(62)).await.unwrap();
    assert_eq!((counted, counter_and_index(&stores).await), (1, (1, 1)));
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(1_000)), "no recount is needed until the next change");
    stores.receive(&number(2), "Hello!", at_second(200)).await;
    assert!(stores.counter_of(&stores.inbox.id).await.needs_recount(at_second(261)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_changes_during_a_recount_is_not_overwritten() {
    let stores = TestStores::start().await;
    stores.start_conversation(&number(1), at_second(0)).await;
    increment_counter(&stores, at_second(1)).await;
    let seen = stores.counter_of(&stores.inbox.id).await;
    stores.receive(&number(2), "Hello!", at_second(62)).await;
    let counted = stores.unread.recount(stores.inbox.key(), seen, at_second(62)).await.unwrap();
    assert_eq!(
        (counted, counter_and_index(&stores).await),
        (2, (3, 2)),
        "the returned count is correct and the counter is not overwritten"
    );
    let seen = stores.counter_of(&stores.inbox.id).await;
    assert!(!seen.needs_recount(at_second(122)));
    stores.unread.recount(stores.inbox.key(), seen, at_second(123)).await.unwrap();
    assert_eq!(counter_and_index(&stores).await, (2, 2));
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Receive,
    Acquire { by_ada: bool },
    Mark { read: bool },
    Move { archived: bool },
    Compose,
}

/// A conversation, an action, and the seconds since the previous step.
fn step() -> impl Strategy<Value = (usize, Action, u64)> {
    let action = prop_oneof![
        3 => Just(Action::Receive),
        2 => any::<bool>().prop_map(|by_ada| Action::Acquire { by_ada }),
        2 => any::<bool>().prop_map(|read| Action::Mark { read }),
        1 => any::<bool>().prop_map(|archived| Action::Move { archived }),
        1 => Just(Action::Compose),
    ];
    (0..CONTACTS, action, 1..90_u64)
}

async fn run_steps(stores: &TestStores, steps: Vec<(usize, Action, u64)>) -> Result<(), TestCaseError> {
    let mut now = START;
    for (index, action, later) in steps {
        now = now + std::time::Duration::from_secs(later);
        let contact = number(index);
        let conversation = stores.conversation_id(&contact);
        match action {
            Action::Receive => {
                stores.receive(&contact, "Hello?", now).await;
            }
            Action::Acquire { by_ada } => {
                let user = if by_ada { ada() } else { ben() };
                let key = stores.conversation_key(&conversation);
                stores
                    .locks
                    .acquire(key, &user, now, shared_lambda::clock::entropy(), &LockPolicy::default())
                    .await
                    .unwrap();
            }
            Action::Mark { read } => mark(stores, &conversation, read, now).await,
            Action::Move { archived } => {
                let folder = if archived { Folder::Archived } else { Folder::Inbox };
                file(stores, &conversation, folder, now).await;
            }
            Action::Compose => {
                let message = stores.outbound(&contact, "See you on Friday.", &ada(), now);
                stores.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
            }
        }
        let (counter, index) = counter_and_index(stores).await;
        prop_assert_eq!(counter, index, "after {:?} with {}", action, index);
    }
    let mut unread = 0;
    for index in 0..CONTACTS {
        let conversation = stores.conversation_id(&number(index));
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
        cases: RUNS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result = TestRunner::new(config).run(&vec(step(), 1..=STEPS), |steps| {
        runtime.block_on(async { run_steps(&TestStores::start().await, steps).await })
    });
    result.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}
