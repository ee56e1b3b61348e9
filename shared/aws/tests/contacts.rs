//! A team's list of contacts: index items, concurrent writes, and copies in conversations.

use std::collections::{BTreeMap, BTreeSet};

use shared_aws::{
    contact::{ContactEntry, ContactWrite, Contacts},
    opt_out::OptOuts,
};
use shared_domain::{contact::Contact, ids::ContactId, keys::TeamKey};
use tokio::task::JoinSet;

use crate::support::{TestStores, at_second, contact, inbound_text, number, other_inbox};

/// Returns the entry of a new contact.
fn new_entry(contact: Contact) -> ContactEntry {
    let custom = BTreeMap::from([("Campus".to_owned(), "North".to_owned())]);
    ContactEntry { custom, ..ContactEntry::new(contact) }
}

/// Returns the next version of an entry.
fn changed(before: &ContactEntry, change: impl FnOnce(&mut Contact)) -> ContactEntry {
    let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
    change(&mut after.contact);
    after
}

async fn write(stores: &TestStores, before: Option<&ContactEntry>, after: &ContactEntry) -> ContactWrite {
    stores.contacts.write(stores.inbox.team_key(), before, after, None).await.unwrap()
}

async fn create(stores: &TestStores, contact: Contact) -> ContactEntry {
    let entry = new_entry(contact);
    assert_eq!(write(stores, None, &entry).await, ContactWrite::Done);
    entry
}

async fn get(stores: &TestStores, id: &ContactId) -> Option<ContactEntry> {
    stores.contacts.get_entry(stores.inbox.team_key(), id).await.unwrap()
}

async fn remove(stores: &TestStores, entry: &ContactEntry) -> bool {
    stores.contacts.remove(stores.inbox.team_key(), entry).await.unwrap()
}

/// Returns the contact that a number belongs to.
async fn owner_of(stores: &TestStores, index: usize) -> Option<ContactId> {
    let find_by_name = stores.contacts.by_number(stores.inbox.team_key(), &number(index)).await;
    find_by_name.unwrap().map(|contact| contact.id)
}

/// Returns the sort keys of all items.
async fn sort_keys(stores: &TestStores) -> BTreeSet<String> {
    stores.items().await.into_keys().map(|(_, index)| index).collect()
}

fn expected_keys(entry: &ContactEntry, index_items: &[&str]) -> BTreeSet<String> {
    let id = entry.contact.id.as_str();
    let find_by_name = index_items.iter().map(|index| index.replace('@', id));
    find_by_name.chain([id.to_owned()]).collect()
}

/// Returns the contacts whose name starts with `prefix`. All of them must fit one page.
async fn find_by_name(stores: &TestStores, prefix: &str) -> Vec<ContactId> {
    let page = stores.contacts.by_name(stores.inbox.team_key(), prefix, 50, None).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|entry| entry.contact.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_items_of_a_contact_are_created_changed_and_deleted_with_it() {
    let stores = TestStores::start().await;
    let others = stores.items().await;
    let first = create(&stores, contact(0)).await;
    let names = ["FIND#liam smith#@", "FIND#smith liam#@"];
    let of_number = ["NUMBER#+12025550000", "NUMBER#+12025550000#@"];
    let other_number = ["NUMBER#+12025550077", "NUMBER#+12025550077#@"];
    let items = expected_keys(&first, &[names[0], names[1], "EXT#S-2026-000000", of_number[0], of_number[1]]);
    assert_eq!(sort_keys(&stores).await, items);
    assert_eq!(get(&stores, &first.contact.id).await, Some(first.clone()));
    let renamed = changed(&first, |contact| contact.last_name = Some("O#Neil".into()));
    assert_eq!(write(&stores, Some(&first), &renamed).await, ContactWrite::Done);
    let names = ["FIND#liam o neil#@", "FIND#o neil liam#@"];
    let items = expected_keys(&first, &[names[0], names[1], "EXT#S-2026-000000", of_number[0], of_number[1]]);
    assert_eq!(sort_keys(&stores).await, items);
    let moved = changed(&renamed, |contact| {
        contact.number = number(77);
        contact.first_name = None;
        contact.external_id = Some("S-1".into());
    });
    assert_eq!(write(&stores, Some(&renamed), &moved).await, ContactWrite::Done);
    assert_eq!(
        sort_keys(&stores).await,
        expected_keys(&first, &["FIND#o neil#@", "EXT#S-1", other_number[0], other_number[1]])
    );
    assert_eq!(get(&stores, &first.contact.id).await, Some(moved.clone()));
    let team = &stores.inbox.team;
    let by_id = async |id| {
        stores
            .contacts
            .by_external_id(TeamKey { organization: stores.organization(), team }, id)
            .await
            .unwrap()
    };
    assert_eq!(by_id("S-1").await, Some(moved.clone()));
    assert_eq!(by_id("S-2026-000000").await, None);
    let nameless = changed(&moved, |contact| (contact.last_name, contact.external_id) = (None, None));
    assert_eq!(write(&stores, Some(&moved), &nameless).await, ContactWrite::Done);
    assert_eq!(sort_keys(&stores).await, expected_keys(&first, &other_number));
    assert!(remove(&stores, &nameless).await);
    assert_eq!(stores.items().await, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_contact_deletes_all_its_items_and_no_others() {
    let stores = TestStores::start().await;
    create(&stores, contact(1)).await;
    let before = stores.items().await;
    let entry = create(&stores, contact(2)).await;
    assert!(remove(&stores, &entry).await);
    assert_eq!(stores.items().await, before);
    assert!(!remove(&stores, &entry).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisional_contact_is_named_and_removed() {
    let stores = TestStores::start().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let before = stores.items().await;
    let provisional =
        stores.contacts.by_number_or_provisional(TeamKey { organization, team }, &number(5)).await.unwrap();
    let provisional = get(&stores, &provisional.contact.id).await.unwrap();
    assert_eq!(provisional.version, 0);
    let named = changed(&provisional, |contact| contact.first_name = Some("Wei".into()));
    assert_eq!(write(&stores, Some(&provisional), &named).await, ContactWrite::Done);
    assert_eq!(write(&stores, Some(&provisional), &named).await, ContactWrite::Changed);
    assert!(!remove(&stores, &provisional).await);
    assert_eq!(
        sort_keys(&stores).await,
        expected_keys(&named, &["FIND#wei#@", "NUMBER#+12025550005", "NUMBER#+12025550005#@"])
    );
    assert!(remove(&stores, &named).await);
    assert_eq!(stores.items().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_contacts_with_one_external_id_one_is_written() {
    let stores = TestStores::start().await;
    let before = stores.items().await.len();
    let mut tasks = JoinSet::new();
    for index in 0..16 {
        let (contacts, inbox) = (Contacts::new(stores.table()), stores.inbox.clone());
        tasks.spawn(async move {
            let entry = new_entry(Contact { external_id: Some("S-1".into()), ..contact(index) });
            (entry.clone(), contacts.write(inbox.team_key(), None, &entry, None).await.unwrap())
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(|(_, written)| *written == ContactWrite::Done);
    assert!(refused.iter().all(|(_, written)| *written == ContactWrite::ExternalIdTaken), "{refused:?}");
    let [(winner, _)] = &done[..] else { panic!("expected one write: {done:?}") };
    let team = &stores.inbox.team;
    let named = stores
        .contacts
        .by_external_id(TeamKey { organization: stores.organization(), team }, "S-1")
        .await
        .unwrap();
    assert_eq!(named.as_ref(), Some(winner));
    assert_eq!(stores.items().await.len(), before + 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_concurrent_changes_one_is_written_and_a_stale_entry_removes_nothing() {
    let stores = TestStores::start().await;
    let before = create(&stores, contact(0)).await;
    let mut tasks = JoinSet::new();
    for index in 0..16 {
        let (contacts, inbox, before) = (Contacts::new(stores.table()), stores.inbox.clone(), before.clone());
        tasks.spawn(async move {
            let after = changed(&before, |contact| contact.last_name = Some(format!("Name{index}")));
            let written = contacts.write(inbox.team_key(), Some(&before), &after, None).await.unwrap();
            (after, written)
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(|(_, written)| *written == ContactWrite::Done);
    assert!(refused.iter().all(|(_, written)| *written == ContactWrite::Changed), "{refused:?}");
    let [(winner, _)] = &done[..] else { panic!("expected one write: {done:?}") };
    assert_eq!(get(&stores, &before.contact.id).await.as_ref(), Some(winner));
    let items = stores.items().await;
    assert_eq!(items.len(), 6);
    assert!(!remove(&stores, &before).await);
    let same_id = changed(&before, |contact| contact.external_id = None);
    assert_eq!(
        write(&stores, None, &same_id).await,
        ContactWrite::Changed,
        "the id of a new contact is taken"
    );
    assert_eq!(stores.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_by_prefix_in_both_orders_and_any_case() {
    let stores = TestStores::start().await;
    let named = |index: usize, first: &str, last: &str| Contact {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        ..contact(index)
    };
    let jo = create(&stores, named(1, "Jo", "Müller  Smith")).await.contact.id;
    let joan = create(&stores, named(2, "JOAN", "Ärger")).await.contact.id;
    let counter_and_index = [joan.clone(), jo.clone()];
    for (prefix, wanted) in [
        ("jo", vec![&jo, &joan]),
        (" JO ", vec![&jo, &joan]),
        ("jo mü", vec![&jo]),
        ("MÜLLER smith jo", vec![&jo]),
        ("är", vec![&joan]),
        ("ärger#joan", vec![&joan]),
        ("smith", vec![&jo]),
        ("smith jo", vec![&jo]),
        ("mith", vec![]),
        ("x", vec![]),
    ] {
        let mut names = find_by_name(&stores, prefix).await;
        names.sort();
        assert_eq!(
            names,
            wanted.into_iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
    let mut seen = Vec::new();
    let mut after = None;
    for _ in 0..3 {
        let (organization, team) = (stores.organization(), &stores.inbox.team);
        let page =
            stores.contacts.by_name(TeamKey { organization, team }, "jo", 1, after.as_deref()).await.unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.contact.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((after, seen), (None, vec![counter_and_index[1].clone(), counter_and_index[0].clone()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_in_whatever_form_its_id_and_name_are_stored_and_searched() {
    let stores = TestStores::start().await;
    let named = |index: usize, id: &str, name: &str| Contact {
        external_id: Some(id.into()),
        first_name: Some(name.into()),
        last_name: None,
        ..contact(index)
    };
    let composed = create(&stores, named(1, "é-1", "José")).await.contact.id;
    let decomposed = create(&stores, named(2, "e\u{301}-2", "Ine\u{301}s")).await.contact.id;
    let invisible = create(&stores, named(3, "\u{200b}S-3", "Max")).await.contact.id;
    let by_id = async |id| stores.contacts.by_external_id(stores.inbox.team_key(), id).await.unwrap();
    for (id, contact) in [
        ("é-1", &composed),
        ("e\u{301}-1", &composed),
        ("\u{200b}é-1", &composed),
        ("é-2", &decomposed),
        ("e\u{301}-2", &decomposed),
        ("\u{200b}S-3", &invisible),
    ] {
        assert_eq!(by_id(id).await.map(|entry| entry.contact.id).as_ref(), Some(contact), "{id:?}");
    }
    for (name, contact) in [
        ("jose\u{301}", &composed),
        ("\u{200b}José", &composed),
        ("inés", &decomposed),
        ("ine\u{301}s", &decomposed),
    ] {
        assert_eq!(find_by_name(&stores, name).await, std::slice::from_ref(contact), "{name:?}");
    }
    for (name, contact) in [("inès", &decomposed), ("INES", &decomposed), ("jose", &composed)] {
        assert_eq!(find_by_name(&stores, name).await, std::slice::from_ref(contact), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_without_accents_and_apostrophes_and_with_others() {
    let stores = TestStores::start().await;
    let named = |index: usize, first: &str, last: &str| Contact {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        ..contact(index)
    };
    let brien = create(&stores, named(1, "Zoë", "O’Brien")).await;
    for name in ["zoe o'brien", "ZOË O’BRIEN", "obrien zo", "o`brien", "zoé"] {
        let found = find_by_name(&stores, name).await;
        assert_eq!(found, std::slice::from_ref(&brien.contact.id), "{name:?}");
    }
    assert!(find_by_name(&stores, "brien").await.is_empty());
    assert!(remove(&stores, &brien).await);
    assert!(find_by_name(&stores, "zoe").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_by_the_beginning_of_each_of_its_words() {
    let stores = TestStores::start().await;
    let named = |index: usize, first: &str, last: &str| Contact {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        ..contact(index)
    };
    let cruz = create(&stores, named(1, "Ana María", "de la Cruz")).await;
    let jones = create(&stores, named(2, "Kim", "Smith-Jones")).await;
    for (term, wanted) in [
        ("cruz", &cruz),
        ("cru", &cruz),
        ("la cruz ana", &cruz),
        ("cruz ana maria", &cruz),
        ("maria de la", &cruz),
        ("jones", &jones),
        ("jones kim", &jones),
        ("smith-jones", &jones),
    ] {
        let found = find_by_name(&stores, term).await;
        assert_eq!(found, std::slice::from_ref(&wanted.contact.id), "{term:?}");
    }
    let stored = get(&stores, &cruz.contact.id).await.unwrap();
    let renamed = changed(&stored, |contact| contact.last_name = Some("Cruz".into()));
    assert_eq!(write(&stores, Some(&stored), &renamed).await, ContactWrite::Done);
    assert!(find_by_name(&stores, "la cruz").await.is_empty());
    assert!(remove(&stores, &jones).await);
    assert!(find_by_name(&stores, "jones").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_search_continue_in_the_form_in_which_names_are_stored() {
    let stores = TestStores::start().await;
    for index in 0..3 {
        let name = Some("Ine\u{301}s".into());
        create(&stores, Contact { first_name: name, last_name: None, ..contact(index) }).await;
    }
    let (mut found, mut after) = (0, None);
    loop {
        let page = stores.contacts.by_name(stores.inbox.team_key(), "inés", 1, after.as_deref()).await;
        let page = page.unwrap();
        found += page.items.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_contacts_are_listed_page_by_page() {
    let stores = TestStores::start().await;
    for index in 0..5 {
        create(&stores, contact(index)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (organization, team) = (stores.organization(), &stores.inbox.team);
        let page = stores.contacts.page(TeamKey { organization, team }, 2, after.as_deref()).await.unwrap();
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(seen.len() <= 5);
    }
    assert_eq!(seen, (0..5).map(|index| new_entry(contact(index))).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_belongs_to_the_contact_written_last_until_that_contact_goes() {
    let stores = TestStores::start().await;
    let shared = |index| Contact { number: number(50), ..contact(index) };
    let (one, two) = (create(&stores, shared(1)).await, create(&stores, shared(2)).await);
    assert_eq!(owner_of(&stores, 50).await.as_ref(), Some(&two.contact.id));
    let again = changed(&one, |contact| contact.first_name = Some("Ann".into()));
    assert_eq!(write(&stores, Some(&one), &again).await, ContactWrite::Done);
    assert_eq!(owner_of(&stores, 50).await.as_ref(), Some(&one.contact.id));
    assert!(remove(&stores, &two).await);
    assert_eq!(owner_of(&stores, 50).await.as_ref(), Some(&one.contact.id));
    let three = create(&stores, shared(3)).await;
    let gone = changed(&again, |contact| contact.number = number(51));
    assert_eq!(write(&stores, Some(&again), &gone).await, ContactWrite::Done);
    assert_eq!(owner_of(&stores, 50).await.as_ref(), Some(&three.contact.id));
    assert_eq!(owner_of(&stores, 51).await.as_ref(), Some(&one.contact.id));
    assert!(remove(&stores, &three).await);
    assert_eq!(owner_of(&stores, 50).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_written_to_existing_conversations_only() {
    let stores = TestStores::start().await;
    let others = [other_inbox(1), other_inbox(2)];
    for inbox in &others {
        stores.inboxes.put(inbox).await.unwrap();
    }
    stores.receive(&number(3), "Hello", at_second(1)).await;
    stores
        .inbound
        .receive(&others[0], &inbound_text(&number(3), "SM1", "Hello"), at_second(2))
        .await
        .unwrap();
    stores.receive(&number(4), "Hello", at_second(3)).await;
    let known = Contact { blocked: true, ..contact(3) };
    stores.contacts.put(stores.inbox.team_key(), &known).await.unwrap();
    let before = stores.all_items().await;
    for _ in 0..2 {
        let written = stores.contacts.sync_conversations(stores.inbox.team_key(), &number(3)).await;
        assert_eq!(written.unwrap(), 2);
    }
    let after = stores.all_items().await;
    assert!(after.keys().eq(before.keys()));
    let differ = after.iter().filter(|(index, item)| before[*index] != **item).count();
    assert_eq!(differ, 2);
    assert_eq!(stores.stored_conversation(&stores.conversation_id(&number(3))).await.contact, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_contact_with_a_number_shows_its_opt_out_and_block_and_none_of_their_changes_lifts_them() {
    let stores = TestStores::start().await;
    let team = stores.inbox.team_key();
    let shared = |index| Contact { number: number(50), ..contact(index) };
    stores.contacts.put(team, &Contact { opted_out: true, ..shared(1) }).await.unwrap();
    stores.opt_outs.set_blocked(team, &number(50), true).await.unwrap();
    let (two, other) = (create(&stores, shared(2)).await, create(&stores, contact(3)).await);
    let flags = |entry: &ContactEntry| (entry.contact.opted_out, entry.contact.blocked);
    assert_eq!(flags(&get(&stores, &two.contact.id).await.unwrap()), (true, true));
    for page in [
        stores.contacts.page(team, 50, None).await.unwrap(),
        stores.contacts.with_number(team, &number(50), 50, None).await.unwrap(),
    ] {
        let (with, without): (Vec<_>, Vec<_>) =
            page.items.iter().partition(|entry| entry.contact.number == number(50));
        assert_eq!(with.len(), 2);
        assert!(with.into_iter().all(|entry| flags(entry) == (true, true)));
        assert!(without.into_iter().all(|entry| flags(entry) == (false, false)));
    }
    assert!(remove(&stores, &two).await);
    let again = create(&stores, two.contact).await;
    assert_eq!(flags(&get(&stores, &again.contact.id).await.unwrap()), (true, true));
    let moved = changed(&other, |contact| contact.number = number(50));
    assert_eq!(write(&stores, Some(&other), &moved).await, ContactWrite::Done);
    let shown = stores.contacts.by_number(team, &number(50)).await.unwrap().unwrap();
    assert_eq!((shown.id, shown.opted_out, shown.blocked), (moved.contact.id, true, true));
    for blocked in [true, false, false] {
        stores.opt_outs.set_blocked(team, &number(50), blocked).await.unwrap();
        assert_eq!(flags(&get(&stores, &again.contact.id).await.unwrap()), (true, blocked));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_shown_contact_goes_another_with_the_number_takes_its_place_on_conversations() {
    let stores = TestStores::start().await;
    let team = stores.inbox.team_key();
    stores.receive(&number(50), "Hello", at_second(1)).await;
    let shown = async || {
        assert_eq!(stores.contacts.sync_conversations(team, &number(50)).await.unwrap(), 1);
        stores.stored_conversation(&stores.conversation_id(&number(50))).await.contact
    };
    let shared = |index| Contact { number: number(50), ..contact(index) };
    let (one, two) = (create(&stores, shared(1)).await, create(&stores, shared(2)).await);
    assert_eq!(shown().await, two.contact);
    let found = stores.contacts.with_number(team, &number(50), 50, None).await.unwrap();
    assert_eq!(found.items, [one.clone(), two.clone()]);
    assert!(remove(&stores, &two).await);
    assert_eq!(shown().await, one.contact);
    assert!(remove(&stores, &one).await);
    let provisional = Contact::provisional(team.team, &number(50));
    assert_eq!(shown().await, provisional);
    assert_eq!(get(&stores, &provisional.id).await.map(|entry| entry.contact), Some(provisional));
    let three = create(&stores, shared(3)).await;
    assert_eq!(shown().await, three.contact, "although the version of the pointer started again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_concurrent_changes_conversations_show_the_last_one() {
    let stores = TestStores::start().await;
    stores.receive(&number(50), "Hello", at_second(1)).await;
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for index in 0..8 {
            let (table, inbox) = (stores.table(), stores.inbox.clone());
            tasks.spawn(async move {
                let (team, contacts) = (inbox.team_key(), Contacts::new(table.clone()));
                let known = Contact { number: number(50), ..contact(8 * round + index) };
                contacts.write(team, None, &new_entry(known), None).await.unwrap();
                OptOuts::new(table).set_blocked(team, &number(50), index % 2 == 0).await.unwrap();
                contacts.sync_conversations(team, &number(50)).await.unwrap();
            });
        }
        tasks.join_all().await;
        let last = stores.contacts.by_number(stores.inbox.team_key(), &number(50)).await.unwrap();
        let shown = stores.stored_conversation(&stores.conversation_id(&number(50))).await.contact;
        assert_eq!(Some(shown), last, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_current_until_the_contact_or_its_number_changes() {
    let stores = TestStores::start().await;
    let team = stores.inbox.team_key();
    let read = stores.contacts.by_number_or_provisional(team, &number(50)).await.unwrap();
    stores.receive(&number(50), "Hello", at_second(1)).await;
    let shown = async || stores.stored_conversation(&stores.conversation_id(&number(50))).await.contact;
    let known = create(&stores, Contact { number: number(50), ..contact(1) }).await;
    assert!(shown().await.provisional);
    stores.contacts.sync_if_changed(team, &read).await.unwrap();
    assert_eq!(shown().await, known.contact);
    let read = stores.contacts.by_number_or_provisional(team, &number(50)).await.unwrap();
    let items = stores.all_items().await;
    stores.contacts.sync_if_changed(team, &read).await.unwrap();
    assert_eq!(stores.all_items().await, items);
    stores.opt_outs.set_blocked(team, &number(50), true).await.unwrap();
    stores.contacts.sync_if_changed(team, &read).await.unwrap();
    assert!(shown().await.blocked);
}
