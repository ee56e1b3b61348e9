//! Writers of the events of one inbox, some far behind others, while the table fails and writers die. The
//! windows have a few numbers, so that most events need a claim, and some need many.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use shared_aws::event::EventLog;
use shared_domain::{
    event::{Event, EventScope, EventType, NewEvent},
    ids::{EventId, InboxId, OrganizationId},
    time::Timestamp,
};
use test_kit::{crash::dropped_at_wait, engine::Engine, faults::Faults};
use tokio::task::JoinSet;

use crate::{chosen_seed, full_run};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SHARDS: usize = 6;

fn scope() -> EventScope {
    let organization = OrganizationId::parse("org_1").unwrap();
    EventScope::Inbox { organization, inbox: InboxId::parse("inb_1").unwrap() }
}

/// A shard of the stream: its records, and the first one that has to be delivered.
struct Shard {
    records: Vec<NewEvent>,
    position: usize,
}

impl Shard {
    fn new(number: usize, records: usize, random: &mut fastrand::Rng) -> Self {
        let mut at = START;
        let mut record = |index: usize| {
            at = at + Duration::from_secs(random.u64(0..3));
            NewEvent {
                id: EventId::of_record(&format!("{number} {index}"), 0),
                kind: EventType::ConversationUpdated,
                at,
                scope: scope(),
                team: None,
                conversation: None,
                message: None,
                data: "{}".into(),
            }
        };
        Self { records: (0..records).map(&mut record).collect(), position: 0 }
    }

    fn is_done(&self) -> bool {
        self.position == self.records.len()
    }
}

async fn all(log: &EventLog) -> Vec<Event> {
    let mut found = Vec::<Event>::new();
    loop {
        let last = found.last().map_or(0, |event| event.sequence);
        let page = log.after(&scope(), last, 100).await.unwrap();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

async fn run(seed: u64, records: usize) {
    let (engine, started) = (Engine::start().await, Instant::now());
    let (faults, mut random) = (Faults::seeded(seed), fastrand::Rng::with_seed(seed));
    faults.set_percent(random.u8(0..12));
    let window = random.u64(1..8);
    let writer = || EventLog::new(faults.table(&engine)).with_window(window);
    let mut shards: Vec<_> = (0..SHARDS).map(|number| Shard::new(number, records, &mut random)).collect();
    let mut zombies = JoinSet::new();
    while !shards.iter().all(Shard::is_done) {
        let mut writers = JoinSet::new();
        for (number, shard) in shards.iter().enumerate() {
            // The first shard is ahead of all others, and the last one is far behind.
            if shard.is_done() || random.usize(0..=3 * number) != 0 {
                continue;
            }
            let left = &shard.records[shard.position..];
            let batch = left[..left.len().min(random.usize(1..12))].to_vec();
            let log = writer();
            match random.u8(0..6) {
                // The host dies at one of its waits.
                0 | 1 => {
                    let wait = random.usize(1..80);
                    let append = async move { log.append(&scope(), &batch, START).await };
                    let append = async move { dropped_at_wait(wait, append).await };
                    writers.spawn(async move { (number, append.await.map_or(0, |done| done.stored.len())) });
                }
                // Lambda gives up on the invocation, which goes on.
                2 => {
                    zombies.spawn(async move { log.append(&scope(), &batch, START).await });
                }
                _ => {
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

    let found = all(&EventLog::new(engine.table())).await;
    let case = format!("seed {seed}, window {window}");
    let numbers: Vec<_> = found.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=(SHARDS * records) as u64).collect::<Vec<_>>(), "{case}");
    let places: HashMap<_, _> = found.iter().map(|event| (&event.event.id, event.sequence)).collect();
    for shard in &shards {
        let of_shard: Vec<_> = shard.records.iter().map(|record| places[&record.id]).collect();
        assert!(of_shard.is_sorted(), "{case}: {of_shard:?}");
    }
    let claims = engine.keys().await.iter().filter(|key| key.ends_with(" CLAIM")).count();
    assert!(claims > records, "{case}: {claims} claims");
    eprintln!("event numbers: {case}, {claims} claims, {:?}, {:?}", started.elapsed(), faults.injected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_far_behind_others_leave_no_gap_and_store_each_event_once_while_the_table_fails() {
    let (seeds, records) = if full_run() { (0..40, 60) } else { (0..3, 15) };
    for seed in chosen_seed().map_or(seeds, |seed| seed..seed + 1) {
        run(seed, records).await;
    }
}
