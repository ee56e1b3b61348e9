//! A team's list of contacts: the rows that find a contact, and who wins.

use std::collections::{BTreeMap, BTreeSet};

use shared_aws::contact::{ContactEntry, ContactWrite, Contacts};
use shared_domain::{contact::Contact, ids::ContactId, keys::TeamKey};
use tokio::task::JoinSet;

use crate::support::{Desk, another_inbox, contact, incoming, number, seconds};

/// Somebody as they are entered.
fn entered(contact: Contact) -> ContactEntry {
    let custom = BTreeMap::from([("Campus".to_owned(), "North".to_owned())]);
    ContactEntry { contact, custom, version: 1 }
}

/// The same after one more change.
fn changed(before: &ContactEntry, change: impl FnOnce(&mut Contact)) -> ContactEntry {
    let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
    change(&mut after.contact);
    after
}

async fn write(desk: &Desk, before: Option<&ContactEntry>, after: &ContactEntry) -> ContactWrite {
    desk.contacts
        .write(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, before, after, None)
        .await
        .unwrap()
}

async fn enter(desk: &Desk, contact: Contact) -> ContactEntry {
    let entry = entered(contact);
    assert_eq!(write(desk, None, &entry).await, ContactWrite::Done);
    entry
}

async fn get(desk: &Desk, id: &ContactId) -> Option<ContactEntry> {
    desk.contacts
        .get_entry(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, id)
        .await
        .unwrap()
}

async fn remove(desk: &Desk, entry: &ContactEntry) -> bool {
    desk.contacts
        .remove(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, entry)
        .await
        .unwrap()
}

/// Who is shown for a number.
async fn shown(desk: &Desk, place: usize) -> Option<ContactId> {
    let found = desk
        .contacts
        .by_number(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &number(place))
        .await;
    found.unwrap().map(|contact| contact.id)
}

/// Where the rows stand.
async fn places(desk: &Desk) -> BTreeSet<String> {
    desk.rows().await.into_keys().map(|(_, place)| place).collect()
}

fn of(entry: &ContactEntry, finding: &[&str]) -> BTreeSet<String> {
    let id = entry.contact.id.as_str();
    let found = finding.iter().map(|place| place.replace('@', id));
    found.chain([id.to_owned()]).collect()
}

/// Names found by their beginning, and whether there are more.
async fn found(desk: &Desk, beginning: &str) -> Vec<ContactId> {
    let page = desk
        .contacts
        .by_name(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, beginning, 50, None)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|entry| entry.contact.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_rows_that_find_a_contact_come_change_and_go_with_it() {
    let desk = Desk::open().await;
    let others = desk.rows().await;
    let first = enter(&desk, contact(0)).await;
    let names = ["FIND#liam smith#@", "FIND#smith liam#@"];
    let rows = of(&first, &[names[0], names[1], "EXT#S-2026-000000", "NUMBER#+12025550000"]);
    assert_eq!(places(&desk).await, rows);
    assert_eq!(get(&desk, &first.contact.id).await, Some(first.clone()));
    let renamed = changed(&first, |contact| contact.last_name = Some("O#Neil".into()));
    assert_eq!(write(&desk, Some(&first), &renamed).await, ContactWrite::Done);
    let names = ["FIND#liam o neil#@", "FIND#o neil liam#@"];
    let rows = of(&first, &[names[0], names[1], "EXT#S-2026-000000", "NUMBER#+12025550000"]);
    assert_eq!(places(&desk).await, rows);
    let moved = changed(&renamed, |contact| {
        contact.number = number(77);
        contact.first_name = None;
        contact.external_id = Some("S-1".into());
    });
    assert_eq!(write(&desk, Some(&renamed), &moved).await, ContactWrite::Done);
    assert_eq!(places(&desk).await, of(&first, &["FIND#o neil#@", "EXT#S-1", "NUMBER#+12025550077"]));
    assert_eq!(get(&desk, &first.contact.id).await, Some(moved.clone()));
    let team = &desk.inbox.team;
    let by_id = async |id| {
        desk.contacts.by_external_id(TeamKey { organization: desk.organization(), team }, id).await.unwrap()
    };
    assert_eq!(by_id("S-1").await, Some(moved.clone()));
    assert_eq!(by_id("S-2026-000000").await, None);
    let nameless = changed(&moved, |contact| (contact.last_name, contact.external_id) = (None, None));
    assert_eq!(write(&desk, Some(&moved), &nameless).await, ContactWrite::Done);
    assert_eq!(places(&desk).await, of(&first, &["NUMBER#+12025550077"]));
    assert!(remove(&desk, &nameless).await);
    assert_eq!(desk.rows().await, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_leaves_no_row_of_the_contact_and_all_of_another() {
    let desk = Desk::open().await;
    enter(&desk, contact(1)).await;
    let before = desk.rows().await;
    let entry = enter(&desk, contact(2)).await;
    assert!(remove(&desk, &entry).await);
    assert_eq!(desk.rows().await, before);
    assert!(!remove(&desk, &entry).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_texted_in_is_entered_and_removed() {
    let desk = Desk::open().await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let before = desk.rows().await;
    let met =
        desk.contacts.by_number_or_provisional(TeamKey { organization, team }, &number(5)).await.unwrap();
    let met = get(&desk, &met.id).await.unwrap();
    assert_eq!(met.version, 0);
    let named = changed(&met, |contact| contact.first_name = Some("Wei".into()));
    assert_eq!(write(&desk, Some(&met), &named).await, ContactWrite::Done);
    assert_eq!(write(&desk, Some(&met), &named).await, ContactWrite::Changed);
    assert!(!remove(&desk, &met).await);
    assert_eq!(places(&desk).await, of(&named, &["FIND#wei#@", "NUMBER#+12025550005"]));
    assert!(remove(&desk, &named).await);
    assert_eq!(desk.rows().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_contacts_with_one_id_of_the_customers_one_is_written() {
    let desk = Desk::open().await;
    let before = desk.rows().await.len();
    let mut rivals = JoinSet::new();
    for place in 0..16 {
        let (book, inbox) = (Contacts::new(desk.other_host()), desk.inbox.clone());
        rivals.spawn(async move {
            let entry = entered(Contact { external_id: Some("S-1".into()), ..contact(place) });
            (entry.clone(), book.write(inbox.team_key(), None, &entry, None).await.unwrap())
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) =
        rivals.join_all().await.into_iter().partition(|(_, written)| *written == ContactWrite::Done);
    assert!(refused.iter().all(|(_, written)| *written == ContactWrite::ExternalIdTaken), "{refused:?}");
    let [(winner, _)] = &done[..] else { panic!("not one: {done:?}") };
    let team = &desk.inbox.team;
    let named = desk
        .contacts
        .by_external_id(TeamKey { organization: desk.organization(), team }, "S-1")
        .await
        .unwrap();
    assert_eq!(named.as_ref(), Some(winner));
    assert_eq!(desk.rows().await.len(), before + 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_changes_of_what_was_read_one_is_written_and_what_is_old_removes_nothing() {
    let desk = Desk::open().await;
    let before = enter(&desk, contact(0)).await;
    let mut rivals = JoinSet::new();
    for place in 0..16 {
        let (book, inbox, before) = (Contacts::new(desk.other_host()), desk.inbox.clone(), before.clone());
        rivals.spawn(async move {
            let after = changed(&before, |contact| contact.last_name = Some(format!("Name {place}")));
            let written = book.write(inbox.team_key(), Some(&before), &after, None).await.unwrap();
            (after, written)
        });
    }
    let (done, refused): (Vec<_>, Vec<_>) =
        rivals.join_all().await.into_iter().partition(|(_, written)| *written == ContactWrite::Done);
    assert!(refused.iter().all(|(_, written)| *written == ContactWrite::Changed), "{refused:?}");
    let [(winner, _)] = &done[..] else { panic!("not one: {done:?}") };
    assert_eq!(get(&desk, &before.contact.id).await.as_ref(), Some(winner));
    let rows = desk.rows().await;
    assert_eq!(rows.len(), 5);
    assert!(!remove(&desk, &before).await);
    let anew = changed(&before, |contact| contact.external_id = None);
    assert_eq!(write(&desk, None, &anew).await, ContactWrite::Changed, "a new one with an id that is there");
    assert_eq!(desk.rows().await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_by_their_beginning_either_way_round_in_any_case() {
    let desk = Desk::open().await;
    let named = |place: usize, first: &str, last: &str| Contact {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        ..contact(place)
    };
    let jo = enter(&desk, named(1, "Jo", "Müller  Smith")).await.contact.id;
    let joan = enter(&desk, named(2, "JOAN", "Ärger")).await.contact.id;
    let both = [joan.clone(), jo.clone()];
    for (beginning, wanted) in [
        ("jo", vec![&jo, &joan]),
        (" JO ", vec![&jo, &joan]),
        ("jo mü", vec![&jo]),
        ("MÜLLER smith jo", vec![&jo]),
        ("är", vec![&joan]),
        ("ärger#joan", vec![&joan]),
        ("smith", vec![]),
        ("x", vec![]),
    ] {
        let mut names = found(&desk, beginning).await;
        names.sort();
        assert_eq!(
            names,
            wanted.into_iter().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
    }
    let mut seen = Vec::new();
    let mut after = None;
    for _ in 0..3 {
        let (organization, team) = (desk.organization(), &desk.inbox.team);
        let page =
            desk.contacts.by_name(TeamKey { organization, team }, "jo", 1, after.as_deref()).await.unwrap();
        seen.extend(page.items.into_iter().map(|entry| entry.contact.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((after, seen), (None, vec![both[1].clone(), both[0].clone()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_contacts_are_listed_page_by_page() {
    let desk = Desk::open().await;
    for place in 0..5 {
        enter(&desk, contact(place)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let (organization, team) = (desk.organization(), &desk.inbox.team);
        let page = desk.contacts.page(TeamKey { organization, team }, 2, after.as_deref()).await.unwrap();
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(seen.len() <= 5);
    }
    assert_eq!(seen, (0..5).map(|place| entered(contact(place))).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_shows_whom_it_was_written_for_last_and_loses_only_its_own() {
    let desk = Desk::open().await;
    let shared = |place| Contact { number: number(50), ..contact(place) };
    let (one, two) = (enter(&desk, shared(1)).await, enter(&desk, shared(2)).await);
    assert_eq!(shown(&desk, 50).await.as_ref(), Some(&two.contact.id));
    let again = changed(&one, |contact| contact.first_name = Some("Ann".into()));
    assert_eq!(write(&desk, Some(&one), &again).await, ContactWrite::Done);
    assert_eq!(shown(&desk, 50).await.as_ref(), Some(&one.contact.id));
    assert!(remove(&desk, &two).await);
    assert_eq!(shown(&desk, 50).await.as_ref(), Some(&one.contact.id));
    let three = enter(&desk, shared(3)).await;
    let gone = changed(&again, |contact| contact.number = number(51));
    assert_eq!(write(&desk, Some(&again), &gone).await, ContactWrite::Done);
    assert_eq!(shown(&desk, 50).await.as_ref(), Some(&three.contact.id));
    assert_eq!(shown(&desk, 51).await.as_ref(), Some(&one.contact.id));
    assert!(remove(&desk, &three).await);
    assert_eq!(shown(&desk, 50).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_written_where_a_conversation_is_and_nowhere_else() {
    let desk = Desk::open().await;
    let others = [another_inbox(1), another_inbox(2)];
    for inbox in &others {
        desk.inboxes.put(inbox).await.unwrap();
    }
    desk.hear(&number(3), "Hello", seconds(1)).await;
    desk.inbound.receive(&others[0], &incoming(&number(3), "SM1", "Hello"), seconds(2)).await.unwrap();
    desk.hear(&number(4), "Hello", seconds(3)).await;
    let before = desk.all_rows().await;
    let known = Contact { blocked: true, ..contact(3) };
    for _ in 0..2 {
        let spread = desk
            .contacts
            .sync_copies(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &known)
            .await;
        assert_eq!(spread.unwrap(), 2);
    }
    let after = desk.all_rows().await;
    assert!(after.keys().eq(before.keys()));
    let differ = after.iter().filter(|(place, row)| before[*place] != **row).count();
    assert_eq!(differ, 2);
    assert_eq!(desk.look_at(&desk.conversation_with(&number(3))).await.contact, known);
}
