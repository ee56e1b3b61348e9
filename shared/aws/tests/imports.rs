//! Imports of contacts: their reports and turns, and contacts many at once. What crashes leave is tested where files are
//! read, in `functions/contact-import/tests`.

use std::collections::{BTreeMap, HashSet};

use shared_aws::{
    contact::{ContactEntry, Contacts},
    import::{ImportTurn, Imports},
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, ImportId},
    import::{FilePosition, Import, ImportCounts, ImportOptions, PendingChunk, RowError},
    keys::TeamKey,
};

use crate::support::{Desk, ada, audit_event, contact, number, seconds};

/// An import that waits for its file.
pub(crate) fn asked(desk: &Desk, id: &str) -> Import {
    Import::queued(
        ImportId::parse(id).unwrap(),
        TeamKey { organization: desk.organization(), team: &desk.inbox.team },
        ada().id,
        ImportOptions::default(),
        seconds(0),
    )
}

/// Begins its first chunk.
pub(crate) fn begin(import: &mut Import) {
    let counts = ImportCounts { rows: 100, created: 100, ..ImportCounts::default() };
    import.pending =
        Some(PendingChunk { end: FilePosition { offset: 9_000, row: 101 }, counts, released: Vec::new() });
}

async fn created(desk: &Desk, id: &str) -> (Imports, Import) {
    let (imports, import) = (Imports::new(desk.other_host()), asked(desk, id));
    let person = ada();
    let audit_event = audit_event(&person, "contacts.import", id, seconds(0));
    assert!(imports.create(&import, &audit_event, None).await.unwrap());
    (imports, import)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_one_begins_a_chunk() {
    let desk = Desk::open().await;
    let (imports, import) = created(&desk, "imp_1").await;
    let (mut one, mut other) = (import.clone(), import.clone());
    begin(&mut one);
    begin(&mut other);
    let faults = [RowError { row: 7, field: "StaffId".into(), reason: "no user".into() }];
    let (first, second) =
        tokio::join!(imports.advance(&mut one, &faults), imports.advance(&mut other, &faults));
    assert_ne!(first.unwrap(), second.unwrap());
    let stored = imports
        .get(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &import.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stored.version, stored.pending), (2, one.pending));
    assert_eq!(stored.counts, ImportCounts::default(), "a pending chunk is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_shown_once_their_rows_are_done() {
    let desk = Desk::open().await;
    let (imports, mut import) = created(&desk, "imp_1").await;
    let fault = |row| RowError { row, field: "x".repeat(240), reason: "y".repeat(120) };
    let faults: Vec<_> = (2..1002).map(fault).collect();
    begin(&mut import);
    import.pending.as_mut().unwrap().end.row = 1001;
    import.pending.as_mut().unwrap().counts.errors = faults.len();
    assert!(imports.advance(&mut import, &faults).await.unwrap());
    assert!(imports.errors(&import).await.unwrap().is_empty());
    import.finish_chunk();
    assert!(imports.advance(&mut import, &[]).await.unwrap());
    assert_eq!(imports.errors(&import).await.unwrap(), faults);
    let listed = imports
        .page(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, 10, None)
        .await
        .unwrap();
    assert_eq!((listed.items, listed.next), (vec![import], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_one_workers_until_it_ends_by_time_or_is_given_back() {
    let desk = Desk::open().await;
    let (imports, one) = created(&desk, "imp_1").await;
    let (_, other) = created(&desk, "imp_2").await;
    let take = async |import, worker, at| {
        imports.take_turn(import, worker, seconds(at), seconds(at + 100)).await.unwrap()
    };
    assert_eq!(take(&one, 1, 0).await, ImportTurn::Mine);
    assert_eq!(take(&one, 1, 1).await, ImportTurn::Mine);
    assert_eq!(take(&one, 2, 2).await, ImportTurn::SameImport);
    assert_eq!(take(&other, 3, 101).await, ImportTurn::AnotherImport, "exactly at its end");
    assert_eq!(take(&other, 3, 102).await, ImportTurn::Mine);
    imports.end_turn(&one, 1).await.unwrap(); // lost by now
    assert_eq!(take(&one, 1, 103).await, ImportTurn::AnotherImport);
    imports.end_turn(&other, 3).await.unwrap();
    assert_eq!(take(&one, 1, 103).await, ImportTurn::Mine);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_that_are_made_in_batches_are_those_that_are_entered_by_hand() {
    let (by_hand, in_batches) = (Desk::open().await, Desk::open().await);
    let entry = |place: usize| ContactEntry {
        contact: contact(place),
        custom: BTreeMap::from([("Bus".to_owned(), place.to_string())]),
        version: 1,
    };
    let entries: Vec<ContactEntry> = (0..30).map(entry).collect();
    for entry in &entries {
        let (organization, team) = (by_hand.organization(), &by_hand.inbox.team);
        by_hand.contacts.write(TeamKey { organization, team }, None, entry, None).await.unwrap();
    }
    let of = TeamKey { organization: in_batches.organization(), team: &in_batches.inbox.team };
    let batches = Contacts::new(in_batches.other_host());
    for _ in 0..2 {
        batches.create_many(of, &entries.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(in_batches.all_rows().await, by_hand.all_rows().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rows_speak_of_is_found_and_a_number_stays_met_when_its_contact_goes() {
    let desk = Desk::open().await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let known = ContactEntry { contact: contact(1), custom: BTreeMap::new(), version: 1 };
    desk.contacts.write(TeamKey { organization, team }, None, &known, None).await.unwrap();
    desk.hear(&number(2), "Hello", seconds(1)).await;
    let gone = ContactEntry { contact: contact(3), custom: BTreeMap::new(), version: 1 };
    desk.contacts.write(TeamKey { organization, team }, None, &gone, None).await.unwrap();
    desk.hear(&number(3), "Hello", seconds(2)).await;
    assert!(desk.contacts.remove(TeamKey { organization, team }, &gone).await.unwrap());
    let former = Contacts::new(desk.other_host());
    former
        .release_number(TeamKey { organization, team }, &gone.contact.id, &number(3), (false, false))
        .await
        .unwrap();
    assert_eq!(desk.contacts.by_number(TeamKey { organization, team }, &number(3)).await.unwrap(), None);
    let of = TeamKey { organization, team };
    let numbers: Vec<_> = (1..5).map(number).collect();
    let ids = HashSet::from(["S-2026-000001", "S-2026-000003", "nobody"]);
    let batches = Contacts::new(desk.other_host());
    let found = batches.look_up(of, &ids, &numbers.iter().collect()).await.unwrap();
    assert_eq!(found.contacts.into_values().collect::<Vec<_>>(), [known]);
    let met: HashSet<_> = found.numbers.keys().cloned().collect();
    assert_eq!(met, numbers[..3].iter().cloned().collect());
    let stranger = found.numbers[&number(2)].provisional.clone().unwrap().contact;
    assert_eq!(stranger, Contact::provisional(team, &number(2)));
    assert_eq!(stranger.id, ContactId::provisional(team, &number(2)));
}
