//! The numbered events of inboxes and teams: without gaps, and each event once, whatever happens to writers.

use std::{collections::HashSet, time::Duration};

use shared_aws::event::EventLog;
use shared_domain::{
    event::{EVENT_RETENTION, Event, EventScope, EventType, NewEvent},
    ids::EventId,
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{START, TestStores, seed, shared_inbox};

fn scope() -> EventScope {
    let inbox = shared_inbox();
    EventScope::Inbox { organization: inbox.organization, inbox: inbox.id }
}

fn team_scope() -> EventScope {
    let inbox = shared_inbox();
    EventScope::Team { organization: inbox.organization, team: inbox.team }
}

/// Returns the event of a stream record.
fn event(record: usize, at: Timestamp) -> NewEvent {
    NewEvent {
        id: EventId::of_record(&record.to_string(), 0),
        kind: EventType::ConversationUpdated,
        at,
        scope: scope(),
        team: Some(shared_inbox().team),
        conversation: None,
        message: None,
        data: "{}".into(),
    }
}

fn events(records: std::ops::Range<usize>) -> Vec<NewEvent> {
    records.map(|record| event(record, START)).collect()
}

async fn append(log: &EventLog, events: &[NewEvent]) -> Vec<u64> {
    let appended = log.append(&scope(), events, START).await;
    assert!(appended.failure.is_none(), "{:?}", appended.failure);
    appended.stored.iter().map(|event| event.sequence).collect()
}

/// Returns all events, in pages of 7.
async fn all(log: &EventLog, scope: &EventScope) -> Vec<Event> {
    let mut found = Vec::new();
    loop {
        let last = found.last().map_or(0, |event: &Event| event.sequence);
        let page = log.after(scope, last, 7).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_numbered_from_one_in_each_inbox_and_each_team() {
    let stores = TestStores::start().await;
    let log = EventLog::new(stores.table());
    assert_eq!(append(&log, &events(0..3)).await, [1, 2, 3]);
    assert_eq!(append(&log, &events(3..5)).await, [4, 5]);
    let stored = log.append(&team_scope(), &events(0..1), START).await.stored;
    assert_eq!(stored[0].sequence, 1);

    let newest = log.newest(&[scope(), team_scope()]).await.unwrap();
    assert_eq!((newest[&scope()], newest[&team_scope()]), (5, 1));
    let found = all(&log, &scope()).await;
    assert_eq!(found.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(found.into_iter().map(|event| event.event).collect::<Vec<_>>(), events(0..5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_without_events_has_no_newest_number() {
    let stores = TestStores::start().await;
    let log = EventLog::new(stores.table());
    assert!(log.newest(&[scope()]).await.unwrap().is_empty());
    assert_eq!(append(&log, &[]).await, [0; 0]);
    assert!(log.newest(&[scope()]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_appended_again_keeps_its_number() {
    let stores = TestStores::start().await;
    let log = EventLog::new(stores.table());
    assert_eq!(append(&log, &events(0..3)).await, [1, 2, 3]);
    assert_eq!(append(&log, &events(1..5)).await, [2, 3, 4, 5]);
    assert_eq!(append(&log, &events(0..5)).await, [1, 2, 3, 4, 5]);
    assert_eq!(all(&log, &scope()).await.len(), 5);
}

/// Each prefix of the requests of an attempt, then a complete attempt.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_stops_anywhere_is_completed_by_the_next_one() {
    // The newest events and their number are read, three events and their number are written.
    for requests in 0..=6 {
        let stores = TestStores::start().await;
        let crashing = EventLog::new(stores.crashing_table(requests));
        let appended = crashing.append(&scope(), &events(0..3), START).await;
        assert_eq!(appended.failure.is_none(), requests == 6, "{requests}");
        let log = EventLog::new(stores.table());
        let newest = log.newest(&[scope()]).await.unwrap();
        assert!(newest.is_empty() || requests == 6, "a reader learns the number after all events are stored");
        assert_eq!(append(&log, &events(0..3)).await, [1, 2, 3]);
        assert_eq!(log.newest(&[scope()]).await.unwrap()[&scope()], 3);
        assert_eq!(all(&log, &scope()).await.len(), 3);
    }
}

/// The first writers of an inbox race: another host stores the same events between any two requests of a
/// writer. Between its first two, the writer has found no event and then finds the number of the newest one,
/// so it must look at the newest events again.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_overtaken_at_any_request_stores_no_event_twice() {
    // The newest events and their number are read, three events and their number are written.
    for requests in 0..=6 {
        let stores = TestStores::start().await;
        let other = EventLog::new(stores.table());
        let overtaking = async move {
            append(&other, &events(0..3)).await;
        };
        let log = EventLog::new(stores.overtaken_table(requests, overtaking));
        assert_eq!(append(&log, &events(0..3)).await, [1, 2, 3], "overtaken at request {requests}");
        assert_eq!(append(&log, &events(0..4)).await, [1, 2, 3, 4], "overtaken at request {requests}");
        assert_eq!(all(&log, &scope()).await.len(), 4, "overtaken at request {requests}");
    }
}

/// Several hosts append overlapping parts of the same records in order, as a stream delivers them, and crash
/// at random requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_writers_that_crash_leave_no_gap_and_store_each_event_once() {
    const RECORDS: usize = 40;
    let mut random = fastrand::Rng::with_seed(seed());
    for round in 0..5 {
        let stores = TestStores::start().await;
        let mut hosts = JoinSet::new();
        for _ in 0..12 {
            let first = random.usize(0..RECORDS);
            let last = random.usize(first..RECORDS.min(first + 15)) + 1;
            let log = EventLog::new(stores.crashing_table(random.usize(0..25)));
            hosts.spawn(async move { log.append(&scope(), &events(first..last), START).await });
        }
        for outcome in hosts.join_all().await {
            let numbers: Vec<_> = outcome.stored.iter().map(|event| event.sequence).collect();
            let unique: HashSet<_> = numbers.iter().collect();
            assert_eq!(unique.len(), numbers.len(), "round {round}: {numbers:?}");
        }
        let log = EventLog::new(stores.table());
        append(&log, &events(0..RECORDS)).await;

        let found = all(&log, &scope()).await;
        let numbers: Vec<_> = found.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=RECORDS as u64).collect::<Vec<_>>(), "round {round}");
        let ids: HashSet<_> = found.into_iter().map(|event| event.event.id).collect();
        assert_eq!(ids, events(0..RECORDS).into_iter().map(|event| event.id).collect(), "round {round}");
        assert_eq!(log.newest(&[scope()]).await.unwrap()[&scope()], RECORDS as u64);
    }
}

/// An hour late, a writer stores a change of each second. It reads the events of the last seconds before a
/// change, and not all that it stored within the hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_behind_in_a_team_reads_a_few_events() {
    const CHANGES: usize = 100;
    let stores = TestStores::start().await;
    let late = START + Duration::from_hours(1);
    let change = |record: usize| NewEvent {
        scope: team_scope(),
        ..event(record, START + Duration::from_secs(record as u64))
    };
    let changes: Vec<_> = (0..CHANGES).map(change).collect();
    let appended = EventLog::new(stores.table()).append(&team_scope(), &changes, late).await;
    assert!(appended.failure.is_none());

    let two_pages_an_event_and_the_newest_number = 4;
    let log = EventLog::new(stores.crashing_table(two_pages_an_event_and_the_newest_number));
    let next = log.append(&team_scope(), &[change(CHANGES)], late).await;
    assert!(next.failure.is_none(), "{:?}", next.failure);
    assert_eq!(next.stored[0].sequence, CHANGES as u64 + 1);
}

/// DynamoDB deletes expired items in no order.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_continue_after_events_have_expired() {
    let stores = TestStores::start().await;
    let log = EventLog::new(stores.table());
    append(&log, &events(0..5)).await;
    let place = |sequence: u64| shared_aws::table::keys::event_place(sequence);
    let partition = shared_aws::table::keys::events_partition(&scope());
    let expire = async |sequence: u64| {
        let items = stores.all_items().await;
        let (pk, sk) = items.into_keys().find(|(pk, sk)| *pk == partition && *sk == place(sequence)).unwrap();
        stores.delete_item(shared_aws::table::keys::Key { pk, sk }).await;
    };
    for sequence in [1, 3, 5] {
        expire(sequence).await;
    }
    let later = START + EVENT_RETENTION + Duration::from_secs(60);
    let next = log.append(&scope(), &[event(5, later)], later).await;
    assert_eq!(next.stored[0].sequence, 6, "number 5 is not used a second time");

    for sequence in [2, 4, 6] {
        expire(sequence).await;
    }
    let last = later + EVENT_RETENTION + Duration::from_secs(60);
    assert_eq!(log.append(&scope(), &[event(6, last)], last).await.stored[0].sequence, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_deleted_some_time_after_the_retention() {
    let stores = TestStores::start().await;
    append(&EventLog::new(stores.table()), &events(0..1)).await;
    let items = stores.all_items().await;
    let (_, item) = items.iter().find(|((_, sk), _)| sk.starts_with("EV#")).unwrap();
    let ttl: i64 = item["ttl"].as_n().unwrap().parse().unwrap();
    assert!(ttl >= (START + EVENT_RETENTION).seconds());
    let newest = items.iter().find(|((_, sk), _)| sk == "EVENTS").unwrap().1;
    assert!(!newest.contains_key("ttl"), "the number must outlive the events");
}
