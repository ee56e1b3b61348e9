//! At most so many locks for one user: strictly, also for requests at one instant.

use shared_aws::conversation::Acquired;
use shared_domain::{ids::ConversationId, lock::LockPolicy, time::Timestamp, user::UserRef};

use crate::support::{Desk, ada, ben, cleo, number, seconds};

const POLICY: LockPolicy = LockPolicy {
    lease: std::time::Duration::from_secs(60),
    renew_after: std::time::Duration::from_secs(20),
    idle_prompt: std::time::Duration::from_secs(180),
    idle_release: std::time::Duration::from_secs(60),
    skew: std::time::Duration::from_millis(500),
    per_user: 3,
};

async fn conversations(desk: &Desk, how_many: usize) -> Vec<ConversationId> {
    let mut all = Vec::new();
    for place in 0..how_many {
        all.push(desk.conversation_begun_by(&number(place), seconds(place as u64)).await);
    }
    all
}

async fn acquire(desk: &Desk, conversation: &ConversationId, user: &UserRef, at: Timestamp) -> Acquired {
    desk.locks.acquire(desk.thread(conversation), user, at, &POLICY).await.unwrap()
}

fn token(acquired: &Acquired) -> shared_domain::lock::FencingToken {
    let Acquired::Held(lease) = acquired else { panic!("not acquired: {acquired:?}") };
    lease.token
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_than_allowed_is_refused_and_leaves_the_conversation_as_it_was() {
    let desk = Desk::open().await;
    let all = conversations(&desk, 5).await;
    let mut tokens = Vec::new();
    for conversation in &all[..3] {
        tokens.push(token(&acquire(&desk, conversation, &ada(), seconds(10)).await));
    }
    let before = desk.look_at(&all[3]).await;
    let Acquired::TooMany(held) = acquire(&desk, &all[3], &ada(), seconds(11)).await else {
        panic!("a fourth lock")
    };
    let mut named: Vec<_> = held.into_iter().map(|lock| (lock.conversation, lock.lease.token)).collect();
    named.sort();
    let mut expected: Vec<_> = all[..3].iter().cloned().zip(tokens.iter().copied()).collect();
    expected.sort();
    assert_eq!(named, expected);
    let after = desk.look_at(&all[3]).await;
    assert!(!after.read && after.lock.lease.is_none(), "still unread, and free");
    assert!(after.lock.fence > before.lock.fence, "the token that was given back never comes again");
    assert_eq!(desk.unread().await, 2, "three were opened");
    token(&acquire(&desk, &all[3], &ben(), seconds(11)).await);

    token(&acquire(&desk, &all[0], &ada(), seconds(12)).await); // again is no more
    desk.locks.release(desk.thread(&all[1]), &ada().id, tokens[1]).await.unwrap();
    token(&acquire(&desk, &all[4], &ada(), seconds(13)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_that_ran_out_were_taken_over_or_broken_count_no_more() {
    let desk = Desk::open().await;
    let all = conversations(&desk, 6).await;
    for conversation in &all[..3] {
        token(&acquire(&desk, conversation, &ada(), seconds(10)).await);
    }
    token(&acquire(&desk, &all[0], &ben(), seconds(100)).await); // the others have run out as well
    token(&acquire(&desk, &all[3], &ada(), seconds(100)).await);
    token(&acquire(&desk, &all[4], &ada(), seconds(100)).await);
    let fifth = acquire(&desk, &all[5], &ada(), seconds(100)).await;
    let broken = token(&fifth);
    assert!(matches!(acquire(&desk, &all[1], &ada(), seconds(101)).await, Acquired::TooMany(_)));
    desk.locks.break_lock(desk.thread(&all[5]), &cleo(), broken).await.unwrap();
    token(&acquire(&desk, &all[1], &ada(), seconds(102)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_at_one_instant_no_more_than_allowed_are_granted() {
    let desk = Desk::open().await;
    let all = conversations(&desk, 12).await;
    let locks: Vec<_> = (0..12).map(|_| shared_aws::conversation::Locks::new(desk.other_host())).collect();
    let ada = ada();
    let asked = locks
        .iter()
        .zip(&all)
        .map(|(locks, conversation)| locks.acquire(desk.thread(conversation), &ada, seconds(20), &POLICY));
    let answers = futures_util::future::join_all(asked).await;
    let granted = answers.iter().filter(|answer| matches!(answer, Ok(Acquired::Held(_)))).count();
    assert_eq!(granted, 3, "{answers:?}");
    let mut held = 0;
    for conversation in &all {
        held += usize::from(desk.look_at(conversation).await.lock.lease.is_some());
    }
    assert_eq!(held, 3, "what was refused is free");
    assert_eq!(desk.unread().await, 9);
}
