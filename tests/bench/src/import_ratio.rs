//! An import of new contacts compared with plain writes of the same items: 25 in each `BatchWriteItem`, with
//! the same number of concurrent requests, and each time on a new engine.

use std::{
    collections::HashMap,
    fmt::Write,
    future::ready,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use futures_util::{StreamExt, stream};
use shared_app::import::{ContactFile, ImportWorkflow, SliceLimits, SliceOutcome};
use shared_aws::{import::Imports, team::AuditEvent};
use shared_domain::{
    ids::{Id, OrganizationId, TeamId, UserId},
    import::{Import, ImportOptions},
    keys::TeamKey,
};
use shared_lambda::clock;
use test_kit::engine::{Engine, TABLE};

use crate::figure::Figure;

const ROWS: usize = 10_000;
/// The contact, its places in the lists of its team, and the keys that must be unique.
const ITEMS_PER_CONTACT: usize = 7;
const ROUNDS: usize = 5;
/// The concurrency of the import.
const MAX_CONCURRENCY: usize = 8;

pub(crate) async fn measure() -> Figure {
    let file = file();
    let mut ratios = Vec::new();
    let mut last = (Duration::ZERO, Duration::ZERO);
    for round in 0..=ROUNDS {
        let (imported, rows) = import(&file).await;
        let bare = write(rows).await;
        last = (imported, bare);
        if round > 0 {
            ratios.push(bare.as_secs_f64() / imported.as_secs_f64()); // the first round warms up
        }
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    let value = format!(
        "{ratio:.2} (rounds {:.2}–{:.2}; last {:.0} and {:.0} rows/s)",
        ratios[0],
        ratios[ROUNDS - 1],
        ROWS as f64 / last.0.as_secs_f64(),
        ROWS as f64 / last.1.as_secs_f64(),
    );
    let what =
        format!("import of {ROWS} new contacts, rate ÷ that of plain `BatchWriteItem`s of the same items");
    Figure::new(what, value, "≥ 0.90", ratio >= 0.90)
}

fn file() -> Vec<u8> {
    let mut file = String::from("ContactId,FirstName,LastName,MobileNumber,StaffId,Bus\n");
    for row in 0..ROWS {
        writeln!(file, "S-2026-{row:06},Maximiliana {row},Oyelaran,(907) 334-{row:04},,12").unwrap();
    }
    file.into_bytes()
}

/// Imports the file. Returns the time and the items of the contacts.
async fn import(file: &[u8]) -> (Duration, Vec<HashMap<String, AttributeValue>>) {
    let engine = Engine::start().await;
    let by = UserId::parse("ada").unwrap();
    let now = clock::now();
    let organization = OrganizationId::parse("org_1").unwrap();
    let team = TeamId::parse("team_1").unwrap();
    let import = Import::queued(
        Id::new(now, 1),
        TeamKey { organization: &organization, team: &team },
        by.clone(),
        ImportOptions::default(),
        now,
    );
    let audit_event =
        AuditEvent { actor: &by, action: "contacts.import", target: import.id.as_str(), at: now, entropy: 1 };
    assert!(Imports::new(engine.table()).create(&import, import.at, &audit_event, None).await.unwrap());
    let limits = SliceLimits {
        time: Duration::from_secs(600),
        turn: Duration::from_secs(900),
        chunk_rows: 1_000,
        units_per_second: 1_000_000, // the comparison is not paced
    };
    let imports = ImportWorkflow::new(&engine.table(), limits);
    let file = ContactFile { etag: "e".into(), content: file.to_vec() };
    let begun = Instant::now();
    let next = imports.run_slice(import, ready(Ok(file)), clock::now, 1).await;
    let took = begun.elapsed();
    assert_eq!(next.unwrap(), SliceOutcome::Over);
    let client = Client::from_conf(engine.aws.dynamodb_config().build());
    let scanned = client.scan().table_name(TABLE).limit(500).into_paginator().items().send();
    let mut rows = scanned.collect::<Result<Vec<_>, _>>().await.unwrap();
    rows.retain(|row| {
        row["pk"].as_s().unwrap() == "org_1#team_1" && !row["sk"].as_s().unwrap().starts_with("imp_")
    });
    assert_eq!(rows.len(), ITEMS_PER_CONTACT * ROWS);
    (took, rows)
}

async fn write(rows: Vec<HashMap<String, AttributeValue>>) -> Duration {
    let engine = Engine::start().await;
    let client = Client::from_conf(engine.aws.dynamodb_config().build());
    let begun = Instant::now();
    let put = |row| {
        WriteRequest::builder()
            .put_request(PutRequest::builder().set_item(Some(row)).build().unwrap())
            .build()
    };
    let mut rows = rows.into_iter();
    let parts = std::iter::from_fn(|| {
        let part: Vec<WriteRequest> = rows.by_ref().take(25).map(put).collect();
        (!part.is_empty()).then_some(part)
    });
    let writes = stream::iter(parts).map(|part| client.batch_write_item().request_items(TABLE, part).send());
    let left: Vec<_> = writes.buffer_unordered(MAX_CONCURRENCY).collect().await;
    let took = begun.elapsed();
    assert!(left.iter().all(|sent| sent.as_ref().unwrap().unprocessed_items().is_none_or(HashMap::is_empty)));
    took
}
