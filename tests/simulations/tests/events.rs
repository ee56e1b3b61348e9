//! Writers of events that race, die and write the same records again, while the table fails, and a reader
//! who polls the feed. The records are made here, because the stream of the engine would slow down every
//! write.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use axum::Router;
use serde_json::{Value, json};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock;
use test_kit::{
    TestApp, build,
    crash::dropped_at_wait,
    engine::Engine,
    faults::Faults,
    gateway::{self, Event},
    topic::FakeTopic,
};
use tokio::task::JoinSet;

use crate::{chosen_seed, full_run};

/// Shards of the stream. Each has one writer at a time, or two if one is believed dead.
const SHARDS: usize = 16;
const INBOXES: [&str; 4] = ["inb_1", "inb_2", "inb_3", "inb_4"];
/// The most records in one invocation.
const MAX_BATCH: usize = 20;
/// The reader has hundreds of pages left when the last record is delivered.
const READER_TIMEOUT: Duration = Duration::from_mins(5);

/// A shard with its records in order. The reader recognizes a change by its user.
struct Shard {
    number: usize,
    records: Vec<Value>,
}

impl Shard {
    fn new(number: usize, changes: usize, random: &mut fastrand::Rng) -> Self {
        let record = |index: usize, inbox: &str| {
            let user = user(number, index);
            let keys =
                json!({ "pk": { "S": format!("org_1#{inbox}") }, "sk": { "S": format!("MEMBER#{user}") } });
            let mut image = json!({
                "inbox": { "S": inbox }, "kind": { "S": "shared" }, "team": { "S": "team_1" },
                "user": { "M": { "id": { "S": user }, "name": { "S": "A user" } } },
            });
            image["pk"] = keys["pk"].clone();
            image["sk"] = keys["sk"].clone();
            json!({
                "eventID": format!("record-{number}-{index}"), "eventName": "INSERT", "eventVersion": "1.1",
                "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
                "dynamodb": {
                    "Keys": keys, "NewImage": image, "SequenceNumber": index.to_string(), "SizeBytes": 100,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            })
        };
        let records = (0..changes).map(|index| record(index, INBOXES[random.usize(0..INBOXES.len())]));
        Self { number, records: records.collect() }
    }

    /// Delivers all records in order, as Lambda does: a batch comes again from the first record that failed.
    async fn deliver(mut self, engine: Engine, faults: Faults, topic: FakeTopic, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed * 1_000 + self.number as u64);
        let mut zombies = JoinSet::new();
        let mut position = 0;
        while position < self.records.len() {
            let end = self.records.len().min(position + random.usize(1..=MAX_BATCH));
            let now = clock::now();
            for record in &mut self.records[position..end] {
                let created = &mut record["dynamodb"]["ApproximateCreationDateTime"];
                if created.is_null() {
                    *created = now.seconds().into();
                }
            }
            let batch: StreamEvent =
                serde_json::from_value(json!({ "Records": self.records[position..end] })).unwrap();
            let writer = event_writer::App::new(&faults.table(&engine), topic.client());
            match random.u8(0..8) {
                // The host dies at one of its waits.
                0 => {
                    let work = event_writer::handle(&writer, batch, now);
                    if let Some(response) = dropped_at_wait(random.usize(1..60), work).await {
                        position = next(&response, end);
                    }
                }
                // Lambda gives up on the invocation, which goes on.
                1 => {
                    zombies.spawn(async move { event_writer::handle(&writer, batch, now).await });
                }
                _ => position = next(&event_writer::handle(&writer, batch, now).await, end),
            }
        }
        zombies.join_all().await;
    }
}

/// Returns the position of the next record to deliver.
fn next(response: &aws_lambda_events::event::streams::DynamoDbEventResponse, end: usize) -> usize {
    let failed = response.batch_item_failures.first().and_then(|failure| failure.item_identifier.as_ref());
    failed.map_or(end, |number| number.parse().unwrap())
}

fn user(shard: usize, index: usize) -> String {
    format!("user-{shard}-{index}")
}

/// What the reader has seen: the users in the order of the numbers of each inbox.
#[derive(Debug, Default)]
struct Seen(BTreeMap<String, Vec<String>>);

impl Seen {
    /// Requires that the numbers of an inbox follow each other.
    fn add(&mut self, event: &Value) {
        let users = self.0.entry(event["inboxId"].as_str().unwrap().to_owned()).or_default();
        users.push(event["data"]["userId"].as_str().unwrap().to_owned());
        assert_eq!(event["sequence"], users.len(), "{event}");
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// A user who reads the feed.
struct Reader {
    router: Router,
    cursor: String,
}

impl Reader {
    /// Takes the position from which the feed is read. It lies behind all events that exist by then, so a
    /// reader starts before the writers.
    async fn start(app: &TestApp) -> Self {
        let router = events::router(events::App::new(
            &app.table(),
            Claims::standard(),
            Cursors::fixed("secret"),
            events::RealtimeUrl("wss://realtime.example/live".into()),
        ));
        let mut reader = Self { router, cursor: String::new() };
        reader.get(String::new()).await;
        reader
    }

    /// Reads a page and remembers where it ended.
    async fn get(&mut self, query: String) -> Value {
        let request = Event::new("GET /v1/events", &[]).user("org_1", "ada").query(&query).request();
        let (status, feed) =
            gateway::status_and_json(&serve::answer(&self.router, clock::now(), 1, request).await);
        assert_eq!(status, 200, "{feed}");
        self.cursor = feed["nextCursor"].as_str().unwrap().to_owned();
        feed
    }

    /// Polls the feed until all changes have come and a further page is empty.
    async fn read_all(mut self, changes: usize) -> Seen {
        let mut seen = Seen::default();
        loop {
            let feed = self.get(format!("limit=100&cursor={}", self.cursor)).await;
            let items = feed["items"].as_array().unwrap();
            for event in items {
                seen.add(event);
            }
            if items.is_empty() {
                if seen.count() >= changes {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn run(seed: u64, changes: usize) {
    let (app, started) = (TestApp::start().await, Instant::now());
    app.add_user(app.organization(), &build::user("ada"), &[]).await;
    for id in INBOXES {
        let inbox = shared_domain::inbox::Inbox { id: build::inbox_id(id), ..app.inbox.clone() };
        app.add_member(&inbox, &app.user).await;
    }
    let (faults, topic) = (Faults::seeded(seed), FakeTopic::start().await);
    faults.set_percent(5);
    let mut random = fastrand::Rng::with_seed(seed);
    let reader = Reader::start(&app).await;
    let reader = tokio::spawn(reader.read_all(changes / SHARDS * SHARDS));
    let mut shards = JoinSet::new();
    for number in 0..SHARDS {
        let shard = Shard::new(number, changes / SHARDS, &mut random);
        shards.spawn(shard.deliver(app.engine.clone(), faults.clone(), topic.clone(), seed));
    }
    shards.join_all().await;
    let seen =
        tokio::time::timeout(READER_TIMEOUT, reader).await.expect("the reader sees each change").unwrap();

    let mut times = HashMap::<String, usize>::new();
    for (inbox, users) in &seen.0 {
        let mut last = BTreeMap::<usize, usize>::new();
        for user in users {
            *times.entry(user.clone()).or_default() += 1;
            let (shard, index) = user.trim_start_matches("user-").split_once('-').unwrap();
            let (shard, index) = (shard.parse().unwrap(), index.parse().unwrap());
            let before = last.insert(shard, index);
            assert!(before.is_none_or(|before| before < index), "{inbox}: {user} after {before:?}");
        }
    }
    assert_eq!(times.len(), changes / SHARDS * SHARDS, "each change has its event");
    assert!(times.values().all(|count| *count == 1), "each change has one event");
    assert_published(&topic, &seen);
    eprintln!(
        "events: seed {seed}, {changes} changes, {:?}, faults {:?}",
        started.elapsed(),
        faults.injected()
    );
}

/// Requires that each event was published at least once.
fn assert_published(topic: &FakeTopic, seen: &Seen) {
    let mut published = HashMap::<String, BTreeSet<u64>>::new();
    for message in topic.drain() {
        let inbox = message.body["inboxId"].as_str().unwrap().to_owned();
        published.entry(inbox).or_default().insert(message.body["sequence"].as_u64().unwrap());
    }
    for (inbox, users) in &seen.0 {
        let missing: Vec<_> =
            (1..=users.len() as u64).filter(|sequence| !published[inbox].contains(sequence)).collect();
        assert!(missing.is_empty(), "{inbox}: {missing:?} were not published");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_change_has_one_event_and_a_reader_misses_none_while_writers_race_and_die() {
    let (seeds, changes) = if full_run() { (0..3, 20_000) } else { (0..1, 480) };
    for seed in chosen_seed().map_or(seeds, |seed| seed..seed + 1) {
        run(seed, changes).await;
    }
}
