//! A broadcast to 100,000 recipients from an inbox whose campaign allows any rate.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    future::ready,
    time::{Duration, Instant},
};

use product_tests::{ApiResponse, Carrier, Client, SharedInbox, Stack, TestTeam};
use serde_json::{Value, json};
use shared_app::import::{ContactFile, ImportWorkflow, SliceLimits, SliceOutcome};
use shared_aws::{import::Imports, table::Table, team::AuditEvent};
use shared_domain::{
    ids::{Id, OrganizationId, TeamId, UserId},
    import::{Import, ImportOptions},
    keys::TeamKey,
};
use shared_lambda::clock;

use crate::memory;

/// How long nothing may change until the run has failed.
const PATIENCE: Duration = Duration::from_mins(10);
const INTERVAL: Duration = Duration::from_secs(5);
const STATES: [&str; 8] =
    ["pending", "held", "queued", "sent", "delivered", "undelivered", "failed", "skipped"];

fn recipients() -> usize {
    std::env::var("RECIPIENTS").map_or(100_000, |count| count.parse().expect("RECIPIENTS is a whole number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_broadcast_texts_each_number_once() {
    let (stack, count) = (Stack::open(), recipients());
    let carrier = stack.carrier();
    let team = TestTeam::create(&stack, "Many contacts", "amelia").await;
    let inbox = team.create_inbox("Many contacts").await;
    team.register(&carrier).await;
    let rate = team.admin.get(&inbox.path()).await.expect(200)["segmentsPerSecond"].take();
    let began = Instant::now();
    import(&stack, &team.id, count).await;
    eprintln!("{count} contacts in {:.0} s; the inbox sends {rate} segments per second", seconds(began));

    let began = Instant::now();
    let path = draft(&team, &inbox).await;
    let estimate = estimate(&team.admin, &path).await;
    assert_eq!(estimate["recipients"], count, "{estimate}");
    eprintln!("estimated in {:.1} s", seconds(began));
    let began = Instant::now();
    let body = json!({ "estimateId": estimate["estimateId"] });
    ask(async || team.admin.post(&format!("{path}/confirm"), body.clone()).await).await.expect(202);
    let mut memory = BTreeMap::new();
    let completed = follow(&team.admin, &path, began, &mut memory).await;
    let took = seconds(began);
    eprintln!("sent in {took:.0} s, {:.1} texts a second: {}", count as f64 / took, completed["progress"]);
    for (function, peak) in memory {
        eprintln!("{function}: at most {} MiB", peak / 1024);
    }
    let progress = &completed["progress"];
    assert_eq!(progress["total"], count);
    for state in ["pending", "held", "queued", "undelivered", "failed", "skipped"] {
        assert_eq!(progress[state], 0, "{state}");
    }
    let texts = texts_from(&carrier, &inbox.number).await;
    assert_eq!(texts.len(), count, "each number got a text");
    assert!(texts.values().all(|texts| *texts == 1), "no number got two");
}

/// Repeats a request while the local cloud is busy. Such a response says that nothing was changed.
async fn ask(request: impl AsyncFn() -> ApiResponse) -> ApiResponse {
    let began = Instant::now();
    loop {
        let response = request().await;
        if response.status != 503 || began.elapsed() > PATIENCE {
            return response;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Imports the contacts with the product's own workflow, without its pace.
async fn import(stack: &Stack, team: &str, count: usize) {
    let mut file = String::from("ContactId,FirstName,LastName,MobileNumber\n");
    for row in 0..count {
        writeln!(file, "{row},Person {row},,+1415{:07}", 2_000_000 + row).unwrap();
    }
    let table = Table::of(&stack.operator().aws, stack.output("TableName"));
    let organization = OrganizationId::parse(stack.organization()).unwrap();
    let (team, by, now) = (TeamId::parse(team).unwrap(), UserId::parse("amelia").unwrap(), clock::now());
    let of = TeamKey { organization: &organization, team: &team };
    let id = Id::new(now, clock::entropy());
    let import = Import::queued(id, of, by.clone(), ImportOptions::default(), now);
    let event =
        AuditEvent { actor: &by, action: "contacts.import", target: import.id.as_str(), at: now, entropy: 1 };
    assert!(Imports::new(table.clone()).create(&import, import.at, &event, None).await.unwrap());
    let limits = SliceLimits {
        time: Duration::from_hours(1),
        turn: Duration::from_hours(1),
        chunk_rows: 1_000,
        units_per_second: 1_000_000,
    };
    let file = ContactFile { etag: "e".into(), content: file.into_bytes() };
    let over = ImportWorkflow::new(&table, limits).run_slice(import, ready(Ok(file)), clock::now, 1).await;
    assert_eq!(over.unwrap(), SliceOutcome::Over);
}

/// Creates a broadcast to all contacts of the team. Returns its path.
async fn draft(team: &TestTeam, inbox: &SharedInbox) -> String {
    let filter = json!({ "field": "firstName", "op": "exists", "value": true });
    let body = json!({ "name": "All", "kind": "filter", "filter": filter });
    let segments = format!("{}/segments", team.path());
    let segment = ask(async || team.admin.post(&segments, body.clone()).await).await.expect(201);
    let broadcast = json!({
        "name": "Closing", "from": { "inboxId": inbox.id }, "text": "Hi {{firstName}}, we close early.",
        "audience": { "segmentIds": [segment["segmentId"]] }, "hours": { "mode": "always" },
    });
    let draft = ask(async || team.admin.post("/v1/broadcasts", broadcast.clone()).await).await.expect(201);
    format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().unwrap())
}

/// Waits until the audience is counted.
async fn estimate(member: &Client, path: &str) -> Value {
    loop {
        let response = ask(async || member.post(&format!("{path}/estimate"), Value::Null).await).await;
        if response.status == 200 {
            return response.json();
        }
        assert_eq!(response.status, 202, "{response}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until the broadcast is completed and all texts have an outcome. Its sums are right whenever they are
/// read. Collects the peak memory of each function.
async fn follow(member: &Client, path: &str, began: Instant, memory: &mut BTreeMap<String, u64>) -> Value {
    let (mut last, mut changed, mut round) = (Value::Null, Instant::now(), 0_u32);
    loop {
        let broadcast = ask(async || member.get(path).await).await.expect(200);
        let progress = &broadcast["progress"];
        let sum: u64 = STATES.iter().map(|state| progress[state].as_u64().unwrap()).sum();
        assert_eq!(sum, progress["total"].as_u64().unwrap(), "{broadcast}");
        memory::raise(memory, "VmHWM");
        if round.is_multiple_of(6) {
            eprintln!("{:.0} s: {} {progress}", seconds(began), broadcast["status"]);
        }
        if broadcast["status"] == "completed" && progress["queued"] == 0 && progress["sent"] == 0 {
            return broadcast;
        }
        if *progress != last {
            (last, changed) = (progress.clone(), Instant::now());
        }
        assert!(changed.elapsed() < PATIENCE, "nothing changed for {PATIENCE:?}: {broadcast}");
        round += 1;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Returns how many texts each number got from this one.
async fn texts_from(carrier: &Carrier, number: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for to in carrier.recipients_of(number).await {
        *counts.entry(to).or_default() += 1;
    }
    counts
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
