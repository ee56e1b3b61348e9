//! Contacts and imports.

use shared_aws::{
    contact::{ContactEntry, ContactWrite, Contacts, Lookup},
    import::{ImportTurn, Imports},
};
use shared_domain::contact::Contact;

use crate::{
    imports,
    support::{TestStores, ada, at_second, audit_event, contact, inbound_text, number, other_inbox},
};

use super::{Measurements, TEXT, receive};

pub(super) async fn contacts(measured: &mut Measurements) {
    let added = ContactEntry::new(contact(70));
    let mut renamed = ContactEntry { version: 2, ..added.clone() };
    renamed.contact.last_name = Some("Featherstonehaugh".into());
    for (operation, before, after) in
        [("create a contact", None, &added), ("rename a contact", Some(&added), &renamed)]
    {
        let write = async |stores: &TestStores| {
            stores.contacts.write(stores.inbox.team_key(), before, after, None).await.unwrap()
        };
        assert_eq!(measured.measure(operation, write).await, ContactWrite::Done);
    }
    for index in [200, 201] {
        measured.stores.inboxes.put(&other_inbox(index)).await.unwrap();
    }
    receive(&measured.stores, 5, 60).await;
    let text = inbound_text(&number(5), "SM5", TEXT);
    measured.stores.inbound.receive(&other_inbox(200), &text, at_second(61)).await.unwrap();
    let renamed = Contact { last_name: Some("Featherstonehaugh".into()), ..contact(5) };
    measured.stores.contacts.put(measured.stores.inbox.team_key(), &renamed).await.unwrap();
    let sync_copies = async |stores: &TestStores| {
        stores.contacts.sync_conversations(stores.inbox.team_key(), &number(5)).await.unwrap()
    };
    assert_eq!(
        measured.measure("update a contact's copies, 3 inboxes and 2 conversations", sync_copies).await,
        2
    );
}

pub(super) async fn imports(measured: &mut Measurements) {
    let store = |stores: &TestStores| Imports::new(stores.metered_table());
    let batches = |stores: &TestStores| Contacts::new(stores.metered_table());
    let mut import = imports::queued_import(&measured.stores, "imp_01KB5Q8Z7M4T9XRA");
    let (person, id) = (ada(), import.id.to_string());
    let audit_event = audit_event(&person, "contacts.import", &id, at_second(70));
    let ask = async |stores: &TestStores| {
        store(stores).create(&import, at_second(4_870), &audit_event, None).await.unwrap()
    };
    assert!(measured.measure("create an import", ask).await);
    let turn = async |stores: &TestStores| {
        store(stores).take_turn(&import, 1, at_second(70), at_second(200)).await.unwrap()
    };
    let postpone = async |stores: &TestStores| {
        store(stores).postpone_check(import.team_key(), &import.id, at_second(1_270)).await.unwrap();
    };
    measured.measure("postpone the check of an import", postpone).await;
    assert_eq!(measured.measure("claim an import", turn).await, ImportTurn::Mine);
    let added: Vec<ContactEntry> = (300..400).map(|index| ContactEntry::new(contact(index))).collect();
    let ids = added.iter().filter_map(|entry| entry.contact.external_id.as_deref()).collect();
    let numbers = added.iter().map(|entry| &entry.contact.number).collect();
    let look_up = async |stores: &TestStores| {
        let of = stores.inbox.team_key();
        batches(stores).look_up(of, &ids, &numbers).await.unwrap()
    };
    assert!(measured.measure("look up 100 rows, all new", look_up).await.contacts.is_empty());
    imports::start_chunk(&mut import);
    let started = measured.stores.metered_table();
    let (advanced, bill) = measured.stores.cost(Imports::new(started).advance(&mut import, &[])).await;
    assert!(advanced.unwrap());
    measured.lines.push(("begin a chunk", bill));
    let create = async |stores: &TestStores| {
        let of = stores.inbox.team_key();
        batches(stores).create_many(of, &added.iter().collect::<Vec<_>>(), &Lookup::default()).await.unwrap();
    };
    measured.measure("create 100 contacts", create).await;
    assert_eq!(measured.measure("look up 100 rows, all known", look_up).await.contacts.len(), 100);
}
