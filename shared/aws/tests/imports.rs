//! Imports of contacts: progress, errors, turns, and batch writes. Crashes are tested in
//! `functions/contact-import/tests`.

use std::collections::{BTreeMap, HashSet};

use shared_aws::{
    contact::{ContactEntry, Contacts, Lookup},
    import::{ImportTurn, Imports},
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, ImportId},
    import::{FilePosition, Import, ImportCounts, ImportOptions, PendingChunk, RowError},
    keys::TeamKey,
};

use crate::support::{TestStores, ada, at_second, audit_event, contact, number};

/// Returns an import that waits for its file.
pub(crate) fn queued_import(stores: &TestStores, id: &str) -> Import {
    Import::queued(
        ImportId::parse(id).unwrap(),
        stores.inbox.team_key(),
        ada().id,
        ImportOptions::default(),
        at_second(0),
    )
}

/// Starts the first chunk.
pub(crate) fn start_chunk(import: &mut Import) {
    let counts = ImportCounts { rows: 100, created: 100, ..ImportCounts::default() };
    import.pending =
        Some(PendingChunk { end: FilePosition { offset: 9_000, row: 101 }, counts, released: Vec::new() });
}

async fn created(stores: &TestStores, id: &str) -> (Imports, Import) {
    let (imports, import) = (Imports::new(stores.table()), queued_import(stores, id));
    let person = ada();
    let audit_event = audit_event(&person, "contacts.import", id, at_second(0));
    assert!(imports.create(&import, at_second(4_800), &audit_event, None).await.unwrap());
    (imports, import)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_one_starts_a_chunk() {
    let stores = TestStores::start().await;
    let (imports, import) = created(&stores, "imp_1").await;
    let (mut one, mut other) = (import.clone(), import.clone());
    start_chunk(&mut one);
    start_chunk(&mut other);
    let errors = [RowError { row: 7, field: "StaffId".into(), reason: "no user".into(), imported: true }];
    let (first, second) =
        tokio::join!(imports.advance(&mut one, &errors), imports.advance(&mut other, &errors));
    assert_ne!(first.unwrap(), second.unwrap());
    let stored = imports.get(stores.inbox.team_key(), &import.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.pending), (2, one.pending));
    assert_eq!(stored.counts, ImportCounts::default(), "a pending chunk is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_errors_are_listed_once_their_chunk_is_done() {
    let stores = TestStores::start().await;
    let (imports, mut import) = created(&stores, "imp_1").await;
    let error = |row| RowError { row, field: "x".repeat(240), reason: "y".repeat(120), imported: false };
    let errors: Vec<_> = (2..1002).map(error).collect();
    start_chunk(&mut import);
    import.pending.as_mut().unwrap().end.row = 1001;
    import.pending.as_mut().unwrap().counts.errors = errors.len();
    assert!(imports.advance(&mut import, &errors).await.unwrap());
    assert!(imports.errors(&import).await.unwrap().is_empty());
    import.finish_chunk();
    assert!(imports.advance(&mut import, &[]).await.unwrap());
    assert_eq!(imports.errors(&import).await.unwrap(), errors);
    let listed = imports.page(stores.inbox.team_key(), 10, None).await.unwrap();
    assert_eq!((listed.items, listed.next), (vec![import], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_belongs_to_one_worker_until_it_expires_or_is_ended() {
    let stores = TestStores::start().await;
    let (imports, one) = created(&stores, "imp_1").await;
    let (_, other) = created(&stores, "imp_2").await;
    let take = async |import, worker, at| {
        imports.take_turn(import, worker, at_second(at), at_second(at + 100)).await.unwrap()
    };
    assert_eq!(take(&one, 1, 0).await, ImportTurn::Mine);
    assert_eq!(take(&one, 1, 1).await, ImportTurn::Mine);
    assert_eq!(take(&one, 2, 2).await, ImportTurn::SameImport);
    assert_eq!(
        take(&other, 3, 101).await,
        ImportTurn::AnotherImport,
        "the turn includes its last millisecond"
    );
    assert_eq!(take(&other, 3, 102).await, ImportTurn::Mine);
    imports.end_turn(&one, 1).await.unwrap(); // worker 1 no longer has the turn
    assert_eq!(take(&one, 1, 103).await, ImportTurn::AnotherImport);
    imports.end_turn(&other, 3).await.unwrap();
    assert_eq!(take(&one, 1, 103).await, ImportTurn::Mine);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_create_the_same_items_as_single_writes() {
    let (by_hand, in_batches) = (TestStores::start().await, TestStores::start().await);
    let entry = |index: usize| ContactEntry {
        custom: BTreeMap::from([("Bus".to_owned(), index.to_string())]),
        ..ContactEntry::new(contact(index))
    };
    let entries: Vec<ContactEntry> = (0..30).map(entry).collect();
    for entry in &entries {
        let (organization, team) = (by_hand.organization(), &by_hand.inbox.team);
        by_hand.contacts.write(TeamKey { organization, team }, None, entry, None).await.unwrap();
    }
    let of = TeamKey { organization: in_batches.organization(), team: &in_batches.inbox.team };
    let batches = Contacts::new(in_batches.table());
    for _ in 0..2 {
        batches.create_many(of, &entries.iter().collect::<Vec<_>>(), &Lookup::default()).await.unwrap();
        assert_eq!(in_batches.all_items().await, by_hand.all_items().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_find_contacts_and_the_numbers_of_removed_contacts_stay_known() {
    let stores = TestStores::start().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let known = ContactEntry::new(contact(1));
    stores.contacts.write(TeamKey { organization, team }, None, &known, None).await.unwrap();
    stores.receive(&number(2), "Hello", at_second(1)).await;
    let gone = ContactEntry::new(contact(3));
    stores.contacts.write(TeamKey { organization, team }, None, &gone, None).await.unwrap();
    stores.receive(&number(3), "Hello", at_second(2)).await;
    assert!(stores.contacts.remove(TeamKey { organization, team }, &gone).await.unwrap());
    let of = TeamKey { organization, team };
    assert_eq!(stores.contacts.sync_conversations(of, &number(3)).await.unwrap(), 1);
    let shown = stores.contacts.by_number(of, &number(3)).await.unwrap();
    assert_eq!(shown, Some(Contact::provisional(team, &number(3))));
    let numbers: Vec<_> = (1..5).map(number).collect();
    let ids = HashSet::from(["S-2026-000001", "S-2026-000003", "nobody"]);
    let batches = Contacts::new(stores.table());
    let found = batches.look_up(of, &ids, &numbers.iter().collect()).await.unwrap();
    assert_eq!(found.contacts.into_values().collect::<Vec<_>>(), [known]);
    let known: HashSet<_> = found.numbers.keys().cloned().collect();
    assert_eq!(known, numbers[..3].iter().cloned().collect());
    let provisional = found.numbers[&number(2)].provisional.clone().unwrap().contact;
    assert_eq!(provisional, Contact::provisional(team, &number(2)));
    assert_eq!(provisional.id, ContactId::provisional(team, &number(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_sends_its_first_message_during_an_import_shows_the_imported_contact() {
    let stores = TestStores::start().await;
    let team = stores.inbox.team_key();
    let imported = ContactEntry::new(contact(1));
    let numbers = HashSet::from([&imported.contact.number]);
    let shown = async || stores.stored_conversation(&stores.conversation_id(&number(1))).await.contact;
    let known = stores.contacts.look_up(team, &HashSet::new(), &numbers).await.unwrap();
    assert!(known.numbers.is_empty());
    stores.receive(&number(1), "Hello", at_second(1)).await;
    assert!(shown().await.provisional);
    stores.contacts.create_many(team, &[&imported], &known).await.unwrap();
    let provisional = stores.contacts.new_provisional(team, &numbers).await.unwrap();
    let found: Vec<_> = provisional.iter().map(|entry| &entry.contact.number).collect();
    assert_eq!(found, [&number(1)]);
    stores.contacts.remove_merged(team, &provisional.iter().collect::<Vec<_>>()).await.unwrap();
    stores.contacts.refresh_conversations(team, &HashSet::from([number(1)])).await.unwrap();
    assert_eq!(shown().await, imported.contact);
}
