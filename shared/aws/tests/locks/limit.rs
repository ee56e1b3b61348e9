//! The limit of locks per user, also for concurrent requests.

use shared_aws::{conversation::Acquired, table::keys};
use shared_domain::{ids::ConversationId, lock::LockPolicy, time::Timestamp, user::UserRef};

use crate::support::{TestStores, ada, at_second, ben, cleo, number};

const POLICY: LockPolicy = LockPolicy {
    lease: std::time::Duration::from_secs(60),
    renew_after: std::time::Duration::from_secs(20),
    idle_prompt: std::time::Duration::from_secs(180),
    idle_release: std::time::Duration::from_secs(60),
    skew: std::time::Duration::from_millis(500),
    per_user: 3,
};

async fn conversations(stores: &TestStores, count: usize) -> Vec<ConversationId> {
    let mut all = Vec::new();
    for index in 0..count {
        all.push(stores.start_conversation(&number(index), at_second(index as u64)).await);
    }
    all
}

async fn acquire(
    stores: &TestStores,
    conversation: &ConversationId,
    user: &UserRef,
    at: Timestamp,
) -> Acquired {
    stores
        .locks
        .acquire(stores.conversation_key(conversation), user, at, shared_lambda::clock::entropy(), &POLICY)
        .await
        .unwrap()
}

fn token(acquired: &Acquired) -> shared_domain::lock::FencingToken {
    let Acquired::Held(lease) = acquired else { panic!("not acquired: {acquired:?}") };
    lease.token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_above_the_limit_is_refused_and_leaves_the_conversation_unchanged() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 5).await;
    let mut tokens = Vec::new();
    for conversation in &all[..3] {
        tokens.push(token(&acquire(&stores, conversation, &ada(), at_second(10)).await));
    }
    let before = stores.stored_conversation(&all[3]).await;
    let Acquired::TooMany(held) = acquire(&stores, &all[3], &ada(), at_second(11)).await else {
        panic!("a fourth lock was granted")
    };
    let mut named: Vec<_> = held.into_iter().map(|lock| (lock.conversation, lock.lease.token)).collect();
    named.sort();
    let mut expected: Vec<_> = all[..3].iter().cloned().zip(tokens.iter().copied()).collect();
    expected.sort();
    assert_eq!(named, expected);
    let after = stores.stored_conversation(&all[3]).await;
    assert!(!after.read && after.lock.lease.is_none(), "the conversation is unread and unlocked");
    assert!(after.lock.fence > before.lock.fence, "the released token is never reused");
    assert_eq!(stores.unread().await, 2, "three conversations were opened");
    token(&acquire(&stores, &all[3], &ben(), at_second(11)).await);

    token(&acquire(&stores, &all[0], &ada(), at_second(12)).await); // the same lock counts once
    stores.locks.release(stores.conversation_key(&all[1]), &ada().id, tokens[1]).await.unwrap();
    token(&acquire(&stores, &all[4], &ada(), at_second(13)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_taken_over_and_broken_locks_do_not_count() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 6).await;
    for conversation in &all[..3] {
        token(&acquire(&stores, conversation, &ada(), at_second(10)).await);
    }
    token(&acquire(&stores, &all[0], &ben(), at_second(100)).await); // the other two have expired too
    token(&acquire(&stores, &all[3], &ada(), at_second(100)).await);
    token(&acquire(&stores, &all[4], &ada(), at_second(100)).await);
    let fifth = acquire(&stores, &all[5], &ada(), at_second(100)).await;
    let broken = token(&fifth);
    assert!(matches!(acquire(&stores, &all[1], &ada(), at_second(101)).await, Acquired::TooMany(_)));
    stores.locks.break_lock(stores.conversation_key(&all[5]), &cleo(), broken).await.unwrap();
    token(&acquire(&stores, &all[1], &ada(), at_second(102)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_never_exceed_the_limit() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 12).await;
    let locks: Vec<_> = (0..12).map(|_| shared_aws::conversation::Locks::new(stores.table())).collect();
    let ada = ada();
    let asked = locks.iter().zip(&all).map(|(locks, conversation)| {
        locks.acquire(
            stores.conversation_key(conversation),
            &ada,
            at_second(20),
            shared_lambda::clock::entropy(),
            &POLICY,
        )
    });
    let answers = futures_util::future::join_all(asked).await;
    let granted = answers.iter().filter(|answer| matches!(answer, Ok(Acquired::Held(_)))).count();
    assert_eq!(granted, 3, "{answers:?}");
    let mut held = 0;
    for conversation in &all {
        held += usize::from(stores.stored_conversation(conversation).await.lock.lease.is_some());
    }
    assert_eq!(held, 3, "refused conversations are unlocked");
    assert_eq!(stores.unread().await, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_for_one_conversation_never_exceed_the_limit() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 4).await;
    for conversation in &all[..3] {
        token(&acquire(&stores, conversation, &ada(), at_second(10)).await);
    }
    for round in 11..17 {
        let ada = ada();
        let asked = (0..8).map(|_| acquire(&stores, &all[3], &ada, at_second(round)));
        let answers = futures_util::future::join_all(asked.collect::<Vec<_>>()).await;
        assert!(answers.iter().all(|answer| matches!(answer, Acquired::TooMany(_))), "{answers:?}");
        let conversation = stores.stored_conversation(&all[3]).await;
        assert_eq!(conversation.lock.lease, None);
        assert_eq!(stores.unread().await, u64::from(!conversation.read));
        stores.receive(&number(3), "Still there?", at_second(round)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_entry_was_not_written_counts_once_its_holder_acquires_it_again() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 1).await;
    token(&acquire(&stores, &all[0], &ada(), at_second(10)).await);
    stores.delete_item(keys::held_locks(stores.organization(), &ada().id)).await;
    token(&acquire(&stores, &all[0], &ada(), at_second(11)).await);
    let inboxes = std::slice::from_ref(&stores.inbox.id);
    let broken = stores.locks.break_all_of(stores.organization(), &ada().id, inboxes, &cleo()).await;
    assert_eq!(broken.unwrap(), 1);
    assert_eq!(stores.stored_conversation(&all[0]).await.lock.lease, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_lock_does_not_count() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 6).await;
    for conversation in &all[..3] {
        token(&acquire(&stores, conversation, &ben(), at_second(10)).await);
        assert!(matches!(acquire(&stores, conversation, &ada(), at_second(11)).await, Acquired::Denied(_)));
    }
    for conversation in &all[3..] {
        token(&acquire(&stores, conversation, &ada(), at_second(12)).await);
    }
}

/// Two requests of one user and the release of another: the refused request gives its entry back and leaves
/// that of the granted one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_granted_lock_is_found_when_its_holder_loses_access() {
    let stores = TestStores::start().await;
    let all = conversations(&stores, 1).await;
    let (ada, inboxes) = (ada(), std::slice::from_ref(&stores.inbox.id));
    for round in 0..40 {
        let at = at_second(10 + round);
        let held = token(&acquire(&stores, &all[0], &ben(), at).await);
        let release = async {
            stores.locks.release(stores.conversation_key(&all[0]), &ben().id, held).await.unwrap();
        };
        let (one, other, ()) =
            tokio::join!(acquire(&stores, &all[0], &ada, at), acquire(&stores, &all[0], &ada, at), release);
        let granted = [one, other].iter().any(|answer| matches!(answer, Acquired::Held(_)));
        let broken = stores.locks.break_all_of(stores.organization(), &ada.id, inboxes, &cleo()).await;
        assert_eq!(broken.unwrap(), usize::from(granted), "round {round}");
    }
}
