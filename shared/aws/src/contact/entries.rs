//! Contact entries: contacts with the custom fields of their team, as users create, change, remove and find
//! them.
//!
//! | sort key | purpose |
//! |---|---|
//! | `con_` | the contact with its custom fields |
//! | `NUMBER#+1…` | inbound messages; of several contacts with one number, the one written last is shown |
//! | `EXT#id` | the customer's own id, which is unique in the team |
//! | `FIND#first last#con_`, `FIND#last first#con_` | search by the beginning of a name, in either order |
//!
//! All of them are written in one transaction with the contact. The copies on conversations follow
//! ([`Contacts::sync_copies`]).

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use shared_domain::{contact::Contact, ids::ContactId, keys::TeamKey, text, time::Timestamp};

use crate::{
    contact::{
        contacts::Contacts,
        rows::{ContactPointer, ContactRow},
    },
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, from_item, item, number, text},
        keys,
        query::{KeyRange, Order, Page},
        transaction::Transaction,
    },
};

/// A contact with its custom fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactEntry {
    pub contact: Contact,
    /// Custom fields by name.
    pub custom: BTreeMap<String, String>,
    /// Grows with each change; a write states the version that was read. 0 for a provisional contact.
    pub version: u64,
}

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactWrite {
    Done,
    /// Another contact of the team has this external id.
    ExternalIdTaken,
    /// The contact was created, changed or removed since it was read.
    Changed,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryRow {
    #[serde(flatten)]
    contact: ContactRow,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "is_unwritten")]
    version: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_unwritten(version: &u64) -> bool {
    *version == 0
}

impl EntryRow {
    fn of(entry: &ContactEntry, version: u64) -> Self {
        Self { contact: ContactRow::of(&entry.contact), custom: entry.custom.clone(), version }
    }

    fn entry(self) -> ContactEntry {
        ContactEntry { contact: self.contact.contact(), custom: self.custom, version: self.version }
    }
}

impl Contacts {
    /// Returns a contact entry, read consistently. Costs 1 read unit.
    pub async fn get_entry(
        &self,
        team: TeamKey<'_>,
        contact: &ContactId,
    ) -> Result<Option<ContactEntry>, StoreError> {
        let row: Option<EntryRow> = self.table.get(keys::contact(team, contact), true).await?;
        Ok(row.map(EntryRow::entry))
    }

    /// Returns the contact with this external id, in any of the [forms](text::stored_forms) in which it may
    /// be stored.
    pub async fn by_external_id(
        &self,
        team: TeamKey<'_>,
        external_id: &str,
    ) -> Result<Option<ContactEntry>, StoreError> {
        for form in text::stored_forms(external_id) {
            let key = keys::external_contact(team, &form);
            let pointer: Option<ContactPointer> = self.table.get(key, false).await?;
            if let Some(pointer) = pointer {
                return self.get_entry(team, &pointer.contact).await;
            }
        }
        Ok(None)
    }

    /// Writes a contact with all items that find it. `before` is the entry as the caller read it, `None` for
    /// a new contact.
    pub async fn write(
        &self,
        team: TeamKey<'_>,
        before: Option<&ContactEntry>,
        after: &ContactEntry,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<ContactWrite, StoreError> {
        let contact = &after.contact;
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row = EntryRow::of(after, version + 1);
        let item_key = keys::contact(team, &contact.id);
        if before.is_some() {
            transaction.put_if(item_key, &row, |put| {
                put.condition_expression(is_at_version(version))
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(item_key, &row)?;
        }
        let pointer = ContactPointer { contact: contact.id.clone() };
        transaction.put(keys::contact_number(team, &contact.number), &pointer)?;
        let old = before.map(|before| &before.contact);
        if let Some(old) = old.filter(|old| old.number != contact.number) {
            self.delete_number_pointer(team, old, &mut transaction).await?;
        }
        let mut external_id = None;
        let old_external_id = old.and_then(|old| old.external_id.as_deref());
        if old_external_id != contact.external_id.as_deref() {
            if let Some(id) = &contact.external_id {
                external_id = Some(transaction.put_new(keys::external_contact(team, id), &pointer)?);
            }
            if let Some(id) = old_external_id {
                transaction.delete(keys::external_contact(team, id))?;
            }
        }
        let (old_names, new_names) = (old.map(search_names).unwrap_or_default(), search_names(contact));
        for name in old_names.iter().filter(|name| !new_names.contains(name)) {
            transaction.delete(keys::contact_name(team, name, &contact.id))?;
        }
        for name in new_names.iter().filter(|name| !old_names.contains(name)) {
            transaction.put(keys::contact_name(team, name, &contact.id), &pointer)?;
        }
        let used_key = match key {
            Some((key, now)) => {
                Some(key.write(&mut transaction, team.organization, contact.id.as_str(), now)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            ContactWrite::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            ContactWrite::KeyTaken
        } else if external_id.is_some_and(|place| committed.refused_at(place)) {
            ContactWrite::ExternalIdTaken
        } else {
            ContactWrite::Changed
        })
    }

    /// Removes a contact with all items that find it. `false` if it changed since it was read. The history of
    /// its conversations is kept.
    pub async fn remove(&self, team: TeamKey<'_>, entry: &ContactEntry) -> Result<bool, StoreError> {
        let contact = &entry.contact;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::contact(team, &contact.id), |delete| {
            delete
                .condition_expression(is_at_version(entry.version))
                .expression_attribute_values(":version", number(entry.version))
        })?;
        self.delete_number_pointer(team, contact, &mut transaction).await?;
        if let Some(id) = &contact.external_id {
            transaction.delete(keys::external_contact(team, id))?;
        }
        for name in search_names(contact) {
            transaction.delete(keys::contact_name(team, &name, &contact.id))?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Deletes the pointer from the contact's number unless it points at another contact by now.
    async fn delete_number_pointer(
        &self,
        team: TeamKey<'_>,
        contact: &Contact,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), StoreError> {
        let key = keys::contact_number(team, &contact.number);
        let pointer: Option<ContactPointer> = self.table.get(key.clone(), true).await?;
        if pointer.is_some_and(|pointer| pointer.contact == contact.id) {
            transaction.delete_if(key, |delete| {
                delete
                    .condition_expression("contact = :contact")
                    .expression_attribute_values(":contact", text(&contact.id))
            })?;
        }
        Ok(())
    }

    /// Returns a page of the contacts of a team.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ContactEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::CONTACTS);
        Ok(self.table.page(range, Order::Ascending, limit, after).await?.map(EntryRow::entry))
    }

    /// Returns a page of the contacts whose name starts with `prefix`, in the order first name, last name or
    /// the reverse. A contact that matches in both orders is on the page once.
    pub async fn by_name(
        &self,
        team: TeamKey<'_>,
        prefix: &str,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ContactEntry>, StoreError> {
        let mut pointers: Page<ContactPointer> = Page { items: Vec::new(), next: None };
        for form in text::stored_forms(prefix) {
            let sort_key = format!("{}{}", keys::CONTACT_NAMES, folded(&form));
            if after.is_some_and(|after| !after.starts_with(&sort_key)) {
                continue; // the pages before this one are of another form
            }
            let range = KeyRange::prefix(keys::team_partition(team), sort_key);
            pointers = self.table.page(range, Order::Ascending, limit, after).await?;
            if !pointers.items.is_empty() {
                break;
            }
        }
        let mut ids: Vec<ContactId> = pointers.items.into_iter().map(|pointer| pointer.contact).collect();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let keys = ids.iter().map(|id| keys::contact(team, id)).collect();
        let rows: Vec<EntryRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let mut items: Vec<ContactEntry> = rows.into_iter().map(EntryRow::entry).collect();
        items.sort_by_key(|entry| ids.iter().position(|id| *id == entry.contact.id));
        Ok(Page { items, next: pointers.next })
    }
}

/// Returns the condition that the contact still has this version. A provisional contact has no version.
fn is_at_version(version: u64) -> &'static str {
    if version == 0 {
        "attribute_exists(pk) AND (attribute_not_exists(version) OR version = :version)"
    } else {
        "version = :version"
    }
}

/// Parses a stored item.
pub(crate) fn entry_of(item: Item) -> Result<ContactEntry, StoreError> {
    Ok(from_item::<EntryRow>(item)?.entry())
}

/// Returns the item of a new contact, which no other request can write.
pub(crate) fn new_item(team: TeamKey<'_>, entry: &ContactEntry) -> Result<Item, StoreError> {
    item(keys::contact(team, &entry.contact.id), &EntryRow::of(entry, entry.version))
}

/// Returns the search form of a name: lowercase, with single spaces, and without the separator of keys.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('#', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the names by which a contact is found, in the order first name, last name and the reverse. Empty
/// if the contact has no name.
pub(crate) fn search_names(contact: &Contact) -> Vec<String> {
    let first = contact.first_name.as_deref().unwrap_or_default();
    let last = contact.last_name.as_deref().unwrap_or_default();
    let mut names = vec![folded(&format!("{first} {last}")), folded(&format!("{last} {first}"))];
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}
