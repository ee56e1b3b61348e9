//! Contacts in batches, for imports. The contacts and numbers of a chunk of rows are read in batches, new
//! contacts are written in batches, and conversations are looked up only for numbers that were known before.
//!
//! **Concurrent edits.** A contact that exists is changed by the same conditional transaction as an edit by
//! hand ([`Contacts::write`]). If the contact changed since it was read, the write is refused and the import
//! reads again, so no edit is overwritten unread. New contacts are written without a condition, because batch
//! writes have none. Their id is derived from import and row, so nothing else writes it, and writing it twice
//! has the effect of once. Only the pointer of an external id can collide: if a user enters the same external
//! id by hand between the read and the write of a chunk, both contacts have it, and the import's contact is
//! found by it. A chunk that is repeated after a crash is applied once more, also over edits in between:
//! until its import is over, the file counts as the newer statement.
//!
//! **Numbers.** A provisional contact with the number of a row is merged, as by hand: its item is deleted,
//! and conversations show the imported contact. A number that another contact has is not a fault: both have
//! it, and conversations show the one that was written last. Of two rows with the same number that is the
//! later row.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_domain::{
    ids::{ContactId, ConversationId},
    inbox::Inbox,
    keys::TeamKey,
    phone::PhoneNumber,
};

use crate::{
    contact::{
        contacts::Contacts,
        entries::{ContactEntry, entry_of, new_item},
        names::search_names,
        rows::ContactPointer,
    },
    inbox::inboxes::Inboxes,
    opt_out::opt_outs::{OptOutRecord, OptOuts},
    table::{
        batch::MAX_CONCURRENCY,
        error::StoreError,
        item::{Item, from_item, item, string_attribute},
        keys::{self, Key},
    },
};

/// What the table holds of a number that it knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownNumber {
    /// The provisional contact of the number, if it is not a contact of the team yet.
    pub provisional: Option<ContactEntry>,
    /// The opt-out state of the number in the team.
    pub opt_out: OptOutRecord,
    /// The version of the pointer to the contact that is shown. 0 if there is no pointer.
    pub(crate) shown_version: u64,
}

/// What the table holds of the contacts and numbers of some rows.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// By external id, without opt-out and block, which belong to the number.
    pub contacts: HashMap<String, ContactEntry>,
    /// A number that is not here is unknown and has no conversation.
    pub numbers: HashMap<PhoneNumber, KnownNumber>,
}

impl Contacts {
    /// Looks up external ids and numbers, read consistently, in requests of 100 keys.
    ///
    /// Costs 1 read unit for each external id and 2 for each number, 1 more for each known number, and 1 or
    /// more for each contact that exists. Opt-outs are read only for known numbers, because other numbers
    /// cannot be opted out.
    pub async fn look_up(
        &self,
        team: TeamKey<'_>,
        external_ids: &HashSet<&str>,
        numbers: &HashSet<&PhoneNumber>,
    ) -> Result<Lookup, StoreError> {
        let (pointers, (pointers_of, mut provisional)) =
            tokio::try_join!(self.pointers(team, external_ids), self.known_numbers(team, numbers))?;
        let provisional_id = |number: &PhoneNumber| ContactId::provisional(team.team, number);
        let known: Vec<PhoneNumber> = numbers
            .iter()
            .filter(|number| {
                pointers_of.contains_key(number.as_str()) || provisional.contains_key(&provisional_id(number))
            })
            .map(|number| (*number).clone())
            .collect();
        let opt_outs = OptOuts::new(self.table.clone());
        let (contacts, mut opt_outs) =
            tokio::try_join!(self.entries(team, pointers), opt_outs.get_many(team, &known))?;
        let contacts =
            contacts.into_iter().filter_map(|entry| Some((entry.contact.external_id.clone()?, entry)));
        let numbers = known.into_iter().map(|number| {
            let provisional = provisional.remove(&provisional_id(&number));
            let provisional = provisional.filter(|entry| entry.contact.provisional);
            let opt_out = opt_outs.remove(&number).unwrap_or_default();
            let shown_version = pointers_of.get(number.as_str()).copied().unwrap_or_default();
            (number, KnownNumber { provisional, opt_out, shown_version })
        });
        Ok(Lookup { contacts: contacts.collect(), numbers: numbers.collect() })
    }

    async fn pointers(
        &self,
        team: TeamKey<'_>,
        external_ids: &HashSet<&str>,
    ) -> Result<Vec<ContactId>, StoreError> {
        let keys = external_ids.iter().map(|id| keys::external_contact(team, id)).collect();
        let pointers: Vec<ContactPointer> = serde_dynamo::from_items(self.table.get_many(keys).await?)?;
        Ok(pointers.into_iter().map(|pointer| pointer.contact).collect())
    }

    async fn entries(&self, team: TeamKey<'_>, ids: Vec<ContactId>) -> Result<Vec<ContactEntry>, StoreError> {
        let ids: HashSet<ContactId> = ids.into_iter().collect();
        let keys = ids.iter().map(|id| keys::contact(team, id)).collect();
        self.table.get_many(keys).await?.into_iter().map(entry_of).collect()
    }

    /// Returns the numbers that have a pointer, with its version, and their provisional contacts.
    async fn known_numbers(
        &self,
        team: TeamKey<'_>,
        numbers: &HashSet<&PhoneNumber>,
    ) -> Result<(HashMap<String, u64>, HashMap<ContactId, ContactEntry>), StoreError> {
        let keys = numbers.iter().map(|number| keys::contact_number(team, number)).collect();
        let ids = numbers.iter().map(|number| ContactId::provisional(team.team, number)).collect();
        let (pointers, provisional) = tokio::try_join!(self.table.get_many(keys), self.entries(team, ids))?;
        let version = |item: Item| {
            let sk = string_attribute(&item, "sk").unwrap_or_default();
            let number = sk.trim_start_matches(keys::NUMBERS).to_owned();
            Ok((number, from_item::<ContactPointer>(item)?.version))
        };
        let versions: Result<_, StoreError> = pointers.into_iter().map(version).collect();
        let provisional = provisional.into_iter().map(|entry| (entry.contact.id.clone(), entry));
        Ok((versions?, provisional.collect()))
    }

    /// Writes new contacts with all items that find them. Of several with one number the last is shown. 6
    /// write units for each, in requests of 25 items. After an error some may be written; repeating the call
    /// writes them all.
    pub async fn create_many(
        &self,
        team: TeamKey<'_>,
        entries: &[&ContactEntry],
        known: &Lookup,
    ) -> Result<(), StoreError> {
        let shown: HashMap<&PhoneNumber, &ContactId> =
            entries.iter().map(|entry| (&entry.contact.number, &entry.contact.id)).collect();
        let mut items = Vec::with_capacity(entries.len() * 6);
        for entry in entries {
            let number = &entry.contact.number;
            items.extend(items_of(team, entry)?);
            if shown.get(number) == Some(&&entry.contact.id) {
                let version = known.numbers.get(number).map_or(0, |known| known.shown_version) + 1;
                let pointer = ContactPointer { version, ..ContactPointer::to(&entry.contact) };
                items.push(item(keys::contact_number(team, number), &pointer)?);
            }
        }
        self.table.put_many(items).await
    }

    /// Removes provisional contacts that were merged into contacts of the team. One that changed in the
    /// meantime stays until the next import.
    pub async fn remove_merged(
        &self,
        team: TeamKey<'_>,
        provisional: &[&ContactEntry],
    ) -> Result<(), StoreError> {
        let removals = stream::iter(provisional).map(|entry| self.remove(team, entry));
        removals.buffer_unordered(MAX_CONCURRENCY).try_for_each(|_| async { Ok(()) }).await
    }

    /// Returns the provisional contacts of numbers that sent their first message since they were looked up. A
    /// message that comes after this call finds the imported contact. 1 read unit for each number.
    pub async fn new_provisional(
        &self,
        team: TeamKey<'_>,
        numbers: &HashSet<&PhoneNumber>,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let ids = numbers.iter().map(|number| ContactId::provisional(team.team, number)).collect();
        self.entries(team, ids).await
    }

    /// Copies the contact that is shown for each number to the conversations with the number. Idempotent.
    /// 1 read unit for each number and inbox of the team.
    pub async fn refresh_conversations(
        &self,
        team: TeamKey<'_>,
        numbers: &HashSet<PhoneNumber>,
    ) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let inboxes = Inboxes::new(self.table.clone()).of_team(team).await?;
        let texted = self.with_conversations(&inboxes, numbers).await?;
        let syncs = stream::iter(&texted).map(|number| self.sync_conversations(team, number));
        syncs.buffer_unordered(MAX_CONCURRENCY).try_for_each(|_| async { Ok(()) }).await
    }

    async fn with_conversations(
        &self,
        inboxes: &[Inbox],
        numbers: &HashSet<PhoneNumber>,
    ) -> Result<HashSet<PhoneNumber>, StoreError> {
        let mut number_of: HashMap<Key, &PhoneNumber> = HashMap::new();
        for number in numbers {
            for inbox in inboxes {
                let conversation = ConversationId::of(&inbox.id, number);
                number_of.insert(keys::conversation(inbox.key().conversation(&conversation)), number);
            }
        }
        let found = self.table.get_many(number_of.keys().cloned().collect()).await?;
        let number = |item: &Item| {
            let key = Key::new(string_attribute(item, "pk")?, string_attribute(item, "sk")?);
            number_of.get(&key).map(|number| (*number).clone())
        };
        Ok(found.iter().filter_map(number).collect())
    }
}

/// Returns the items that [`Contacts::write`] writes for a new contact, without the pointer from its number.
fn items_of(team: TeamKey<'_>, entry: &ContactEntry) -> Result<Vec<Item>, StoreError> {
    let contact = &entry.contact;
    let pointer = ContactPointer::to(contact);
    let mut items = vec![new_item(team, entry)?];
    if let Some(id) = &contact.external_id {
        items.push(item(keys::external_contact(team, id), &pointer)?);
    }
    items.push(item(keys::contact_with_number(team, &contact.number, &contact.id), &pointer)?);
    for name in search_names(contact) {
        items.push(item(keys::contact_name(team, &name, &contact.id), &pointer)?);
    }
    Ok(items)
}
