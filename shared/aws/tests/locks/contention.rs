//! Concurrent acquisitions: one holder, and unique tokens.

use std::collections::BTreeSet;

use shared_aws::conversation::{Acquired, Locks};
use shared_domain::{
    ids::ConversationId,
    keys::ConversationKey,
    lock::{FencingToken, Lease, LockPolicy},
    time::Timestamp,
    user::UserRef,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, colleague, number};

const CONTENDERS: usize = 32;

/// Acquires the lock for 32 users at the same time, each through its own client.
async fn acquire_all(
    stores: &TestStores,
    conversation: &ConversationId,
    user: impl Fn(usize) -> UserRef,
    at: Timestamp,
) -> Vec<Acquired> {
    let mut contenders = JoinSet::new();
    for index in 0..CONTENDERS {
        let (locks, user) = (Locks::new(stores.table()), user(index));
        let (inbox, conversation) = (stores.inbox.clone(), conversation.clone());
        contenders.spawn(async move {
            let key = ConversationKey {
                organization: &inbox.organization,
                inbox: &inbox.id,
                conversation: &conversation,
            };
            locks
                .acquire(key, &user, at, shared_lambda::clock::entropy(), &LockPolicy::default())
                .await
                .unwrap()
        });
    }
    contenders.join_all().await
}

fn winners(answers: &[Acquired]) -> Vec<&Lease> {
    let mut won = Vec::new();
    for answer in answers {
        match answer {
            Acquired::Held(lease) => won.push(lease),
            Acquired::Denied(_) | Acquired::TooMany(_) | Acquired::NoConversation => {}
        }
    }
    won
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_two_concurrent_acquisitions_one_succeeds_and_all_others_learn_the_holder() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let mut last = FencingToken::default();
    for round in 0..6 {
        let answers = acquire_all(&stores, &conversation, colleague, at_second(round)).await;
        let [lease] = winners(&answers)[..] else { panic!("expected one holder: {answers:?}") };
        assert!(lease.token > last, "round {round}");
        last = lease.token;
        let denied =
            |answer: &&Acquired| matches!(answer, Acquired::Denied(denied) if denied.holder == lease.holder);
        assert_eq!(answers.iter().filter(denied).count(), CONTENDERS - 1);
        stores
            .locks
            .release(stores.conversation_key(&conversation), &lease.holder.id, lease.token)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_tab_of_a_user_gets_its_own_token_and_the_highest_is_current() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    let answers = acquire_all(&stores, &conversation, |_| ada(), at_second(0)).await;
    let tokens: BTreeSet<FencingToken> = winners(&answers).iter().map(|lease| lease.token).collect();
    assert_eq!(tokens, (1..=CONTENDERS as u64).map(FencingToken::new).collect());
    let current = stores.stored_conversation(&conversation).await.lock.lease.map(|lease| lease.token);
    assert_eq!(current, tokens.last().copied());
}
