//! The numbered events of inboxes and teams: without gaps, and each event once, whatever happens to writers.

use std::{collections::HashSet, time::Duration};

use shared_aws::event::EventLog;
use shared_domain::{
    event::{EVENT_RETENTION, Event, EventScope, EventType, NewEvent},
    ids::{EventId, InboxId},
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

/// Records of a shard of the stream, and the first one that has to be delivered.
struct Shard {
    records: Vec<NewEvent>,
    position: usize,
}

impl Shard {
    fn new(number: usize, records: usize, random: &mut fastrand::Rng) -> Self {
        let mut at = START;
        let mut record = |index: usize| {
            at = at + Duration::from_secs(random.u64(0..3));
            event(1_000 * number + index, at)
        };
        Self { records: (0..records).map(&mut record).collect(), position: 0 }
    }

    fn batch(&self, random: &mut fastrand::Rng) -> Vec<NewEvent> {
        let left = &self.records[self.position..];
        left[..left.len().min(random.usize(1..8))].to_vec()
    }
}

/// Some shards are far behind others, so that most windows are full. Their writers race, crash at any
/// request, and work on while their records are delivered to another writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_are_behind_and_crash_leave_no_gap_and_store_each_event_once() {
    const SHARDS: usize = 5;
    const RECORDS: usize = 25;
    let mut random = fastrand::Rng::with_seed(seed());
    for round in 0..8 {
        let (stores, window) = (TestStores::start().await, random.u64(1..6));
        let log = |table| EventLog::new(table).with_window(window);
        let mut shards: Vec<_> = (0..SHARDS).map(|number| Shard::new(number, RECORDS, &mut random)).collect();
        let mut zombies = JoinSet::new();
        while shards.iter().any(|shard| shard.position < RECORDS) {
            let mut writers = JoinSet::new();
            for (number, shard) in shards.iter().enumerate() {
                // The first shard is ahead of all others, and the last one is far behind.
                if shard.position == RECORDS || random.usize(0..=2 * number) != 0 {
                    continue;
                }
                let batch = shard.batch(&mut random);
                match random.u8(0..6) {
                    0 => {
                        let log = log(stores.table());
                        zombies.spawn(async move { log.append(&scope(), &batch, START).await });
                    }
                    kind => {
                        let requests = if kind < 3 { random.usize(0..20) } else { usize::MAX };
                        let log = log(stores.crashing_table(requests));
                        let append = async move { log.append(&scope(), &batch, START).await };
                        writers.spawn(async move { (number, append.await.stored.len()) });
                    }
                }
            }
            for (number, stored) in writers.join_all().await {
                shards[number].position += stored;
            }
        }
        zombies.join_all().await;

        let found = all(&log(stores.table()), &scope()).await;
        let numbers: Vec<_> = found.iter().map(|event| event.sequence).collect();
        assert_eq!(
            numbers,
            (1..=(SHARDS * RECORDS) as u64).collect::<Vec<_>>(),
            "round {round}, window {window}"
        );
        for shard in shards {
            let of_shard = found.iter().filter(|event| shard.records.contains(&event.event));
            let of_shard: Vec<_> = of_shard.map(|event| event.event.id.clone()).collect();
            let expected: Vec<_> = shard.records.into_iter().map(|event| event.id).collect();
            assert_eq!(of_shard, expected, "round {round}, window {window}");
        }
    }
}

/// A writer that is behind has claimed a window and crashed. Others fill it. At any request of the next
/// writer, a third one stores the event, and others fill the windows before and after it. The second writer
/// then crashes at any request too.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_stored_once_whoever_claims_a_window_in_between() {
    let stores = TestStores::start().await;
    let log = |table| EventLog::new(table).with_window(2);
    let (mut others, behind) = (1_000.., [event(0, START)]);
    let cases = (0..14).flat_map(|nth| (0..6).map(move |after| (nth, after)));
    for (number, (overtaken_at, crashed_after)) in (0..).zip(cases) {
        let case = format!("overtaken at {overtaken_at}, crashed after {crashed_after}");
        let inbox = InboxId::new(START, number);
        let scope = EventScope::Inbox { organization: shared_inbox().organization, inbox };
        let append = {
            let (log, scope) = (log(stores.table()), scope.clone());
            async move |events: &[NewEvent]| {
                let appended = log.append(&scope, events, START).await;
                assert!(appended.failure.is_none(), "{:?}", appended.failure);
                appended.stored[0].sequence
            }
        };
        let mut three = || -> Vec<_> {
            others.by_ref().take(3).map(|record| event(record, START + Duration::from_secs(1))).collect()
        };
        append(&three()).await;
        let until_the_claim = stores.crashing_table(2);
        assert!(log(until_the_claim).append(&scope, &behind, START).await.stored.is_empty());
        append(&three()).await;
        let (overtaking, late, before, after) = (append.clone(), behind.clone(), three(), three());
        let work = async move {
            overtaking(&before).await;
            overtaking(&late).await;
            overtaking(&after).await;
        };
        let overtaken = stores.overtaken_and_crashing_table(overtaken_at, work, crashed_after);
        log(overtaken).append(&scope, &behind, START).await;
        append(&three()).await;
        append(&behind).await;
        let found = all(&log(stores.table()), &scope).await;
        let ids: HashSet<_> = found.iter().map(|event| &event.event.id).collect();
        assert_eq!(ids.len(), found.len(), "{case}");
        assert_eq!(found.last().unwrap().sequence, found.len() as u64, "{case}");
    }
}

/// Stores events of other writers, of about a kilobyte: those of records from `first` on, 100 a second.
async fn flood(log: &EventLog, first: usize, count: usize, since: Timestamp) {
    let of_others = |index: usize| NewEvent {
        data: format!("{{\"text\":\"{}\"}}", "x".repeat(800)),
        ..event(first + index, since + Duration::from_millis(10 * index as u64))
    };
    let events: Vec<_> = (0..count).map(of_others).collect();
    assert!(log.append(&scope(), &events, since).await.failure.is_none());
}

/// Others store many events while the records of one writer wait. The writer then reads the events that were
/// stored first after its changes, and not all of them, also when its records come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_behind_in_an_inbox_reads_no_more_the_more_others_wrote() {
    let stores = TestStores::start().await;
    let (log, metered) = (EventLog::new(stores.table()), EventLog::new(stores.metered_table()));
    let late = START + Duration::from_hours(1);
    let behind: Vec<_> = (0..10).map(|record| event(record, START + Duration::from_secs(1))).collect();
    flood(&log, 1_000, 50, START).await;
    let mut bills = Vec::new();
    for part in 0..2 {
        flood(&log, 2_000 + 1_000 * part, 800, START + Duration::from_secs(2 + 8 * part as u64)).await;
        let (appended, first) =
            stores.cost(metered.append(&scope(), &behind[5 * part..5 * part + 5], late)).await;
        assert!(appended.failure.is_none(), "{:?}", appended.failure);
        flood(&log, 10_000 + 1_000 * part, 800, START + Duration::from_secs(60 + 8 * part as u64)).await;
        let (again, repeated) =
            stores.cost(metered.append(&scope(), &behind[5 * part..5 * part + 5], late)).await;
        assert_eq!(again.stored, appended.stored);
        bills.push((first, repeated));
    }
    for (first, repeated) in bills {
        assert!(first.read <= 130.0 && first.requests <= 40, "{first}");
        assert!(first.write <= 11.0, "two for each event, and one for the number of the newest: {first}");
        assert!(repeated.read <= 190.0 && repeated.requests <= 45, "{repeated}");
        assert!(repeated.write <= 6.0, "{repeated}");
    }
    let ids: HashSet<_> = all(&log, &scope()).await.into_iter().map(|event| event.event.id).collect();
    assert_eq!(ids.len(), 50 + 4 * 800 + 10);
}

/// An hour late, a writer stores a change of each second. It reads the events of the last changes, and not
/// all that it stored within the hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_catches_up_alone_reads_a_few_events() {
    const CHANGES: usize = 300;
    let stores = TestStores::start().await;
    let late = START + Duration::from_hours(1);
    for scope in [scope(), team_scope()] {
        let change = |record: usize| event(record, START + Duration::from_secs(record as u64));
        let changes: Vec<_> = (0..CHANGES).map(change).collect();
        let appended = EventLog::new(stores.table()).append(&scope, &changes, late).await;
        assert!(appended.failure.is_none());

        let log = EventLog::new(stores.metered_table());
        let (next, bill) = stores.cost(log.append(&scope, &[change(CHANGES)], late)).await;
        assert_eq!(next.stored[0].sequence, CHANGES as u64 + 1);
        assert_eq!((bill.requests, bill.write), (3, 2.0));
    }
}

/// A slow writer whose change is older, and whose invocation began earlier, stores its event last.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_before_one_of_an_older_change_is_found() {
    let stores = TestStores::start().await;
    let log = EventLog::new(stores.table());
    for scope in [scope(), team_scope()] {
        let change = event(1, START + Duration::from_secs(60));
        let append = async |event: &NewEvent, now| {
            let appended = log.append(&scope, std::slice::from_ref(event), now).await;
            appended.stored[0].sequence
        };
        assert_eq!(append(&change, START + Duration::from_secs(60)).await, 1);
        assert_eq!(append(&event(2, START), START).await, 2);
        assert_eq!(append(&change, START + Duration::from_secs(90)).await, 1);
    }
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
