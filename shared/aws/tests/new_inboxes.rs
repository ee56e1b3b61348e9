//! Making an inbox: a number and a code are one inbox's, a key makes one inbox, and what is undone was never there.

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
    Desk, Row, ada, another_inbox, audit_event, ben, membership, number, seconds, team_that_is,
};

const SID: &str = "PN0123456789abcdef0123456789abcdef";
const RIVALS: usize = 16;

const KEY: Idempotency<'static> =
    Idempotency { principal: "staff-104217", route: "POST /v1/inboxes", key: "0d9c7f3e", body: "9f86d081" };

fn wanted(place: usize) -> Inbox {
    Inbox { stage: Stage::Creating, creator: Some(ada().id), ..another_inbox(place) }
}

fn opening(place: usize) -> TimelineStep {
    TimelineStep {
        id: wanted(place).id.to_string(),
        status: RegistrationStatus::Pending,
        at: seconds(10),
        source: StepSource::User,
        codes: Vec::new(),
        detail: Some("Begun with the team's first shared inbox.".into()),
        by: Some(ada().id),
    }
}

/// A desk whose team is in this state.
async fn desk_of(registration: RegistrationStatus) -> Desk {
    let desk = Desk::open().await;
    desk.teams.put(desk.organization(), &team_that_is(registration)).await.unwrap();
    desk
}

async fn reserve(desk: &Desk, inbox: &Inbox, key: Option<Idempotency<'_>>) -> Reserved {
    desk.new_inboxes.reserve(inbox, key, seconds(0)).await.unwrap()
}

/// Each reserves at one instant from a host of its own; the answers in the order of the inboxes.
async fn everybody_reserves(
    desk: &Desk,
    inboxes: &[Inbox],
    key: Option<Idempotency<'static>>,
) -> Vec<Reserved> {
    let mut rivals = JoinSet::new();
    for (place, inbox) in inboxes.iter().cloned().enumerate() {
        let store = NewInboxes::new(desk.other_host());
        rivals.spawn(async move { (place, store.reserve(&inbox, key, seconds(0)).await.unwrap()) });
    }
    let answers: BTreeMap<_, _> = rivals.join_all().await.into_iter().collect();
    answers.into_values().collect()
}

/// The one that won; all others were told this, and the table is as if they had never asked.
async fn only_winner<'a>(
    desk: &Desk,
    before: usize,
    inboxes: &'a [Inbox],
    answers: &[Reserved],
    lost: Reserved,
    rows_each: usize,
) -> &'a Inbox {
    let won: Vec<_> = (0..RIVALS).filter(|place| answers[*place] == Reserved::Done).collect();
    let [place] = won[..] else { panic!("not one winner: {answers:?}") };
    assert_eq!(answers.iter().filter(|answer| **answer == lost).count(), RIVALS - 1, "{answers:?}");
    assert_eq!(desk.all_rows().await.len(), before + rows_each);
    &inboxes[place]
}

async fn complete(desk: &Desk, inbox: &Inbox, opening: Option<&TimelineStep>) -> Completed {
    let ada = ada();
    let audit_event = audit_event(&ada, "inbox.create", inbox.id.as_str(), seconds(10));
    let first = [membership(inbox, &ada), membership(inbox, &ben())];
    desk.new_inboxes.complete(inbox, SID, &first, opening, &audit_event).await.unwrap()
}

async fn found(desk: &Desk, inbox: &InboxId) -> Option<Inbox> {
    desk.inboxes.get(InboxKey { organization: desk.organization(), inbox }).await.unwrap()
}

async fn members(desk: &Desk, inbox: &Inbox) -> Vec<Membership> {
    desk.members.list(InboxKey { organization: desk.organization(), inbox: &inbox.id }).await.unwrap()
}

type Rows = BTreeMap<(String, String), Row>;

fn difference(before: &Rows, after: &Rows) -> Vec<(String, String)> {
    let changed = |key: &&(String, String)| before.get(*key) != after.get(*key);
    let mut keys: Vec<_> = before.keys().chain(after.keys()).filter(changed).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_want_one_api_code_one_gets_it_whatever_its_case() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await.len();
    let code = |place: usize| if place.is_multiple_of(2) { "Advising" } else { "ADVISING" };
    let inboxes: Vec<_> =
        (0..RIVALS).map(|place| Inbox { api_code: code(place).into(), ..wanted(place) }).collect();
    let answers = everybody_reserves(&desk, &inboxes, None).await;
    let winner = only_winner(&desk, before, &inboxes, &answers, Reserved::ApiCodeTaken, 4).await;
    assert_eq!(found(&desk, &winner.id).await.as_ref(), Some(winner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_want_one_number_one_gets_it() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await.len();
    let inboxes: Vec<_> =
        (0..RIVALS).map(|place| Inbox { number: wanted(0).number, ..wanted(place) }).collect();
    let answers = everybody_reserves(&desk, &inboxes, None).await;
    let winner = only_winner(&desk, before, &inboxes, &answers, Reserved::NumberTaken, 4).await;
    assert_eq!(desk.inboxes.by_number(&winner.number).await.unwrap().as_ref(), Some(winner));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_with_one_key_one_reserves_and_the_key_says_which() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await.len();
    let inboxes: Vec<_> = (0..RIVALS).map(wanted).collect();
    let answers = everybody_reserves(&desk, &inboxes, Some(KEY)).await;
    let winner = only_winner(&desk, before, &inboxes, &answers, Reserved::KeyTaken, 5).await;
    let remembered = desk.keys.get(desk.organization(), KEY, seconds(1)).await.unwrap().unwrap();
    assert_eq!((remembered.made.as_str(), remembered.body.as_str()), (winner.id.as_str(), KEY.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_or_number_of_an_inbox_in_use_is_taken_and_another_organization_has_codes_of_its_own() {
    let desk = Desk::open().await;
    let same_code = Inbox { api_code: "admissions".into(), ..wanted(1) };
    assert_eq!(reserve(&desk, &same_code, None).await, Reserved::ApiCodeTaken);
    let same_number = Inbox { number: desk.inbox.number.clone(), ..wanted(1) };
    assert_eq!(reserve(&desk, &same_number, None).await, Reserved::NumberTaken);
    let organization = shared_domain::ids::OrganizationId::new(seconds(0), 99);
    let elsewhere = Inbox { organization: organization.clone(), ..same_code };
    assert_eq!(reserve(&desk, &elsewhere, None).await, Reserved::Done);
    let same_number = Inbox { organization, api_code: "other".into(), ..same_number };
    assert_eq!(reserve(&desk, &same_number, None).await, Reserved::NumberTaken, "a number is the world's");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_is_given_to_one_inbox() {
    let desk = Desk::open().await;
    assert_eq!(reserve(&desk, &wanted(1), None).await, Reserved::Done);
    let again = Inbox { id: wanted(1).id, ..wanted(2) };
    let refused = desk.new_inboxes.reserve(&again, None, seconds(0)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(found(&desk, &again.id).await, Some(wanted(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_number_stores_texts_and_the_inbox_stays_unknown_to_integrations_and_the_team() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    let inbox = wanted(1);
    reserve(&desk, &inbox, None).await;
    assert_eq!(desk.inboxes.by_number(&inbox.number).await.unwrap(), Some(inbox.clone()));
    assert!(desk.inboxes.has_api_code(desk.organization(), &inbox.api_code).await.unwrap());
    assert_eq!(desk.inboxes.by_api_code(desk.organization(), &inbox.api_code).await.unwrap(), None);
    let of_team =
        desk.inboxes.of_team(TeamKey { organization: desk.organization(), team: &inbox.team }).await.unwrap();
    assert_eq!(of_team, std::slice::from_ref(&desk.inbox));
    let purchase = Purchase {
        organization: inbox.organization.clone(),
        inbox: inbox.id.clone(),
        number: inbox.number.clone(),
        at: seconds(0),
    };
    assert_eq!(desk.new_inboxes.unresolved().await.unwrap(), [purchase]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_inbox_is_in_use_with_its_members_and_its_count_of_what_came_in_before() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    let inbox = wanted(1);
    reserve(&desk, &inbox, Some(KEY)).await;
    let early = crate::support::incoming(&number(143), "SM1", "Is this the new number?");
    desk.inbound.receive(&inbox, &early, seconds(1)).await.unwrap();
    assert_eq!(complete(&desk, &inbox, None).await, Completed::Done);
    let in_use = Inbox { stage: Stage::Active, number_sid: Some(SID.into()), ..inbox.clone() };
    assert_eq!(found(&desk, &inbox.id).await.as_ref(), Some(&in_use));
    let code = desk.inboxes.by_api_code(desk.organization(), &inbox.api_code).await.unwrap();
    assert_eq!(code.as_ref(), Some(&in_use));
    assert!(
        desk.inboxes
            .of_team(TeamKey { organization: desk.organization(), team: &inbox.team })
            .await
            .unwrap()
            .contains(&in_use)
    );
    assert_eq!(members(&desk, &inbox).await, [membership(&inbox, &ada()), membership(&inbox, &ben())]);
    assert_eq!(desk.unread_in(&inbox.id).await, 1);
    assert_eq!(desk.new_inboxes.unresolved().await.unwrap(), []);
    assert_eq!(desk.trail().await.len(), 1);
    let registration = desk
        .registrations
        .get(TeamKey { organization: desk.organization(), team: &inbox.team })
        .await
        .unwrap();
    assert_eq!(registration.status, RegistrationStatus::NotStarted, "nothing was to be opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_who_complete_one_inbox_at_once_one_does() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    let inbox = wanted(1);
    assert_eq!(complete(&desk, &inbox, None).await, Completed::NotReserved);
    reserve(&desk, &inbox, None).await;
    let completed = everybody_completes(&desk, vec![(inbox.clone(), None); 8]).await;
    assert_eq!(completed.iter().filter(|(_, completed)| *completed == Completed::Done).count(), 1);
    assert_eq!(completed.iter().filter(|(_, completed)| *completed == Completed::NotReserved).count(), 7);
    assert_eq!(desk.trail().await.len(), 1);
    assert_eq!(complete(&desk, &inbox, None).await, Completed::NotReserved);
}

/// Each completes at one instant, from a host of its own.
async fn everybody_completes(
    desk: &Desk,
    inboxes: Vec<(Inbox, Option<TimelineStep>)>,
) -> Vec<(Inbox, Completed)> {
    let mut rivals = JoinSet::new();
    for (inbox, opening) in inboxes {
        let store = NewInboxes::new(desk.other_host());
        rivals.spawn(async move {
            let ada = ada();
            let id = inbox.id.clone();
            let audit_event = audit_event(&ada, "inbox.create", id.as_str(), seconds(10));
            let first = [membership(&inbox, &ada)];
            let completed =
                store.complete(&inbox, SID, &first, opening.as_ref(), &audit_event).await.unwrap();
            (inbox, completed)
        });
    }
    rivals.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_first_inboxes_completed_at_once_one_begins_the_registration() {
    let desk = desk_of(RegistrationStatus::NotStarted).await;
    let mut inboxes = Vec::new();
    for place in 0..8 {
        reserve(&desk, &wanted(place), None).await;
        inboxes.push((wanted(place), Some(opening(place))));
    }
    let completed = everybody_completes(&desk, inboxes).await;
    let (done, begun): (Vec<_>, Vec<_>) =
        completed.into_iter().partition(|(_, completed)| *completed == Completed::Done);
    assert_eq!((done.len(), begun.len()), (1, 7));
    for (inbox, completed) in &begun {
        assert_eq!(*completed, Completed::RegistrationBegun);
        assert_eq!(found(&desk, &inbox.id).await.unwrap().stage, Stage::Creating);
        assert_eq!(members(&desk, inbox).await, []);
    }
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let timeline = desk.registrations.timeline(TeamKey { organization, team }).await.unwrap();
    assert_eq!(timeline.len(), 1);
    assert_eq!(timeline[0].id, done[0].0.id.as_str());
    let registration = desk.registrations.get(TeamKey { organization, team }).await.unwrap();
    assert_eq!((registration.status, registration.as_of), (RegistrationStatus::Pending, seconds(10)));
    let team = desk.teams.get(TeamKey { organization, team }).await.unwrap().unwrap();
    assert_eq!(team.registration, RegistrationStatus::Pending);
    for (inbox, _) in &begun {
        assert_eq!(complete(&desk, inbox, None).await, Completed::Done);
    }
    assert_eq!(desk.new_inboxes.unresolved().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn beginning_a_registration_keeps_the_messaging_service_that_was_made_before() {
    let desk = desk_of(RegistrationStatus::NotStarted).await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    desk.registrations.remember_service(TeamKey { organization, team }, "MG1").await.unwrap();
    reserve(&desk, &wanted(1), None).await;
    assert_eq!(complete(&desk, &wanted(1), Some(&opening(1))).await, Completed::Done);
    let registration = desk.registrations.get(TeamKey { organization, team }).await.unwrap();
    assert_eq!(registration.messaging_service.as_deref(), Some("MG1"));
    assert_eq!(registration.status, RegistrationStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_reserved_is_gone_when_it_is_undone_and_may_be_reserved_again() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await;
    for key in [None, Some(KEY)] {
        assert_eq!(reserve(&desk, &wanted(1), key).await, Reserved::Done);
        assert!(desk.all_rows().await.len() > before.len());
        assert!(desk.new_inboxes.undo(&wanted(1), Bought::No).await.unwrap());
        assert_eq!(difference(&before, &desk.all_rows().await), []);
        assert!(!desk.new_inboxes.undo(&wanted(1), Bought::No).await.unwrap(), "once");
        assert_eq!(difference(&before, &desk.all_rows().await), []);
    }
    let same_but_for_the_id = Inbox { id: wanted(2).id, ..wanted(1) };
    assert_eq!(reserve(&desk, &same_but_for_the_id, Some(KEY)).await, Reserved::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_purchase_that_perhaps_happened_the_number_alone_is_watched_until_it_is_settled() {
    let desk = Desk::open().await;
    let before = desk.all_rows().await;
    reserve(&desk, &wanted(1), Some(KEY)).await;
    assert!(desk.new_inboxes.undo(&wanted(1), Bought::Unknown).await.unwrap());
    let left = difference(&before, &desk.all_rows().await);
    assert_eq!(left.iter().map(|(partition, _)| partition.as_str()).collect::<Vec<_>>(), ["PURCHASE"]);
    let purchases = desk.new_inboxes.unresolved().await.unwrap();
    assert_eq!(purchases.iter().map(|purchase| &purchase.number).collect::<Vec<_>>(), [&wanted(1).number]);
    desk.new_inboxes.mark_resolved(&purchases[0]).await.unwrap();
    desk.new_inboxes.mark_resolved(&purchases[0]).await.unwrap();
    assert_eq!(difference(&before, &desk.all_rows().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_in_use_is_never_undone() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    reserve(&desk, &wanted(1), Some(KEY)).await;
    complete(&desk, &wanted(1), None).await;
    let before = desk.all_rows().await;
    for after in [Bought::No, Bought::Unknown] {
        assert!(!desk.new_inboxes.undo(&wanted(1), after).await.unwrap());
        assert!(!desk.new_inboxes.undo(&desk.inbox, after).await.unwrap());
    }
    assert_eq!(difference(&before, &desk.all_rows().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn undoing_what_was_undone_takes_nothing_from_who_reserved_the_same_since() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    reserve(&desk, &wanted(1), Some(KEY)).await;
    desk.new_inboxes.undo(&wanted(1), Bought::Unknown).await.unwrap();
    let successor = Inbox { id: wanted(2).id, ..wanted(1) };
    assert_eq!(reserve(&desk, &successor, Some(KEY)).await, Reserved::Done);
    let before = desk.all_rows().await;
    assert!(!desk.new_inboxes.undo(&wanted(1), Bought::No).await.unwrap());
    assert_eq!(difference(&before, &desk.all_rows().await), []);
    assert_eq!(complete(&desk, &successor, None).await, Completed::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_inbox_that_is_completed_and_undone_at_once_is_wholly_in_use_or_wholly_gone() {
    let desk = desk_of(RegistrationStatus::Approved).await;
    for place in 0..12 {
        let inbox = wanted(place);
        let before = desk.all_rows().await;
        reserve(&desk, &inbox, Some(KEY)).await;
        let undoer = NewInboxes::new(desk.other_host());
        let other = inbox.clone();
        let undo = tokio::spawn(async move { undoer.undo(&other, Bought::No).await.unwrap() });
        let completed = complete(&desk, &inbox, None).await;
        let undone = undo.await.unwrap();
        let in_use = Inboxes::new(desk.other_host()).by_number(&inbox.number).await.unwrap();
        if undone {
            assert_eq!((completed, in_use), (Completed::NotReserved, None));
            assert_eq!(difference(&before, &desk.all_rows().await), []);
        } else {
            assert_eq!(completed, Completed::Done);
            assert_eq!(in_use.map(|inbox| inbox.stage), Some(Stage::Active));
            assert_eq!(members(&desk, &inbox).await.len(), 2);
            // The next round needs the key.
            desk.forget(shared_aws::table::keys::idempotency(
                desk.organization(),
                KEY.principal,
                KEY.route,
                KEY.key,
            ))
            .await;
        }
    }
}
