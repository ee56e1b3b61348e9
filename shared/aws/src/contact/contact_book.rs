//! A team's list of contacts: entered by hand, changed, removed, found.
//!
//! | row | for |
//! |---|---|
//! | `con_` | the contact with its custom fields |
//! | `NUMBER#+1…` | texts that come in; of several contacts with one number, the one written last is shown |
//! | `EXT#id` | the customer's own id, which is one contact's alone |
//! | `FIND#first last#con_`, `FIND#last first#con_` | names by their beginning, either way round |
//!
//! All of them are one transaction with the contact. Its copies on conversations follow ([`crate::contact::contact_copies`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, OrganizationId, TeamId},
    time::Timestamp,
};

use crate::{
    contact::rows::{ContactRow, NumberRow},
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, number, text},
        items::parse_id,
        keys,
        requests::{Order, Table, row},
        transaction::Transaction,
    },
};

/// What the table holds of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactEntry {
    /// The contact.
    pub contact: Contact,
    /// Fields of the customer's own.
    pub custom: BTreeMap<String, String>,
    /// Grows with each change: whoever changes says which one they read. 0 for one that was never written here.
    pub version: u64,
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactPage {
    /// At most as many as asked for.
    pub entries: Vec<ContactEntry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactWrite {
    /// As wished.
    Done,
    /// Another contact of the team has this id of the customer's.
    ExternalIdTaken,
    /// It was changed, made or removed meanwhile: read it again.
    Changed,
    /// The idempotency key was used meanwhile.
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

/// Lists of contacts.
#[derive(Debug, Clone)]
pub struct ContactBook {
    table: Table,
}

impl ContactBook {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// One contact, read consistently.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &ContactId,
    ) -> Result<Option<ContactEntry>, StoreError> {
        let row: Option<EntryRow> = self.table.get(keys::contact(organization, team, contact), true).await?;
        row.map(entry).transpose()
    }

    /// The contact with this id of the customer's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_external_id(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        external_id: &str,
    ) -> Result<Option<ContactEntry>, StoreError> {
        let key = keys::external_contact(organization, team, external_id);
        let pointer: Option<NumberRow> = self.table.get(key, false).await?;
        match pointer {
            Some(pointer) => self.get(organization, team, &parse_id(&pointer.contact)?).await,
            None => Ok(None),
        }
    }

    /// Writes a contact with all that finds it. `before` is what was read, nothing for a new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        before: Option<&ContactEntry>,
        after: &ContactEntry,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<ContactWrite, StoreError> {
        let contact = &after.contact;
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row =
            EntryRow { contact: ContactRow::of(contact), custom: after.custom.clone(), version: version + 1 };
        let at = keys::contact(organization, team, &contact.id);
        if before.is_some() {
            transaction.put_if(at, &row, |put| {
                put.condition_expression(at_version(version))
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(at, &row)?;
        }
        let pointer = NumberRow { contact: contact.id.to_string() };
        transaction.put(keys::contact_number(organization, team, &contact.number), &pointer)?;
        let old = before.map(|before| &before.contact);
        if let Some(old) = old.filter(|old| old.number != contact.number) {
            self.forget_number(organization, team, old, &mut transaction).await?;
        }
        let mut taken = None;
        let old_external = old.and_then(|old| old.external_id.as_deref());
        if old_external != contact.external_id.as_deref() {
            if let Some(id) = &contact.external_id {
                let key = keys::external_contact(organization, team, id);
                taken = Some(transaction.put_new(key, &pointer)?);
            }
            if let Some(id) = old_external {
                transaction.delete(keys::external_contact(organization, team, id))?;
            }
        }
        let (before, now) = (old.map(names).unwrap_or_default(), names(contact));
        for name in before.iter().filter(|name| !now.contains(name)) {
            transaction.delete(keys::contact_name(organization, team, name, &contact.id))?;
        }
        for name in now.iter().filter(|name| !before.contains(name)) {
            transaction.put(keys::contact_name(organization, team, name, &contact.id), &pointer)?;
        }
        let used = match key {
            Some((key, now)) => {
                Some(transaction.add(key.part(&self.table, organization, contact.id.as_str(), now)?))
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            ContactWrite::Done
        } else if used.is_some_and(|place| committed.refused_at(place)) {
            ContactWrite::KeyTaken
        } else if taken.is_some_and(|place| committed.refused_at(place)) {
            ContactWrite::ExternalIdTaken
        } else {
            ContactWrite::Changed
        })
    }

    /// Removes a contact and all that finds it; `false` when it was changed meanwhile. The history of its conversations
    /// stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        entry: &ContactEntry,
    ) -> Result<bool, StoreError> {
        let contact = &entry.contact;
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::contact(organization, team, &contact.id), |delete| {
            delete
                .condition_expression(at_version(entry.version))
                .expression_attribute_values(":version", number(entry.version))
        })?;
        self.forget_number(organization, team, contact, &mut transaction).await?;
        if let Some(id) = &contact.external_id {
            transaction.delete(keys::external_contact(organization, team, id))?;
        }
        for name in names(contact) {
            transaction.delete(keys::contact_name(organization, team, &name, &contact.id))?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// The pointer from a number may have gone to another contact since.
    async fn forget_number(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &Contact,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), StoreError> {
        let key = keys::contact_number(organization, team, &contact.number);
        let pointer: Option<NumberRow> = self.table.get(key.clone(), true).await?;
        if pointer.is_some_and(|pointer| pointer.contact == contact.id.as_str()) {
            transaction.delete_if(key, |delete| {
                delete
                    .condition_expression("contact = :me")
                    .expression_attribute_values(":me", text(&contact.id))
            })?;
        }
        Ok(())
    }

    /// A page of all contacts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<ContactPage, StoreError> {
        let partition = keys::team_partition(organization, team);
        let (items, next) =
            self.table.page(partition, keys::CONTACTS, Order::Ascending, limit, after).await?;
        let rows: Vec<EntryRow> = serde_dynamo::from_items(items)?;
        Ok(ContactPage { entries: rows.into_iter().map(entry).collect::<Result<_, _>>()?, next })
    }

    /// A page of the contacts whose name begins like this, either way round.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_name(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        beginning: &str,
        limit: u16,
        after: Option<&str>,
    ) -> Result<ContactPage, StoreError> {
        let prefix = format!("{}{}", keys::NAMES, folded(beginning));
        let partition = keys::team_partition(organization, team);
        let (items, next) = self.table.page(partition, &prefix, Order::Ascending, limit, after).await?;
        let pointers: Vec<NumberRow> = serde_dynamo::from_items(items)?;
        let ids = pointers.iter().map(|pointer| parse_id(&pointer.contact));
        let mut ids = ids.collect::<Result<Vec<ContactId>, _>>()?;
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let keys = ids.iter().map(|id| keys::contact(organization, team, id)).collect();
        let rows: Vec<EntryRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        let mut entries = rows.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| ids.iter().position(|id| *id == entry.contact.id));
        Ok(ContactPage { entries, next })
    }
}

/// The contact as it was read; one that was never written here has no version.
fn at_version(version: u64) -> &'static str {
    if version == 0 {
        "attribute_exists(pk) AND (attribute_not_exists(version) OR version = :version)"
    } else {
        "version = :version"
    }
}

/// A contact out of its row.
pub(crate) fn entry_of(item: Item) -> Result<ContactEntry, StoreError> {
    entry(serde_dynamo::from_item(item)?)
}

/// The row of a contact that nobody else writes yet.
pub(crate) fn new_row(
    organization: &OrganizationId,
    team: &TeamId,
    new: &ContactEntry,
) -> Result<Item, StoreError> {
    let content =
        EntryRow { contact: ContactRow::of(&new.contact), custom: new.custom.clone(), version: new.version };
    row(keys::contact(organization, team, &new.contact.id), &content)
}

fn entry(row: EntryRow) -> Result<ContactEntry, StoreError> {
    Ok(ContactEntry { contact: row.contact.contact()?, custom: row.custom, version: row.version })
}

/// A name as it is searched: small letters, single blanks, and nothing that parts a key.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('#', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Both ways round; one where there is only one name, none where there is none.
pub(crate) fn names(contact: &Contact) -> Vec<String> {
    let first = contact.first_name.as_deref().unwrap_or_default();
    let last = contact.last_name.as_deref().unwrap_or_default();
    let mut names = vec![folded(&format!("{first} {last}")), folded(&format!("{last} {first}"))];
    names.dedup();
    names.retain(|name| !name.is_empty());
    names
}
