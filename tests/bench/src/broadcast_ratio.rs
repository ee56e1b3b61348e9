//! Broadcasts: the preparation compared with plain writes of the same items, 25 in each `BatchWriteItem`, the
//! time of an estimate, and the memory of the worker.

use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    future::ready,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    operation::batch_write_item::BatchWriteItemOutput,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use futures_util::{StreamExt, stream};
use product_bench::fixture::Fixture;
use serde_json::json;
use shared_app::{
    broadcast::BroadcastWorkflow,
    import::{ContactFile, ImportWorkflow, SliceLimits, SliceOutcome},
};
use shared_aws::{
    broadcast::{BroadcastWrite, Broadcasts, Recipients, reference},
    clients::{Aws, BroadcastJob},
    import::Imports,
    segment::{SegmentWrite, Segments},
    table::Table,
    team::AuditEvent,
};
use shared_domain::{
    audience::{AudienceSegment, Filter, SegmentKind},
    broadcast::{Audience, Broadcast, BroadcastStatus},
    ids::{BroadcastId, Id, SegmentId},
    import::{Import, ImportOptions},
};
use shared_lambda::clock;
use test_kit::{build, engine::TABLE, lambda_event::sqs_record};

use crate::{
    distance::{DISTANCE, at_a_distance},
    figure::Figure,
    runtime_api::RuntimeApi,
};

/// The concurrency of the preparation.
const MAX_CONCURRENCY: usize = 8;
const FEW: usize = 1_000;
/// Each has ten thousand numbers of one exchange.
const AREA_CODES: [u32; 10] = [907, 908, 909, 910, 912, 913, 914, 915, 916, 917];

/// Measures with this number of recipients, all of them contacts of a segment.
pub(crate) async fn measure(recipients: usize, bootstraps: &Path) -> Vec<Figure> {
    let audience = Box::pin(BroadcastFixture::start(recipients)).await;
    let estimated = audience.estimate(recipients).await;
    // Twice and backwards, because the table grows.
    let aws = &at_a_distance(&audience.fixture.engine.endpoint).await;
    let mut prepared = audience.prepare(aws).await;
    let rows = audience.rows(recipients).await;
    let bare = audience.write(aws, &rows, 1).await + audience.write(aws, &rows, 2).await;
    let again = audience.again().await;
    prepared += again.prepare(aws).await;
    let ratio = bare.as_secs_f64() / prepared.as_secs_f64();
    let rate = |took: Duration| 2.0 * recipients as f64 / took.as_secs_f64();
    let value = format!("{ratio:.2} ({:.0} ÷ {:.0} recipients/s)", rate(prepared), rate(bare));
    let what = format!(
        "preparation of a broadcast to {recipients} contacts of a segment, rate ÷ that of plain `BatchWriteItem`s \
         of the same items, {} ms a request",
        DISTANCE.as_millis(),
    );
    let mut figures = vec![
        Figure::new(what, value, "≥ 0.85", ratio >= 0.85),
        Figure::new(
            format!("estimate of a broadcast to {recipients} contacts"),
            format!("{:.1} s", estimated.as_secs_f64()),
            "≤ 10 s",
            estimated <= Duration::from_secs(10),
        ),
    ];
    drop(again);
    let few = Box::pin(BroadcastFixture::start(FEW)).await.peak_of_worker(bootstraps, FEW).await;
    let many =
        Box::pin(BroadcastFixture::start(recipients)).await.peak_of_worker(bootstraps, recipients).await;
    figures.push(Figure::new(
        format!("peak memory of `broadcast-worker` while it prepares {recipients} recipients"),
        format!("{many:.1} MiB (with {FEW}: {few:.1} MiB)"),
        "≤ 64 MiB",
        many <= 64.0,
    ));
    figures
}

/// A confirmed broadcast to all contacts of a team.
struct BroadcastFixture {
    fixture: Fixture,
    broadcast: Broadcast,
}

impl BroadcastFixture {
    async fn start(contacts: usize) -> Self {
        let fixture = Fixture::start().await;
        import(&fixture, contacts).await;
        let filter =
            Filter::parse("", &json!({ "field": "firstName", "op": "exists", "value": true })).unwrap();
        let segment = AudienceSegment {
            id: SegmentId::parse("seg_1").unwrap(),
            name: "All".into(),
            kind: SegmentKind::Filter(filter),
            count: 0,
            complete: true,
            counted_at: clock::now(),
        };
        let segments = Segments::new(fixture.engine.table());
        let id = segment.id.clone();
        let written = segments.write(fixture.inbox.team_key(), None, &segment, None).await.unwrap();
        assert_eq!(written, SegmentWrite::Done);
        Self::to_segment(fixture, id).await
    }

    /// Returns another broadcast to the same people.
    async fn again(self) -> Self {
        let segment = self.broadcast.audience.segments[0].clone();
        Self::to_segment(self.fixture, segment).await
    }

    async fn to_segment(fixture: Fixture, segment: SegmentId) -> Self {
        let broadcast = Broadcast {
            id: BroadcastId::new(clock::now(), clock::entropy()),
            audience: Audience { segments: vec![segment], ..Audience::default() },
            text: "Hi {{firstName}}, the office is closed on Monday.".into(),
            status: BroadcastStatus::Preparing,
            ..build::broadcast(&fixture.inbox, &fixture.ada)
        };
        let event = AuditEvent {
            actor: &fixture.ada.id,
            action: "broadcast.create",
            target: broadcast.id.as_str(),
            at: clock::now(),
            entropy: clock::entropy(),
        };
        let broadcasts = Broadcasts::new(fixture.engine.table());
        assert_eq!(broadcasts.create(&broadcast, &event, None).await.unwrap(), BroadcastWrite::Done);
        Self { fixture, broadcast }
    }

    fn job(&self) -> BroadcastJob {
        BroadcastJob {
            organization: self.broadcast.organization.clone(),
            team: self.broadcast.team.clone(),
            broadcast: self.broadcast.id.clone(),
            continues: false,
        }
    }

    async fn estimate(&self, recipients: usize) -> Duration {
        let table = self.fixture.engine.table();
        let begun = Instant::now();
        let workflow = BroadcastWorkflow::new(&table, None);
        let estimate = workflow.estimate(&self.broadcast, true, clock::now(), 1).await.unwrap();
        assert_eq!(estimate.tally.recipients(), recipients as u64, "{:?}", estimate.tally.excluded());
        begun.elapsed()
    }

    async fn prepare(&self, aws: &Aws) -> Duration {
        let workflow = BroadcastWorkflow::new(&Table::of(aws, TABLE), None);
        let begun = Instant::now();
        workflow.run_slice(clock::now, 1, &self.job()).await.unwrap();
        begun.elapsed()
    }

    /// Returns the items of the recipients.
    async fn rows(&self, recipients: usize) -> Vec<HashMap<String, AttributeValue>> {
        let client = Client::from_conf(self.fixture.engine.aws.dynamodb_config().build());
        let scanned = client.scan().table_name(TABLE).limit(500).into_paginator().items().send();
        let mut rows = scanned.collect::<Result<Vec<_>, _>>().await.unwrap();
        rows.retain(|row| {
            row["pk"].as_s().unwrap().contains(self.broadcast.id.as_str())
                && row["sk"].as_s().unwrap().starts_with('+')
        });
        assert_eq!(rows.len(), recipients);
        rows
    }

    /// Writes the items again in the same table, as the recipients of another broadcast.
    async fn write(&self, aws: &Aws, rows: &[HashMap<String, AttributeValue>], copy: u64) -> Duration {
        let client = Client::from_conf(aws.dynamodb_config().build());
        let (own, other) = (self.broadcast.id.as_str(), BroadcastId::new(clock::now(), copy));
        let renamed = |value: &AttributeValue| match value {
            AttributeValue::S(text) => AttributeValue::S(text.replace(own, other.as_str())),
            other => other.clone(),
        };
        let put = |row: &HashMap<String, AttributeValue>| {
            let row = row.iter().map(|(name, value)| (name.clone(), renamed(value))).collect();
            let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let requests: Vec<WriteRequest> = rows.iter().map(put).collect();
        let begun = Instant::now();
        let writes = requests
            .chunks(25)
            .map(|part| client.batch_write_item().request_items(TABLE, part.to_vec()).send());
        let sent: Vec<_> = stream::iter(writes).buffer_unordered(MAX_CONCURRENCY).collect().await;
        let took = begun.elapsed();
        let unprocessed =
            |sent: &BatchWriteItemOutput| !sent.unprocessed_items().is_none_or(HashMap::is_empty);
        assert!(!sent.iter().any(|sent| unprocessed(sent.as_ref().unwrap())));
        took
    }

    /// Prepares the broadcast with the bootstrap. Returns its peak memory in MiB.
    async fn peak_of_worker(&self, bootstraps: &Path, recipients: usize) -> f64 {
        let body = serde_json::to_string(&self.job()).unwrap();
        let api = RuntimeApi::serve(&json!({ "Records": [sqs_record("m1", None, &body, 1)] })).await;
        let mut worker = Command::new(bootstraps.join("broadcast-worker"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &api.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "broadcast-worker")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_ENDPOINT_URL", &self.fixture.engine.endpoint)
            .env("TABLE_NAME", TABLE)
            .env("BROADCAST_QUEUE_URL", format!("{}/broadcasts", self.fixture.engine.endpoint))
            .env("SLICE_SECONDS", "1")
            .stderr(Stdio::null()) // its log
            .stdout(Stdio::null())
            .spawn()
            .expect("the bootstraps are built (`make bench` does it)");
        api.answered(1).await; // an error, because the engine has no queue to go on with
        let peak = peak_mebibytes(&worker);
        worker.kill().unwrap();
        worker.wait().unwrap();
        let table = self.fixture.engine.table();
        let broadcasts = Broadcasts::new(table.clone());
        let found = broadcasts.get(self.broadcast.team_key(), &self.broadcast.id).await.unwrap().unwrap();
        let of = reference(&found.value);
        let progress = Recipients::new(table).progress(&self.broadcast.organization, &of).await.unwrap();
        assert_eq!(progress.total(), recipients as u64);
        peak
    }
}

fn peak_mebibytes(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

async fn import(fixture: &Fixture, contacts: usize) {
    let mut file = String::from("ContactId,FirstName,LastName,MobileNumber\n");
    for row in 0..contacts {
        let (area, line) = (AREA_CODES[row / 10_000 % AREA_CODES.len()], row % 10_000);
        writeln!(file, "S-{row},Ada {row},Oyelaran,({area}) 334-{line:04}").unwrap();
    }
    let now = clock::now();
    let team = fixture.inbox.team_key();
    let import = Import::queued(Id::new(now, 1), team, fixture.ada.id.clone(), ImportOptions::default(), now);
    let event = AuditEvent {
        actor: &fixture.ada.id,
        action: "contacts.import",
        target: import.id.as_str(),
        at: now,
        entropy: 1,
    };
    assert!(Imports::new(fixture.engine.table()).create(&import, import.at, &event, None).await.unwrap());
    let limits = SliceLimits {
        time: Duration::from_secs(600),
        turn: Duration::from_secs(900),
        chunk_rows: 1_000,
        units_per_second: 1_000_000,
    };
    let workflow = ImportWorkflow::new(&fixture.engine.table(), limits);
    let file = ContactFile { etag: "e".into(), content: file.into_bytes() };
    let imported = workflow.run_slice(import, ready(Ok(file)), clock::now, 1).await.unwrap();
    assert_eq!(imported, SliceOutcome::Over);
}
