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

use crate::support::{Desk, START, ada, ben, number, seconds, seed};

const WALKS: u32 = 24;
const STEPS: usize = 20;
const CONTACTS: usize = 4;

/// What the sparse index says. The counter is left alone: nobody saw it as it is.
async fn in_index(desk: &Desk) -> u64 {
    let unseen = Counter::default();
    desk.unread
        .recount(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, unseen, START)
        .await
        .unwrap()
}

async fn both(desk: &Desk) -> (u64, u64) {
    (desk.unread().await, in_index(desk).await)
}

async fn mark(desk: &Desk, conversation: &ConversationId, read: bool, at: Timestamp) {
    let change = ConversationUpdate { folder: None, read: Some(read) };
    desk.change(conversation, change, at).await;
}

async fn file(desk: &Desk, conversation: &ConversationId, folder: Folder, at: Timestamp) {
    let change = ConversationUpdate { folder: Some(folder), read: None };
    desk.change(conversation, change, at).await;
}

/// A host died between marking and counting: the counter is one too high.
async fn one_off(desk: &Desk, at: Timestamp) {
    desk.unread
        .add(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, 1, at)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counter_follows_texts_answers_and_marks_and_each_conversation_counts_once() {
    let desk = Desk::open().await;
    let first = desk.conversation_begun_by(&number(1), seconds(0)).await;
    assert_eq!(both(&desk).await, (1, 1));
    desk.hear(&number(1), "Hello?", seconds(1)).await;
    assert_eq!(both(&desk).await, (1, 1), "it is one conversation still");
    desk.hear(&number(2), "Hello!", seconds(2)).await;
    assert_eq!(both(&desk).await, (2, 2));
    desk.open_to_answer(&first, &ada(), seconds(3)).await;
    assert_eq!(both(&desk).await, (1, 1));
    desk.locks.acquire(desk.thread(&first), &ben(), seconds(4), &LockPolicy::default()).await.unwrap();
    assert_eq!(both(&desk).await, (1, 1), "who is refused reads nothing");
    mark(&desk, &first, false, seconds(5)).await;
    mark(&desk, &first, false, seconds(6)).await;
    assert_eq!(both(&desk).await, (2, 2), "unread twice is unread once");
    file(&desk, &first, Folder::Archived, seconds(7)).await;
    assert_eq!(both(&desk).await, (2, 2), "what is archived unread stays unread");
    mark(&desk, &first, true, seconds(8)).await;
    mark(&desk, &first, true, seconds(9)).await;
    assert_eq!(both(&desk).await, (1, 1));
    desk.hear(&number(1), "And another thing", seconds(10)).await;
    assert_eq!(both(&desk).await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_not_there_is_not_counted() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await;
    let nowhere = shared_domain::ids::InboxId::new(START, 999);
    desk.unread
        .add(InboxKey { organization: desk.organization(), inbox: &nowhere }, 1, seconds(0))
        .await
        .unwrap();
    let seen = Counter::default();
    assert_eq!(
        desk.unread
            .recount(InboxKey { organization: desk.organization(), inbox: &nowhere }, seen, seconds(0))
            .await
            .unwrap(),
        0
    );
    assert_eq!(desk.all_rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_one_off_is_right_again_once_the_inbox_was_quiet_for_a_minute() {
    let desk = Desk::open().await;
    desk.conversation_begun_by(&number(1), seconds(0)).await;
    one_off(&desk, seconds(1)).await;
    assert_eq!(both(&desk).await, (2, 1));
    let seen = desk.counter_of(&desk.inbox.id).await;
    assert!(!seen.needs_recount(seconds(61)));
    assert!(seen.needs_recount(seconds(62)));
    let counted = desk
        .unread
        .recount(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, seen, seconds(62))
        .await
        .unwrap();
    assert_eq!((counted, both(&desk).await), (1, (1, 1)));
    let seen = desk.counter_of(&desk.inbox.id).await;
    assert!(!seen.needs_recount(seconds(100_000)), "once, until it moves again");
    desk.hear(&number(2), "Hello!", seconds(200)).await;
    assert!(desk.counter_of(&desk.inbox.id).await.needs_recount(seconds(261)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_moves_while_it_is_counted_anew_is_left_alone() {
    let desk = Desk::open().await;
    desk.conversation_begun_by(&number(1), seconds(0)).await;
    one_off(&desk, seconds(1)).await;
    let seen = desk.counter_of(&desk.inbox.id).await;
    desk.hear(&number(2), "Hello!", seconds(62)).await;
    let counted = desk
        .unread
        .recount(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, seen, seconds(62))
        .await
        .unwrap();
    assert_eq!((counted, both(&desk).await), (2, (3, 2)), "who asks is told right, the counter waits");
    let seen = desk.counter_of(&desk.inbox.id).await;
    assert!(!seen.needs_recount(seconds(122)));
    desk.unread
        .recount(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, seen, seconds(123))
        .await
        .unwrap();
    assert_eq!(both(&desk).await, (2, 2));
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

async fn walk(desk: &Desk, steps: Vec<(usize, What, u64)>) -> Result<(), TestCaseError> {
    let mut now = START;
    for (place, what, later) in steps {
        now = now + std::time::Duration::from_secs(later);
        let contact = number(place);
        let conversation = desk.conversation_with(&contact);
        match what {
            What::Hear => {
                desk.hear(&contact, "Hello?", now).await;
            }
            What::Open { by_ada } => {
                let user = if by_ada { ada() } else { ben() };
                let thread = desk.thread(&conversation);
                desk.locks.acquire(thread, &user, now, &LockPolicy::default()).await.unwrap();
            }
            What::Mark { read } => mark(desk, &conversation, read, now).await,
            What::File { archived } => {
                let folder = if archived { Folder::Archived } else { Folder::Inbox };
                file(desk, &conversation, folder, now).await;
            }
            What::Compose => {
                let message = desk.draft(&contact, "See you on Friday.", &ada(), now);
                desk.accept(&message, Guard::Compose { user: Some(&ada().id) }, None).await;
            }
        }
        let (counter, index) = both(desk).await;
        prop_assert_eq!(counter, index, "after {:?} with {}", what, place);
    }
    let mut unread = 0;
    for place in 0..CONTACTS {
        let conversation = desk.conversation_with(&number(place));
        let found = desk.conversations.get(desk.thread(&conversation)).await.unwrap();
        unread += u64::from(found.is_some_and(|conversation| !conversation.read));
    }
    prop_assert_eq!(desk.unread().await, unread);
    Ok(())
}

#[test]
fn counter_index_and_conversations_agree_on_every_walk() {
    let seed = seed();
    let config = Config {
        cases: WALKS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let walked = TestRunner::new(config).run(&vec(step(), 1..=STEPS), |steps| {
        runtime.block_on(async { walk(&Desk::open().await, steps).await })
    });
    walked.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}
