//! Filtered lists: each contains exactly the conversations that [`Filter::matches`], ordered by last
//! activity.

use std::{collections::BTreeSet, time::Duration};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use shared_aws::{
    conversation::{ConversationUpdate, Listing},
    messaging::Guard,
};
use shared_domain::{
    contact::Contact,
    conversation::{Assignment, Conversation, Filter, Folder},
    ids::ConversationId,
    time::Timestamp,
    user::UserRef,
};

use crate::support::{START, TestStores, ada, at_second, ben, cleo, contact, number, seed};

const FOLDERS: [Folder; 2] = [Folder::Inbox, Folder::Archived];

/// Returns every combination of assigned user (any, Ada, Ben, none) and read state (any, read, unread).
fn filters() -> impl Iterator<Item = Filter> {
    let user = |user: UserRef| Some(Assignment::User(user.id));
    let assigned = [None, user(ada()), user(ben()), Some(Assignment::None)];
    let states = [None, Some(true), Some(false)];
    assigned
        .into_iter()
        .flat_map(move |assigned| states.map(|read| Filter { assigned: assigned.clone(), read }))
}

/// Returns all pages of a list.
async fn listed(stores: &TestStores, folder: Folder, filter: &Filter, limit: u16) -> Vec<Conversation> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = stores.list(folder, filter, limit, after.as_deref()).await.unwrap();
        assert!(page.items.len() <= usize::from(limit), "a page of {limit}");
        seen.extend(page.items);
        assert!(seen.len() <= 1000, "the pages do not end");
        after = page.next;
        if after.is_none() {
            return seen;
        }
    }
}

async fn assign(stores: &TestStores, index: usize, user: Option<UserRef>) {
    let known = Contact { assigned: user, ..contact(index) };
    stores.contacts.put(stores.inbox.team_key(), &known).await.unwrap();
    stores.inboxes.put(&stores.inbox).await.unwrap();
    stores.contacts.sync_conversations(stores.inbox.team_key(), &known.number).await.unwrap();
}

fn ids(conversations: &[Conversation]) -> Vec<ConversationId> {
    conversations.iter().map(|conversation| conversation.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_combine() {
    let stores = TestStores::start().await;
    let mut all = Vec::new();
    for index in 0..4 {
        let user = if index < 2 { ada() } else { ben() };
        assign(&stores, index, Some(user)).await;
        all.push(stores.start_conversation(&number(index), at_second(index as u64)).await);
    }
    let mark = ConversationUpdate { folder: None, read: Some(true) };
    stores.update_conversation(&all[0], mark, at_second(100)).await;
    stores.update_conversation(&all[2], mark, at_second(100)).await;
    let shown = async |assigned: Option<Assignment>, read| {
        let filter = Filter { assigned, read };
        ids(&listed(&stores, Folder::Inbox, &filter, 50).await)
    };
    let expected = |places: &[usize]| -> Vec<_> { places.iter().map(|index| all[*index].clone()).collect() };
    assert_eq!(shown(None, None).await, expected(&[3, 2, 1, 0]));
    let user = |user: UserRef| Some(Assignment::User(user.id));
    assert_eq!(shown(user(ada()), None).await, expected(&[1, 0]));
    assert_eq!(shown(None, Some(true)).await, expected(&[2, 0]));
    assert_eq!(shown(None, Some(false)).await, expected(&[3, 1]));
    assert_eq!(shown(user(ada()), Some(true)).await, expected(&[0]));
    assert_eq!(shown(user(ben()), Some(false)).await, expected(&[3]));
    assert!(shown(user(cleo()), None).await.is_empty());
    let none = Some(Assignment::None);
    assert!(shown(none.clone(), None).await.is_empty());
    assign(&stores, 1, None).await;
    assign(&stores, 2, None).await;
    assert_eq!(shown(none.clone(), None).await, expected(&[2, 1]));
    assert_eq!(shown(none.clone(), Some(true)).await, expected(&[2]));
    assert_eq!(shown(none, Some(false)).await, expected(&[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn assigning_and_unassigning_updates_the_lists() {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(7), at_second(0)).await;
    let of = async |user: UserRef| {
        let filter = Filter { assigned: Some(Assignment::User(user.id)), read: None };
        ids(&listed(&stores, Folder::Inbox, &filter, 50).await)
    };
    assign(&stores, 7, Some(ada())).await;
    assert_eq!((of(ada()).await, of(ben()).await), (vec![conversation.clone()], vec![]));
    assign(&stores, 7, Some(ben())).await;
    assert_eq!((of(ada()).await, of(ben()).await), (vec![], vec![conversation]));
    assign(&stores, 7, None).await;
    assert_eq!((of(ada()).await, of(ben()).await), (vec![], vec![]));
}

/// A composed message to an assigned contact starts a conversation in the list of the assigned user.
#[tokio::test(flavor = "multi_thread")]
async fn a_composed_message_starts_a_conversation_with_the_assigned_user() {
    let stores = TestStores::start().await;
    let known = Contact { assigned: Some(ben()), ..contact(8) };
    let message = stores.outbound(&number(8), "See you on Friday.", &ada(), at_second(1));
    let wanted = shared_aws::messaging::Acceptance {
        organization: stores.organization(),
        message: &message,
        contact: &known,
        guard: Guard::Compose { user: Some(&ada().id) },
        idempotency: None,
    };
    stores.sends.accept(wanted).await.unwrap();
    let filter = Filter { assigned: Some(Assignment::User(ben().id)), read: Some(true) };
    assert_eq!(ids(&listed(&stores, Folder::Archived, &filter, 5).await), [message.conversation]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_full_although_most_conversations_before_it_do_not_match() {
    let stores = TestStores::start().await;
    let mut all = Vec::new();
    for index in 0..110 {
        all.push(stores.start_conversation(&number(index), at_second(index as u64)).await);
    }
    let mark = ConversationUpdate { folder: None, read: Some(true) };
    for index in [0, 1, 2] {
        stores.update_conversation(&all[index], mark, at_second(100)).await; // the oldest
    }
    let read = Filter { assigned: None, read: Some(true) };
    let page = stores.list(Folder::Inbox, &read, 4, None).await.unwrap();
    assert_eq!(ids(&page.items), [2, 1, 0].map(|index| all[index].clone()));
    let (page, bill) = stores.cost(stores.list(Folder::Inbox, &read, 2, None)).await;
    let page = page.unwrap();
    let full = [2, 1].map(|index| all[index].clone());
    assert_eq!((ids(&page.items), bill.requests), (full.to_vec(), 3), "2, 100 and 8 entries");
    let last = stores.list(Folder::Inbox, &read, 2, page.next.as_deref()).await.unwrap();
    assert_eq!((ids(&last.items), last.next), (vec![all[0].clone()], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_a_list_is_one_query() {
    let stores = TestStores::start().await;
    for index in 0..3 {
        assign(&stores, index, (index > 0).then(ada)).await;
        stores.start_conversation(&number(index), at_second(index as u64)).await;
    }
    let archived = stores.conversation_id(&number(2));
    let archive = ConversationUpdate { folder: Some(Folder::Archived), read: None };
    stores.update_conversation(&archived, archive, at_second(100)).await;
    let of_ada = Filter { assigned: Some(Assignment::User(ada().id)), read: None };
    for (folder, filter, expected) in [
        (Folder::Inbox, &Filter::default(), 2),
        (Folder::Inbox, &of_ada, 1),
        (Folder::Archived, &Filter::default(), 1),
    ] {
        let listing = Listing { inbox: stores.inbox.key(), folder, filter };
        let (count, bill) = stores.cost(stores.conversations.count(listing)).await;
        assert_eq!((count.unwrap(), bill.requests), (expected, 1), "{folder:?} {filter:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Receive,
    Acquire { by_ada: bool },
    Mark { read: bool },
    Move { archived: bool },
    Compose,
    Assign { to: Option<bool> },
}

fn step(contacts: usize) -> impl Strategy<Value = (usize, Action, u64)> {
    let action = prop_oneof![
        3 => Just(Action::Receive),
        1 => any::<bool>().prop_map(|by_ada| Action::Acquire { by_ada }),
        2 => any::<bool>().prop_map(|read| Action::Mark { read }),
        1 => any::<bool>().prop_map(|archived| Action::Move { archived }),
        1 => Just(Action::Compose),
        2 => any::<Option<bool>>().prop_map(|to| Action::Assign { to }),
    ];
    (0..contacts, action, 1..90_u64)
}

async fn take(stores: &TestStores, index: usize, action: Action, now: Timestamp) {
    let conversation = stores.conversation_id(&number(index));
    match action {
        Action::Receive => {
            stores.receive(&number(index), "Hello?", now).await;
        }
        Action::Acquire { by_ada } => {
            let user = if by_ada { ada() } else { ben() };
            let policy = shared_domain::lock::LockPolicy::default();
            stores
                .locks
                .acquire(
                    stores.conversation_key(&conversation),
                    &user,
                    now,
                    shared_lambda::clock::entropy(),
                    &policy,
                )
                .await
                .unwrap();
        }
        Action::Mark { read } => {
            stores
                .update_conversation(
                    &conversation,
                    ConversationUpdate { folder: None, read: Some(read) },
                    now,
                )
                .await;
        }
        Action::Move { archived } => {
            let folder = FOLDERS[usize::from(archived)];
            stores
                .update_conversation(
                    &conversation,
                    ConversationUpdate { folder: Some(folder), read: None },
                    now,
                )
                .await;
        }
        Action::Compose => {
            let message = stores.outbound(&number(index), "See you on Friday.", &ada(), now);
            stores.accept(&message, Guard::Compose { user: Some(&cleo().id) }, None).await;
        }
        Action::Assign { to } => {
            assign(stores, index, to.map(|to_ada| if to_ada { ada() } else { ben() })).await;
        }
    }
}

const CONTACTS: usize = 6;

async fn run_steps(steps: Vec<(usize, Action, u64)>) -> Result<(), TestCaseError> {
    let stores = TestStores::start().await;
    let mut now = START;
    for (index, action, later) in steps {
        now = now + Duration::from_secs(later);
        take(&stores, index, action, now).await;
    }
    let mut all = Vec::new();
    for index in 0..CONTACTS {
        let conversation = stores.conversation_id(&number(index));
        all.extend(stores.conversations.get(stores.conversation_key(&conversation)).await.unwrap());
    }
    all.sort_by_key(|one| std::cmp::Reverse((one.last_activity_at, one.id.clone())));
    for folder in FOLDERS {
        for filter in filters() {
            let fits = |one: &&Conversation| one.folder == folder && filter.matches(one);
            let expected: Vec<_> = all.iter().filter(fits).map(|one| one.id.clone()).collect();
            for limit in [1, 2, 50] {
                let shown = ids(&listed(&stores, folder, &filter, limit).await);
                prop_assert_eq!(&shown, &expected, "{:?} of {:?} by {}", filter, folder, limit);
            }
        }
    }
    Ok(())
}

#[test]
fn every_list_shows_what_its_filter_admits_after_random_steps() {
    let seed = seed();
    let config =
        Config { cases: 24, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result =
        TestRunner::new(config).run(&vec(step(CONTACTS), 1..=40), |steps| runtime.block_on(run_steps(steps)));
    result.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}

/// While some conversations move, a reader of all pages sees each of the others once, and each page is
/// ordered by activity.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_keep_their_order_while_conversations_move() {
    const STILL: usize = 30;
    const BUSY: usize = 10;
    let stores = TestStores::start().await;
    let mut still = Vec::new();
    for index in 0..STILL + BUSY {
        if index.is_multiple_of(2) {
            assign(&stores, index, Some(ada())).await;
        }
        let conversation = stores.start_conversation(&number(index), at_second(index as u64)).await;
        if index % 4 != 3 {
            still.push((index, conversation));
        }
    }
    let busy: Vec<usize> = (0..STILL + BUSY).filter(|index| index % 4 == 3).collect();
    let seed = seed();
    let moving = async {
        let mut state = seed;
        for turn in 0..120_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = busy[usize::try_from(state >> 33).unwrap() % busy.len()];
            let action = [
                Action::Receive,
                Action::Mark { read: true },
                Action::Move { archived: true },
                Action::Compose,
                Action::Mark { read: false },
                Action::Acquire { by_ada: true },
            ][usize::try_from(state >> 40).unwrap() % 6];
            take(&stores, index, action, at_second(1000 + turn)).await;
        }
    };
    let reading = async {
        for filter in filters().chain(filters()) {
            let mut seen: Vec<ConversationId> = Vec::new();
            let mut after = None;
            loop {
                let page = stores.list(Folder::Inbox, &filter, 7, after.as_deref()).await.unwrap();
                let times: Vec<_> = page.items.iter().map(|one| one.last_activity_at).collect();
                assert!(times.is_sorted_by(|newer, older| newer >= older), "seed {seed}: {times:?}");
                seen.extend(ids(&page.items));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let unmoved: BTreeSet<_> = still.iter().map(|(_, id)| id).collect();
            let shown: Vec<_> = seen.into_iter().filter(|id| unmoved.contains(id)).collect();
            let admitted = |index: &usize| {
                filter.read != Some(true)
                    && filter.assigned.as_ref().is_none_or(|wanted| {
                        wanted.user() == index.is_multiple_of(2).then(ada).map(|user| user.id).as_ref()
                    })
            };
            let fitting = still.iter().rev().filter(|(index, _)| admitted(index));
            let expected: Vec<_> = fitting.map(|(_, id)| id.clone()).collect();
            assert_eq!(shown, expected, "seed {seed}: {filter:?}");
        }
    };
    tokio::join!(moving, reading);
}
