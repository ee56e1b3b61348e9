//! Contact entries: contacts with the custom fields of their team, as users create, change, remove and find
//! them.
//!
//! | sort key | purpose |
//! |---|---|
//! | `con_` | the contact with its custom fields |
//! | `NUMBER#+1…` | inbound messages; of several contacts with one number, the one written last is shown |
//! | `NUMBER#+1…#con_` | search by number; the contact that is shown when the one before it goes |
//! | `EXT#id` | the customer's own id, which is unique in the team |
//! | `FIND#first last#con_`, `FIND#last first#con_`, and one for each further word | search by the beginning of a name or of a word of it, in either order |
//!
//! All of them are written in one transaction with the contact. The copies on conversations follow
//! ([`Contacts::sync_conversations`]). Opt-out and block belong to the number and are read from there.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact, ids::ContactId, keys::TeamKey, phone::PhoneNumber, tag::Tags, text, time::Timestamp,
};

use crate::{
    contact::{
        contacts::{Contacts, NumberItems},
        names::{search_names, searched_forms, stored_names},
        rows::{ContactPointer, ContactRow, is_zero},
    },
    opt_out::numbers::{NumberStatus, status_in, status_keys},
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, attribute, by_key, from_item, item, number, text},
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
    pub tags: Tags,
    /// `None` for contacts that were created before their time was stored.
    pub created_at: Option<Timestamp>,
    /// Grows with each change; a write states the version that was read. 0 for a provisional contact without
    /// tags.
    pub version: u64,
}

impl ContactEntry {
    /// Returns the first version of a contact without custom fields and tags.
    pub fn new(contact: Contact) -> Self {
        Self { contact, custom: BTreeMap::new(), tags: Tags::default(), created_at: None, version: 1 }
    }
}

/// How long a removal that was not finished can be repeated.
const REMOVAL_TTL: Duration = Duration::from_hours(30 * 24);

#[derive(Debug, Serialize, Deserialize)]
struct RemovedRow {
    number: PhoneNumber,
    ttl: i64,
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
#[serde(rename_all = "camelCase")]
struct EntryRow {
    #[serde(flatten)]
    contact: ContactRow,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_zero")]
    version: u64,
}

impl EntryRow {
    fn of(entry: &ContactEntry, version: u64) -> Self {
        Self {
            contact: ContactRow::of(&entry.contact),
            custom: entry.custom.clone(),
            tags: entry.tags.clone(),
            created_at: entry.created_at,
            version,
        }
    }

    fn entry(self) -> ContactEntry {
        self.entry_with(NumberStatus::default())
    }

    fn entry_with(self, status: NumberStatus) -> ContactEntry {
        let Self { contact, custom, tags, created_at, version } = self;
        ContactEntry { contact: contact.contact(status), custom, tags, created_at, version }
    }
}

impl Contacts {
    /// Parses an image of a stream record, which does not have the status of the number. Errors with
    /// `Corrupt` if it is not a contact.
    pub(crate) fn entry_of_image(image: serde_dynamo::Item) -> Result<ContactEntry, StoreError> {
        Ok(serde_dynamo::from_item::<_, EntryRow>(image)?.entry())
    }

    /// Returns a contact entry, read consistently: 2 requests, 3 read units.
    pub async fn get_entry(
        &self,
        team: TeamKey<'_>,
        contact: &ContactId,
    ) -> Result<Option<ContactEntry>, StoreError> {
        let row: Option<EntryRow> = self.table.get(keys::contact(team, contact), true).await?;
        let Some(row) = row else { return Ok(None) };
        let status = self.status(team, &row.contact.number, true).await?;
        Ok(Some(row.entry_with(status)))
    }

    /// Returns the contact that is shown for a number, read consistently and without the status of the
    /// number: 2 requests, 2 read units.
    pub async fn shown_entry(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Option<ContactEntry>, StoreError> {
        let pointer = self.table.get(keys::contact_number(team, number), true).await?;
        let id = NumberItems { pointer, ..NumberItems::default() }.shown_id(team, number);
        let row: Option<EntryRow> = self.table.get(keys::contact(team, &id), true).await?;
        Ok(row.map(EntryRow::entry).filter(|entry| entry.contact.number == *number))
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
        let pointer = ContactPointer::to(contact);
        show(&mut transaction, team, contact)?;
        let old = before.map(|before| &before.contact);
        // A provisional contact is found by its id alone, until it is added.
        let old_number = old.filter(|old| version > 0 && !old.provisional).map(|old| &old.number);
        if old_number != Some(&contact.number) {
            transaction.put(keys::contact_with_number(team, &contact.number, &contact.id), &pointer)?;
        }
        if let Some(old) = old.filter(|old| old.number != contact.number) {
            self.give_up_number(team, old, &mut transaction).await?;
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
        let stored = old.map(stored_names).unwrap_or_default();
        for name in stored.iter().filter(|name| !new_names.contains(name)) {
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
        self.remove_in(Transaction::new(&self.table), team, entry).await
    }

    /// [`Contacts::remove`] that remembers the contact's number until [`Contacts::finish_removal`], because
    /// its conversations still show the contact: 2 write units more.
    pub async fn begin_removal(
        &self,
        team: TeamKey<'_>,
        entry: &ContactEntry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ContactEntry { contact, .. } = entry;
        let row = RemovedRow { number: contact.number.clone(), ttl: (now + REMOVAL_TTL).seconds() };
        let mut transaction = Transaction::new(&self.table);
        transaction.put(keys::removed_contact(team, &contact.id), &row)?;
        self.remove_in(transaction, team, entry).await
    }

    /// Returns the number of a contact whose removal has begun and is not finished.
    pub async fn unfinished_removal(
        &self,
        team: TeamKey<'_>,
        contact: &ContactId,
    ) -> Result<Option<PhoneNumber>, StoreError> {
        let row: Option<RemovedRow> = self.table.get(keys::removed_contact(team, contact), true).await?;
        Ok(row.map(|row| row.number))
    }

    /// Updates the conversations of a contact that was removed. Idempotent.
    pub async fn finish_removal(
        &self,
        team: TeamKey<'_>,
        contact: &ContactId,
        number: &PhoneNumber,
    ) -> Result<(), StoreError> {
        self.sync_conversations(team, number).await?;
        self.table.delete(keys::removed_contact(team, contact)).await
    }

    async fn remove_in(
        &self,
        mut transaction: Transaction<'_>,
        team: TeamKey<'_>,
        entry: &ContactEntry,
    ) -> Result<bool, StoreError> {
        let contact = &entry.contact;
        transaction.delete_if(keys::contact(team, &contact.id), |delete| {
            delete
                .condition_expression(is_at_version(entry.version))
                .expression_attribute_values(":version", number(entry.version))
        })?;
        self.give_up_number(team, contact, &mut transaction).await?;
        if let Some(id) = &contact.external_id {
            transaction.delete(keys::external_contact(team, id))?;
        }
        for name in stored_names(contact) {
            transaction.delete(keys::contact_name(team, &name, &contact.id))?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Takes the number from a contact. If the contact is shown for the number, another contact with the
    /// number takes its place.
    async fn give_up_number(
        &self,
        team: TeamKey<'_>,
        contact: &Contact,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), StoreError> {
        let key = keys::contact_number(team, &contact.number);
        transaction.delete(keys::contact_with_number(team, &contact.number, &contact.id))?;
        let pointer: Option<ContactPointer> = self.table.get(key.clone(), true).await?;
        if pointer.is_none_or(|pointer| pointer.contact != contact.id) {
            return Ok(());
        }
        match self.other_with_number(team, contact).await? {
            Some(other) => {
                transaction.require_exists(keys::contact(team, &other))?;
                transaction.update(key, |update| {
                    update
                        .update_expression("SET contact = :other ADD version :one")
                        .condition_expression("contact = :contact")
                        .expression_attribute_values(":contact", text(&contact.id))
                        .expression_attribute_values(":other", text(&other))
                        .expression_attribute_values(":one", number(1))
                })?;
            }
            None => {
                transaction.delete_if(key, |delete| {
                    delete
                        .condition_expression("contact = :contact")
                        .expression_attribute_values(":contact", text(&contact.id))
                })?;
            }
        }
        Ok(())
    }

    /// Returns another contact that has the number of this one.
    async fn other_with_number(
        &self,
        team: TeamKey<'_>,
        contact: &Contact,
    ) -> Result<Option<ContactId>, StoreError> {
        let prefix = keys::contacts_with_number(&contact.number);
        let range = KeyRange::prefix(keys::team_partition(team), prefix);
        let found = self.table.query(&range).scan_index_forward(false).limit(2).consistent_read(true);
        let found = found.send().await?.items.unwrap_or_default();
        let found: Vec<ContactPointer> = serde_dynamo::from_items(found)?;
        Ok(found.into_iter().map(|pointer| pointer.contact).find(|other| *other != contact.id))
    }

    /// Returns a page of the contacts that have a number. A provisional contact is on it if no other has the
    /// number.
    pub async fn with_number(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ContactEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::contacts_with_number(number));
        let pointers: Page<ContactPointer> = self.table.page(range, Order::Ascending, limit, after).await?;
        let mut ids: Vec<ContactId> = pointers.items.into_iter().map(|pointer| pointer.contact).collect();
        if ids.is_empty() && after.is_none() {
            ids.push(ContactId::provisional(team.team, number));
        }
        Ok(Page { items: self.listed(team, &ids).await?, next: pointers.next })
    }

    /// Returns the entries of these contacts, in this order.
    async fn listed(&self, team: TeamKey<'_>, ids: &[ContactId]) -> Result<Vec<ContactEntry>, StoreError> {
        let keys = ids.iter().map(|id| keys::contact(team, id)).collect();
        let rows: Vec<EntryRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let mut entries = self.with_status(team, rows).await?;
        entries.sort_by_key(|entry| ids.iter().position(|id| *id == entry.contact.id));
        Ok(entries)
    }

    /// Adds the statuses of their numbers to contacts: 1 read unit for each number.
    async fn with_status(
        &self,
        team: TeamKey<'_>,
        rows: Vec<EntryRow>,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let numbers: BTreeSet<&PhoneNumber> = rows.iter().map(|row| &row.contact.number).collect();
        let keys: Vec<_> = numbers.into_iter().flat_map(|number| status_keys(team, number)).collect();
        let items = by_key(self.table.batch_get(keys, false).await?);
        let entry = |row: EntryRow| {
            let status = status_in(&items, team, &row.contact.number)?;
            Ok(row.entry_with(status))
        };
        rows.into_iter().map(entry).collect()
    }

    /// Returns a page of the contacts of a team.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ContactEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::CONTACTS);
        let page: Page<EntryRow> = self.table.page(range, Order::Ascending, limit, after).await?;
        Ok(Page { items: self.with_status(team, page.items).await?, next: page.next })
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
        for form in searched_forms(prefix) {
            let sort_key = format!("{}{form}", keys::CONTACT_NAMES);
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
        Ok(Page { items: self.listed(team, &ids).await?, next: pointers.next })
    }
}

/// Makes a contact the one that is shown for its number.
fn show(transaction: &mut Transaction<'_>, team: TeamKey<'_>, contact: &Contact) -> Result<(), StoreError> {
    transaction.update(keys::contact_number(team, &contact.number), |update| {
        update
            .update_expression("SET contact = :contact ADD version :one")
            .expression_attribute_values(":contact", text(&contact.id))
            .expression_attribute_values(":one", number(1))
    })?;
    Ok(())
}

/// Adds a write of the tags of a contact, under the condition that it did not change since it was read. A
/// provisional contact gets a version with its first tag, so that a write that does not know the tag fails.
pub(crate) fn set_tags(
    transaction: &mut Transaction<'_>,
    team: TeamKey<'_>,
    entry: &ContactEntry,
    tags: &Tags,
) -> Result<usize, StoreError> {
    let tags = attribute(tags)?;
    transaction.update(keys::contact(team, &entry.contact.id), |update| {
        update
            .update_expression("SET tags = :tags ADD version :one")
            .condition_expression(is_at_version(entry.version))
            .expression_attribute_values(":tags", tags)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":version", number(entry.version))
    })
}

/// Returns the condition that the contact still has this version. A provisional contact without tags has no
/// version.
fn is_at_version(version: u64) -> &'static str {
    if version == 0 {
        "attribute_exists(pk) AND (attribute_not_exists(version) OR version = :version)"
    } else {
        "version = :version"
    }
}

/// Parses a stored item, without the status of its number.
pub(crate) fn entry_of(item: Item) -> Result<ContactEntry, StoreError> {
    Ok(from_item::<EntryRow>(item)?.entry())
}

/// Returns the item of a new contact, which no other request can write.
pub(crate) fn new_item(team: TeamKey<'_>, entry: &ContactEntry) -> Result<Item, StoreError> {
    item(keys::contact(team, &entry.contact.id), &EntryRow::of(entry, entry.version))
}
