//! Many contacts at once, for imports: what a chunk of rows speaks of is read in batches, new contacts are written in
//! batches, and only numbers that stood in the table before are looked for among conversations.
//!
//! **Beside people who edit by hand.** Contacts that are there are changed by the same conditional transaction as by hand
//! ([`ContactBook::write`]): who read an older version is refused, reads again and writes on top, so no edit is lost half
//! way. New contacts are written without a condition, since batches know none. Their id is made of import and row, so
//! nobody else writes it, and writing it twice is once. What may meet there is the pointer of the customer's id: somebody
//! who enters the same id by hand in the tenths of a second between reading and writing a chunk leaves a second contact with
//! it, and the import's is the one that is found by it. A chunk that is repeated after a crash is applied once more, also over
//! an edit made meanwhile: the file is the newer word until its import is over.
//!
//! **Numbers.** A provisional contact of a row's number is merged, as by hand: its block stays, the row goes, conversations
//! show the imported contact. A number that another known contact has is no fault: both have it, as by hand, and
//! conversations show the one written last. Of two rows with one number that is the later one.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_domain::{
    ids::{ContactId, ConversationId, InboxId},
    import::ReleasedNumber,
    keys::TeamKey,
    opt_out::OptOutSubject,
    phone::PhoneNumber,
};

use crate::{
    contact::{
        contact_book::{self, ContactBook, ContactEntry},
        former_numbers::FormerNumbers,
        rows::NumberRow,
    },
    inbox::inboxes::Inboxes,
    opt_out::opt_outs::{OptOutRecord, OptOuts},
    table::{
        error::StoreError,
        item::Item,
        items::parse_id,
        keys::{self, Key},
        requests::{MAX_CONCURRENCY, Table, row},
    },
};

/// What the table holds of a number that was met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownNumber {
    /// The provisional contact that it is.
    pub stranger: Option<ContactEntry>,
    /// Where it stands with the team's opt-outs.
    pub standing: OptOutRecord,
}

/// What the table holds of what rows speak of.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// Contacts, by the customer's id.
    pub contacts: HashMap<String, ContactEntry>,
    /// Numbers; those that are not here were never met, and have no conversation.
    pub numbers: HashMap<PhoneNumber, KnownNumber>,
}

/// Contacts, many at once.
#[derive(Debug, Clone)]
pub struct ContactBatches {
    table: Table,
    book: ContactBook,
    inboxes: Inboxes,
    opt_outs: OptOuts,
    former: FormerNumbers,
}

impl ContactBatches {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self {
            book: ContactBook::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            former: FormerNumbers::new(table.clone()),
            table,
        }
    }

    /// What is known of these ids and numbers, read consistently: a read unit for each id and two for each number, one more
    /// for each number that was met, and one or more for each contact there is. A hundred in one request. Opt-outs are asked
    /// for where a number was met, since nobody can be opted out who was not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look_up(
        &self,
        of: TeamKey<'_>,
        ids: &HashSet<&str>,
        numbers: &HashSet<&PhoneNumber>,
    ) -> Result<Lookup, StoreError> {
        let (pointers, (pointed, mut strangers)) =
            tokio::try_join!(self.pointers(of, ids), self.places(of, numbers))?;
        let stranger_of = |number: &PhoneNumber| ContactId::provisional(of.team, number);
        let met: Vec<PhoneNumber> = numbers
            .iter()
            .filter(|number| {
                pointed.contains(number.as_str()) || strangers.contains_key(&stranger_of(number))
            })
            .map(|number| (*number).clone())
            .collect();
        let (contacts, mut standings) = tokio::try_join!(
            self.entries(of, pointers),
            self.opt_outs.several(of.organization, of.team, &met),
        )?;
        let named =
            contacts.into_iter().filter_map(|entry| Some((entry.contact.external_id.clone()?, entry)));
        let met = met.into_iter().map(|number| {
            let stranger = strangers.remove(&stranger_of(&number));
            let standing = standings.remove(&number).unwrap_or_default();
            (
                number,
                KnownNumber { stranger: stranger.filter(|stranger| stranger.contact.provisional), standing },
            )
        });
        Ok(Lookup { contacts: named.collect(), numbers: met.collect() })
    }

    async fn pointers(&self, of: TeamKey<'_>, ids: &HashSet<&str>) -> Result<Vec<ContactId>, StoreError> {
        let asked = ids.iter().map(|id| keys::external_contact(of.organization, of.team, id));
        let pointers: Vec<NumberRow> = serde_dynamo::from_items(self.table.get_many(asked.collect()).await?)?;
        pointers.iter().map(|pointer| parse_id(&pointer.contact)).collect()
    }

    async fn entries(&self, of: TeamKey<'_>, ids: Vec<ContactId>) -> Result<Vec<ContactEntry>, StoreError> {
        let ids: HashSet<ContactId> = ids.into_iter().collect();
        let asked = ids.iter().map(|id| keys::contact(of.organization, of.team, id));
        self.table.get_many(asked.collect()).await?.into_iter().map(contact_book::entry_of).collect()
    }

    /// Numbers that a pointer stands for, and the contacts that are made of a number.
    async fn places(
        &self,
        of: TeamKey<'_>,
        numbers: &HashSet<&PhoneNumber>,
    ) -> Result<(HashSet<String>, HashMap<ContactId, ContactEntry>), StoreError> {
        let pointers = numbers.iter().map(|number| keys::contact_number(of.organization, of.team, number));
        let strangers = numbers.iter().map(|number| ContactId::provisional(of.team, number)).collect();
        let (pointers, strangers) =
            tokio::try_join!(self.table.get_many(pointers.collect()), self.entries(of, strangers))?;
        let pointed = pointers.iter().filter_map(|item| item.get("sk")?.as_s().ok()?.split_once('#'));
        let pointed = pointed.map(|(_, number)| number.to_owned()).collect();
        Ok((pointed, strangers.into_iter().map(|entry| (entry.contact.id.clone(), entry)).collect()))
    }

    /// Writes new contacts with all that finds them, in their order: of several with one number the last is shown. Five
    /// write units for each, 25 rows in one request.
    ///
    /// # Errors
    /// [`StoreError`]; some may be written then, and asking again writes them all.
    pub async fn create(&self, of: TeamKey<'_>, entries: &[&ContactEntry]) -> Result<(), StoreError> {
        let shown: HashMap<&PhoneNumber, &ContactId> =
            entries.iter().map(|entry| (&entry.contact.number, &entry.contact.id)).collect();
        let mut items = Vec::with_capacity(entries.len() * 5);
        for entry in entries {
            items.extend(rows_of(of, entry, shown.get(&entry.contact.number) == Some(&&entry.contact.id))?);
        }
        self.table.put_many(items).await
    }

    /// Removes provisional contacts that became known ones. One that changed meanwhile stays until the next import.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn merge(&self, of: TeamKey<'_>, strangers: &[&ContactEntry]) -> Result<(), StoreError> {
        let removals = stream::iter(strangers).map(|entry| self.book.remove(of.organization, of.team, entry));
        removals.buffer_unordered(MAX_CONCURRENCY).try_for_each(|_| async { Ok(()) }).await
    }

    /// Brings conversations with these numbers up to the contact that is shown for each: those that have one alone.
    /// A read unit for each number and inbox of the team.
    ///
    /// # Errors
    /// [`StoreError`]; asking again shows them all.
    pub async fn refresh_conversations(
        &self,
        of: TeamKey<'_>,
        numbers: &HashSet<PhoneNumber>,
    ) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let inboxes: Vec<InboxId> =
            self.inboxes.of_team(of.organization, of.team).await?.into_iter().map(|inbox| inbox.id).collect();
        let texted = self.with_conversations(of, &inboxes, numbers).await?;
        let asked = texted.iter().map(|number| keys::contact_number(of.organization, of.team, number));
        let pointers = self.table.get_many(asked.collect()).await?;
        let pointers: Vec<NumberRow> = serde_dynamo::from_items(pointers)?;
        let ids = pointers.iter().map(|pointer| parse_id(&pointer.contact)).collect::<Result<Vec<_>, _>>()?;
        let shown = self.entries(of, ids).await?;
        let shown = shown.into_iter().filter(|entry| texted.contains(&entry.contact.number));
        let spread = stream::iter(shown)
            .map(|entry| self.opt_outs.refresh_contact(of.organization, of.team, entry.contact));
        spread.buffer_unordered(MAX_CONCURRENCY).try_collect().await
    }

    async fn with_conversations(
        &self,
        of: TeamKey<'_>,
        inboxes: &[InboxId],
        numbers: &HashSet<PhoneNumber>,
    ) -> Result<HashSet<PhoneNumber>, StoreError> {
        let mut places: HashMap<Key, &PhoneNumber> = HashMap::new();
        for number in numbers {
            for inbox in inboxes {
                let conversation = ConversationId::of(inbox, number);
                places.insert(keys::conversation(of.organization, inbox, &conversation), number);
            }
        }
        let found = self.table.get_many(places.keys().cloned().collect()).await?;
        let number = |item: &Item| {
            let part = |name| item.get(name).and_then(|part| part.as_s().ok()).cloned();
            places.get(&Key { pk: part("pk")?, sk: part("sk")? }).map(|number| (*number).clone())
        };
        Ok(found.iter().filter_map(number).collect())
    }

    /// Settles numbers that contacts left for others.
    ///
    /// # Errors
    /// [`StoreError`]; asking again settles them all.
    pub async fn release_numbers(
        &self,
        of: TeamKey<'_>,
        left: Vec<ReleasedNumber>,
    ) -> Result<(), StoreError> {
        let settle = |left: ReleasedNumber| async move {
            let (contact, number) = (left.contact, &left.number);
            let subject = OptOutSubject::of_team(of.organization, of.team, number);
            let opted_out = self.opt_outs.get(&subject).await?.state.is_out();
            self.former.release(of.organization, of.team, &contact, number, (opted_out, left.blocked)).await
        };
        stream::iter(left).map(settle).buffer_unordered(MAX_CONCURRENCY).try_collect().await
    }
}

/// The rows of a new contact, as [`ContactBook::write`] would leave them.
fn rows_of(of: TeamKey<'_>, entry: &ContactEntry, shown: bool) -> Result<Vec<Item>, StoreError> {
    let (organization, team, contact) = (of.organization, of.team, &entry.contact);
    let pointer = NumberRow { contact: contact.id.to_string() };
    let mut rows = vec![contact_book::new_row(organization, team, entry)?];
    if let Some(id) = &contact.external_id {
        rows.push(row(keys::external_contact(organization, team, id), &pointer)?);
    }
    if shown {
        rows.push(row(keys::contact_number(organization, team, &contact.number), &pointer)?);
    }
    for name in contact_book::names(contact) {
        rows.push(row(keys::contact_name(organization, team, &name, &contact.id), &pointer)?);
    }
    Ok(rows)
}
