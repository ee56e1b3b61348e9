//! Creating an inbox: numbers, codes, and idempotency keys are unique, and undoing a reservation leaves
//! nothing.

use std::collections::BTreeMap;

use shared_aws::{
    inbox::{Bought, Completed, Inboxes, NewInboxes, Purchase, Reserved},
    table::{Idempotency, StoreError},
};
use shared_domain::{
    ids::InboxId,
    inbox::{Inbox, Stage},
    keys::{InboxKey, TeamKey},
    membership::Membership,
    registration::{RegistrationStatus, StepSource, TimelineStep},
};
use tokio::task::JoinSet;

use crate::support::{
    Item, TestStores, ada, at_second, audit_event, ben, membership, number, other_inbox,
    team_with_registration,
};

const SID: &str = "PN0123456789abcdef0123456789abcdef";
const TASKS: usize = 16;
/// More numbers than any test has.
const LIMIT: u32 = 1_000;

const KEY: Idempotency<'static> =
    Idempotency { principal: "staff-104217", route: "POST /v1/inboxes", key: "0d9c7f3e", body: "9f86d081" };

fn new_inbox(index: usize) -> Inbox {
    Inbox { stage: Stage::Creating, creator: Some(ada().id), ..other_inbox(index) }
}

fn first_step(index: usize) -> TimelineStep {
    TimelineStep {
        id: new_inbox(index).id.to_string(),
        status: RegistrationStatus::Pending,
        at: at_second(10),
        source: StepSource::User,
        codes: Vec::new(),
        detail: Some("Begun with the team's first shared inbox.".into()),
        by: Some(ada().id),
    }
}

/// Returns stores with a team of this registration status.
async fn stores_with_registration(registration: RegistrationStatus) -> TestStores {
    let stores = TestStores::start().await;
    stores.teams.put(stores.organization(), &team_with_registration(registration)).await.unwrap();
    stores
}

async fn reserve(stores: &TestStores, inbox: &Inbox, key: Option<Idempotency<'_>>) -> Reserved {
    stores.new_inboxes.reserve(inbox, None, LIMIT, key, at_second(0)).await.unwrap()
}

/// Reserves all inboxes at the same time, each through its own client. Returns the answers in the order of
/// the inboxes.
async fn reserve_all(
    stores: &TestStores,
    inboxes: &[Inbox],
    key: Option<Idempotency<'static>>,
) -> Vec<Reserved> {
    let mut tasks = JoinSet::new();
    for (index, inbox) in inboxes.iter().cloned().enumerate() {
        let store = NewInboxes::new(stores.table());
        tasks.spawn(
            async move { (index, store.reserve(&inbox, None, LIMIT, key, at_second(0)).await.unwrap()) },
        );
    }
    let answers: BTreeMap<_, _> = tasks.join_all().await.into_iter().collect();
    answers.into_values().collect()
}

/// Returns the only reserved inbox. All others must have got `refusal` and written nothing.
async fn only_winner<'a>(
    stores: &TestStores,
    before: usize,
    inboxes: &'a [Inbox],
    answers: &[Reserved],
    refusal: Reserved,
    items_each: usize,
) -> &'a Inbox {
    let winners: Vec<_> = (0..TASKS).filter(|index| answers[*index] == Reserved::Done).collect();
    let [index] = winners[..] else { panic!("expected one reservation: {answers:?}") };
    assert_eq!(answers.iter().filter(|answer| **answer == refusal).count(), TASKS - 1, "{answers:?}");
    assert_eq!(stores.all_items().await.len(), before + items_each);
    &inboxes[index]
}

async fn complete(stores: &TestStores, inbox: &Inbox, first_step: Option<&TimelineStep>) -> Completed {
    let ada = ada();
    let audit_event = audit_event(&ada, "inbox.create", inbox.id.as_str(), at_second(10));
    let first = [membership(inbox, &ada), membership(inbox, &ben())];
    stores.new_inboxes.complete(inbox, SID, &first, first_step, None, &audit_event).await.unwrap()
}

async fn stored_inbox(stores: &TestStores, inbox: &InboxId) -> Option<Inbox> {
    stores.inboxes.get(InboxKey { organization: stores.organization(), inbox }).await.unwrap()
}

async fn members(stores: &TestStores, inbox: &Inbox) -> Vec<Membership> {
    stores.members.list(InboxKey { organization: stores.organization(), inbox: &inbox.id }).await.unwrap()
}

type Items = BTreeMap<(String, String), Item>;

fn changed_keys(before: &Items, after: &Items) -> Vec<(String, String)> {
    // An empty set of numbers leaves an item with its key alone.
    fn content<'a>(items: &'a Items, key: &(String, String)) -> Option<&'a Item> {
        items.get(key).filter(|item| item.len() > 2)
    }
    let changed = |key: &&(String, String)| content(before, key) != content(after, key);
    let mut keys: Vec<_> = before.keys().chain(after.keys()).filter(changed).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_reservations_of_one_api_code_in_any_case_one_succeeds() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await.len();
    let code = |index: usize| if index.is_multiple_of(2) { "Advising" } else { "ADVISING" };
    let inboxes: Vec<_> =
        (0..TASKS).map(|index| Inbox { api_code: code(index).into(), ..new_inbox(index) }).collect();
    let answers = reserve_all(&stores, &inboxes, None).await;
    let winner = only_winner(&stores, before, &inboxes, &answers, Reserved::ApiCodeTaken, 5).await;
    assert_eq!(stored_inbox(&stores, &winner.id).await.as_ref(), Some(winner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_reservations_of_one_number_one_succeeds() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await.len();
    let inboxes: Vec<_> =
        (0..TASKS).map(|index| Inbox { number: new_inbox(0).number, ..new_inbox(index) }).collect();
    let answers = reserve_all(&stores, &inboxes, None).await;
    let winner = only_winner(&stores, before, &inboxes, &answers, Reserved::NumberTaken, 5).await;
    assert_eq!(stores.inboxes.by_number(&winner.number).await.unwrap().as_ref(), Some(winner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_reservations_with_one_key_one_succeeds_and_the_key_returns_it() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await.len();
    let inboxes: Vec<_> = (0..TASKS).map(new_inbox).collect();
    let answers = reserve_all(&stores, &inboxes, Some(KEY)).await;
    let winner = only_winner(&stores, before, &inboxes, &answers, Reserved::KeyTaken, 6).await;
    let remembered = stores.used_keys.get(stores.organization(), KEY, at_second(1)).await.unwrap().unwrap();
    assert_eq!((remembered.made.as_str(), remembered.body.as_str()), (winner.id.as_str(), KEY.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_unique_per_organization_and_numbers_are_unique_globally() {
    let stores = TestStores::start().await;
    let same_code = Inbox { api_code: "admissions".into(), ..new_inbox(1) };
    assert_eq!(reserve(&stores, &same_code, None).await, Reserved::ApiCodeTaken);
    let same_number = Inbox { number: stores.inbox.number.clone(), ..new_inbox(1) };
    assert_eq!(reserve(&stores, &same_number, None).await, Reserved::NumberTaken);
    let organization = shared_domain::ids::OrganizationId::new(at_second(0), 99);
    let elsewhere = Inbox { organization: organization.clone(), ..same_code };
    assert_eq!(reserve(&stores, &elsewhere, None).await, Reserved::Done);
    let same_number = Inbox { organization, api_code: "other".into(), ..same_number };
    assert_eq!(
        reserve(&stores, &same_number, None).await,
        Reserved::NumberTaken,
        "numbers are unique across organizations"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_reservations_never_exceed_the_limit_and_an_undone_one_makes_room() {
    let stores = TestStores::start().await;
    let mut tasks = JoinSet::new();
    for index in 0..TASKS {
        let store = NewInboxes::new(stores.table());
        let reserve =
            async move { store.reserve(&new_inbox(index), None, 3, None, at_second(0)).await.unwrap() };
        tasks.spawn(async move { (index, reserve.await) });
    }
    let answers = tasks.join_all().await;
    let done: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Reserved::Done).collect();
    let refused = answers.iter().filter(|(_, answer)| *answer == Reserved::NumberLimitReached).count();
    assert_eq!((done.len(), refused), (3, TASKS - 3), "{answers:?}");
    let full = |limit| stores.new_inboxes.has_reached_limit(stores.organization(), limit);
    assert!(full(3).await.unwrap() && !full(4).await.unwrap());
    let next = async || {
        let store = NewInboxes::new(stores.table());
        store.reserve(&new_inbox(TASKS), None, 3, None, at_second(0)).await.unwrap()
    };
    assert_eq!(next().await, Reserved::NumberLimitReached);
    for _ in 0..2 {
        stores.new_inboxes.undo(&new_inbox(done[0].0), Bought::No).await.unwrap();
    }
    assert!(!full(3).await.unwrap());
    assert_eq!(next().await, Reserved::Done);
    assert!(full(3).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_id_is_used_once() {
    let stores = TestStores::start().await;
    assert_eq!(reserve(&stores, &new_inbox(1), None).await, Reserved::Done);
    let again = Inbox { id: new_inbox(1).id, ..new_inbox(2) };
    let refused = stores.new_inboxes.reserve(&again, None, LIMIT, None, at_second(0)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(stored_inbox(&stores, &again.id).await, Some(new_inbox(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_number_receives_messages_while_the_inbox_is_hidden() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    let inbox = new_inbox(1);
    reserve(&stores, &inbox, None).await;
    assert_eq!(stores.inboxes.by_number(&inbox.number).await.unwrap(), Some(inbox.clone()));
    assert!(stores.inboxes.has_api_code(stores.organization(), &inbox.api_code).await.unwrap());
    assert_eq!(stores.inboxes.by_api_code(stores.organization(), &inbox.api_code).await.unwrap(), None);
    let of_team = stores
        .inboxes
        .of_team(TeamKey { organization: stores.organization(), team: &inbox.team })
        .await
        .unwrap();
    assert_eq!(of_team, std::slice::from_ref(&stores.inbox));
    let purchase = Purchase {
        organization: inbox.organization.clone(),
        inbox: inbox.id.clone(),
        number: inbox.number.clone(),
        at: at_second(0),
    };
    assert_eq!(stores.new_inboxes.unresolved().await.unwrap(), [purchase]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_inbox_is_active_with_its_members_and_earlier_unread_messages() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    let inbox = new_inbox(1);
    reserve(&stores, &inbox, Some(KEY)).await;
    let message = crate::support::inbound_text(&number(143), "SM1", "Is this the new number?");
    stores.inbound.receive(&inbox, &message, at_second(1)).await.unwrap();
    assert_eq!(complete(&stores, &inbox, None).await, Completed::Done);
    let in_use = Inbox { stage: Stage::Active, number_sid: Some(SID.into()), ..inbox.clone() };
    assert_eq!(stored_inbox(&stores, &inbox.id).await.as_ref(), Some(&in_use));
    let code = stores.inboxes.by_api_code(stores.organization(), &inbox.api_code).await.unwrap();
    assert_eq!(code.as_ref(), Some(&in_use));
    assert!(
        stores
            .inboxes
            .of_team(TeamKey { organization: stores.organization(), team: &inbox.team })
            .await
            .unwrap()
            .contains(&in_use)
    );
    assert_eq!(members(&stores, &inbox).await, [membership(&inbox, &ada()), membership(&inbox, &ben())]);
    assert_eq!(stores.unread_in(&inbox.id).await, 1);
    assert_eq!(stores.new_inboxes.unresolved().await.unwrap(), []);
    assert_eq!(stores.audit_entries().await.len(), 1);
    let registration = stores
        .registrations
        .get(TeamKey { organization: stores.organization(), team: &inbox.team })
        .await
        .unwrap();
    assert_eq!(registration.status, RegistrationStatus::NotStarted, "no registration was started");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_who_complete_one_inbox_at_once_one_does() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    let inbox = new_inbox(1);
    assert_eq!(complete(&stores, &inbox, None).await, Completed::NotReserved);
    reserve(&stores, &inbox, None).await;
    let completed = complete_all(&stores, vec![(inbox.clone(), None); 8]).await;
    assert_eq!(completed.iter().filter(|(_, completed)| *completed == Completed::Done).count(), 1);
    assert_eq!(completed.iter().filter(|(_, completed)| *completed == Completed::NotReserved).count(), 7);
    assert_eq!(stores.audit_entries().await.len(), 1);
    assert_eq!(complete(&stores, &inbox, None).await, Completed::NotReserved);
}

/// Completes all inboxes at the same time, each through its own client.
async fn complete_all(
    stores: &TestStores,
    inboxes: Vec<(Inbox, Option<TimelineStep>)>,
) -> Vec<(Inbox, Completed)> {
    let mut tasks = JoinSet::new();
    for (inbox, first_step) in inboxes {
        let store = NewInboxes::new(stores.table());
        tasks.spawn(async move {
            let ada = ada();
            let id = inbox.id.clone();
            let audit_event = audit_event(&ada, "inbox.create", id.as_str(), at_second(10));
            let first = [membership(&inbox, &ada)];
            let completed =
                store.complete(&inbox, SID, &first, first_step.as_ref(), None, &audit_event).await.unwrap();
            (inbox, completed)
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_first_inboxes_completed_at_once_one_starts_the_registration() {
    let stores = stores_with_registration(RegistrationStatus::NotStarted).await;
    let mut inboxes = Vec::new();
    for index in 0..8 {
        reserve(&stores, &new_inbox(index), None).await;
        inboxes.push((new_inbox(index), Some(first_step(index))));
    }
    let completed = complete_all(&stores, inboxes).await;
    let (done, started): (Vec<_>, Vec<_>) =
        completed.into_iter().partition(|(_, completed)| *completed == Completed::Done);
    assert_eq!((done.len(), started.len()), (1, 7));
    for (inbox, completed) in &started {
        assert_eq!(*completed, Completed::RegistrationBegun);
        assert_eq!(stored_inbox(&stores, &inbox.id).await.unwrap().stage, Stage::Creating);
        assert_eq!(members(&stores, inbox).await, []);
    }
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let timeline = stores.registrations.timeline(TeamKey { organization, team }).await.unwrap();
    assert_eq!(timeline.len(), 1);
    assert_eq!(timeline[0].id, done[0].0.id.as_str());
    let registration = stores.registrations.get(TeamKey { organization, team }).await.unwrap();
    assert_eq!((registration.status, registration.as_of), (RegistrationStatus::Pending, at_second(10)));
    let team = stores.teams.get(TeamKey { organization, team }).await.unwrap().unwrap();
    assert_eq!(team.registration, RegistrationStatus::Pending);
    for (inbox, _) in &started {
        assert_eq!(complete(&stores, inbox, None).await, Completed::Done);
    }
    assert_eq!(stores.new_inboxes.unresolved().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_a_registration_keeps_an_existing_messaging_service() {
    let stores = stores_with_registration(RegistrationStatus::NotStarted).await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    stores.registrations.set_service(TeamKey { organization, team }, "MG1").await.unwrap();
    reserve(&stores, &new_inbox(1), None).await;
    assert_eq!(complete(&stores, &new_inbox(1), Some(&first_step(1))).await, Completed::Done);
    let registration = stores.registrations.get(TeamKey { organization, team }).await.unwrap();
    assert_eq!(registration.messaging_service.as_deref(), Some("MG1"));
    assert_eq!(registration.status, RegistrationStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undone_reservation_leaves_nothing_and_can_be_repeated() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await;
    for key in [None, Some(KEY)] {
        assert_eq!(reserve(&stores, &new_inbox(1), key).await, Reserved::Done);
        assert!(stores.all_items().await.len() > before.len());
        assert!(stores.new_inboxes.undo(&new_inbox(1), Bought::No).await.unwrap());
        assert_eq!(changed_keys(&before, &stores.all_items().await), []);
        assert!(!stores.new_inboxes.undo(&new_inbox(1), Bought::No).await.unwrap(), "once");
        assert_eq!(changed_keys(&before, &stores.all_items().await), []);
    }
    let successor = Inbox { id: new_inbox(2).id, ..new_inbox(1) };
    assert_eq!(reserve(&stores, &successor, Some(KEY)).await, Reserved::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_purchase_keeps_the_number_unresolved_until_it_is_marked() {
    let stores = TestStores::start().await;
    let before = stores.all_items().await;
    reserve(&stores, &new_inbox(1), Some(KEY)).await;
    assert!(stores.new_inboxes.undo(&new_inbox(1), Bought::Unknown).await.unwrap());
    let left = changed_keys(&before, &stores.all_items().await);
    assert_eq!(left.iter().map(|(partition, _)| partition.as_str()).collect::<Vec<_>>(), ["PURCHASE"]);
    let purchases = stores.new_inboxes.unresolved().await.unwrap();
    assert_eq!(purchases.iter().map(|purchase| &purchase.number).collect::<Vec<_>>(), [&new_inbox(1).number]);
    stores.new_inboxes.mark_resolved(&purchases[0]).await.unwrap();
    stores.new_inboxes.mark_resolved(&purchases[0]).await.unwrap();
    assert_eq!(changed_keys(&before, &stores.all_items().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_in_use_is_never_undone() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    reserve(&stores, &new_inbox(1), Some(KEY)).await;
    complete(&stores, &new_inbox(1), None).await;
    let before = stores.all_items().await;
    for after in [Bought::No, Bought::Unknown] {
        assert!(!stores.new_inboxes.undo(&new_inbox(1), after).await.unwrap());
        assert!(!stores.new_inboxes.undo(&stores.inbox, after).await.unwrap());
    }
    assert_eq!(changed_keys(&before, &stores.all_items().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_twice_keeps_a_later_reservation_of_the_same_number() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    reserve(&stores, &new_inbox(1), Some(KEY)).await;
    stores.new_inboxes.undo(&new_inbox(1), Bought::Unknown).await.unwrap();
    let successor = Inbox { id: new_inbox(2).id, ..new_inbox(1) };
    assert_eq!(reserve(&stores, &successor, Some(KEY)).await, Reserved::Done);
    let before = stores.all_items().await;
    assert!(!stores.new_inboxes.undo(&new_inbox(1), Bought::No).await.unwrap());
    assert_eq!(changed_keys(&before, &stores.all_items().await), []);
    assert_eq!(complete(&stores, &successor, None).await, Completed::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_inbox_completed_and_undone_at_once_is_either_active_or_removed() {
    let stores = stores_with_registration(RegistrationStatus::Approved).await;
    for index in 0..12 {
        let inbox = new_inbox(index);
        let before = stores.all_items().await;
        reserve(&stores, &inbox, Some(KEY)).await;
        let store = NewInboxes::new(stores.table());
        let other = inbox.clone();
        let undo = tokio::spawn(async move { store.undo(&other, Bought::No).await.unwrap() });
        let completed = complete(&stores, &inbox, None).await;
        let undone = undo.await.unwrap();
        let in_use = Inboxes::new(stores.table()).by_number(&inbox.number).await.unwrap();
        if undone {
            assert_eq!((completed, in_use), (Completed::NotReserved, None));
            assert_eq!(changed_keys(&before, &stores.all_items().await), []);
        } else {
            assert_eq!(completed, Completed::Done);
            assert_eq!(in_use.map(|inbox| inbox.stage), Some(Stage::Active));
            assert_eq!(members(&stores, &inbox).await.len(), 2);
            // The next round uses the key again.
            stores
                .delete_item(shared_aws::table::keys::idempotency(
                    stores.organization(),
                    KEY.principal,
                    KEY.route,
                    KEY.key,
                ))
                .await;
        }
    }
}
