//! Many contacts of a team at once: by ids and numbers, and page by page, for segments and broadcasts.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::Select;
use serde::Deserialize;
use shared_domain::{
    ids::{ContactId, ConversationId, MessageId},
    inbox::Inbox,
    keys::TeamKey,
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    contact::{
        contacts::Contacts,
        entries::{ContactEntry, entry_of},
        rows::ContactPointer,
    },
    opt_out::numbers::{NumberStatus, status_in, status_keys},
    table::{
        error::StoreError,
        item::{by_key, from_item, string_attribute},
        keys,
        query::{KeyRange, Page},
    },
};

/// When the last messages from and to a number were accepted, over all inboxes of the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastMessages {
    pub inbound: Option<Timestamp>,
    pub outbound: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastMessagesRow {
    sk: ConversationId,
    last_inbound: Option<MessageId>,
    last_outbound: Option<MessageId>,
}

impl Contacts {
    /// Returns a page of up to 1,000 contacts of the team with the status of their numbers.
    pub async fn scan(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ContactEntry>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::CONTACTS);
        let page = self.table.consistent_items(range, limit, after).await?;
        let next = page.next.clone();
        let entries = page.items.into_iter().map(entry_of).collect::<Result<_, _>>()?;
        Ok(Page { items: self.with_current_status(team, entries).await?, next })
    }

    /// Counts the contacts of the team. Stops once there are `enough`. Half a read unit for 4 kB.
    pub async fn count(&self, team: TeamKey<'_>, enough: u64) -> Result<u64, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::CONTACTS);
        let mut pages = self.table.query(&range).select(Select::Count).into_paginator().send();
        let mut count = 0;
        while count < enough
            && let Some(page) = pages.try_next().await?
        {
            count += u64::try_from(page.count).unwrap_or_default();
        }
        Ok(count)
    }

    /// Returns the contacts with these ids, with the status of their numbers, in no order. Omits those that
    /// do not exist.
    pub async fn get_entries(
        &self,
        team: TeamKey<'_>,
        ids: &[ContactId],
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let ids: HashSet<&ContactId> = ids.iter().collect();
        let keys = ids.into_iter().map(|id| keys::contact(team, id)).collect();
        let items = self.table.get_many(keys).await?;
        let entries = items.into_iter().map(entry_of).collect::<Result<_, _>>()?;
        self.with_current_status(team, entries).await
    }

    /// Returns the ids of the contacts with these external ids, by external id.
    pub async fn ids_by_external_id(
        &self,
        team: TeamKey<'_>,
        external_ids: &[String],
    ) -> Result<HashMap<String, ContactId>, StoreError> {
        let key_of = |id: &String| (keys::external_contact(team, id).sk, id.clone());
        let by_key: HashMap<String, String> = external_ids.iter().map(key_of).collect();
        let keys = external_ids.iter().collect::<HashSet<_>>();
        let keys = keys.into_iter().map(|id| keys::external_contact(team, id)).collect();
        let mut found = HashMap::new();
        for item in self.table.get_many(keys).await? {
            let id = string_attribute(&item, "sk").and_then(|sk| by_key.get(sk)).cloned();
            let pointer: ContactPointer = from_item(item)?;
            found.extend(id.map(|id| (id, pointer.contact)));
        }
        Ok(found)
    }

    /// Returns the ids of the contacts that are shown for these numbers, by number. A number that no contact
    /// has is omitted.
    pub async fn ids_by_number(
        &self,
        team: TeamKey<'_>,
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, ContactId>, StoreError> {
        let numbers: HashSet<&PhoneNumber> = numbers.iter().collect();
        let pointers = numbers.iter().map(|number| keys::contact_number(team, number)).collect();
        let by_key: HashMap<String, &PhoneNumber> =
            numbers.iter().map(|number| (format!("{}{}", keys::NUMBERS, number.as_str()), *number)).collect();
        let mut found = HashMap::new();
        for item in self.table.get_many(pointers).await? {
            let number = string_attribute(&item, "sk").and_then(|sk| by_key.get(sk)).copied();
            let pointer: ContactPointer = from_item(item)?;
            found.extend(number.map(|number| (number.clone(), pointer.contact)));
        }
        let rest: Vec<_> = numbers.into_iter().filter(|number| !found.contains_key(*number)).collect();
        let provisional =
            rest.iter().map(|number| ContactId::provisional(team.team, number)).collect::<Vec<_>>();
        for entry in self.get_entries(team, &provisional).await? {
            found.insert(entry.contact.number.clone(), entry.contact.id);
        }
        Ok(found)
    }

    /// Returns the last messages of each number. Reads the conversations with all inboxes: 1 read unit each.
    pub async fn last_messages(
        &self,
        inboxes: &[Inbox],
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, LastMessages>, StoreError> {
        let mut number_of: HashMap<ConversationId, &PhoneNumber> = HashMap::new();
        let mut keys = HashSet::new();
        for number in numbers {
            for inbox in inboxes {
                let id = ConversationId::of(&inbox.id, number);
                keys.insert(keys::conversation(inbox.key().conversation(&id)));
                number_of.insert(id, number);
            }
        }
        let mut found: HashMap<PhoneNumber, LastMessages> = HashMap::new();
        for item in self.table.get_many(keys.into_iter().collect()).await? {
            let row: LastMessagesRow = from_item(item)?;
            let Some(number) = number_of.get(&row.sk) else { continue };
            let last = found.entry((*number).clone()).or_default();
            last.inbound = last.inbound.max(row.last_inbound.and_then(|id| id.made_at()));
            last.outbound = last.outbound.max(row.last_outbound.and_then(|id| id.made_at()));
        }
        Ok(found)
    }

    /// Returns the status of each number in the team, read consistently: 2 read units for each.
    pub async fn statuses(
        &self,
        team: TeamKey<'_>,
        numbers: &[PhoneNumber],
    ) -> Result<HashMap<PhoneNumber, NumberStatus>, StoreError> {
        let numbers: HashSet<&PhoneNumber> = numbers.iter().collect();
        let keys = numbers.iter().flat_map(|number| status_keys(team, number)).collect();
        let items = by_key(self.table.get_many(keys).await?);
        let status = |number: &PhoneNumber| Ok((number.clone(), status_in(&items, team, number)?));
        numbers.into_iter().map(status).collect()
    }

    async fn with_current_status(
        &self,
        team: TeamKey<'_>,
        mut entries: Vec<ContactEntry>,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        let numbers: Vec<_> = entries.iter().map(|entry| entry.contact.number.clone()).collect();
        let statuses = self.statuses(team, &numbers).await?;
        for entry in &mut entries {
            if let Some(status) = statuses.get(&entry.contact.number) {
                entry.contact.opted_out = status.opted_out;
                entry.contact.blocked = status.blocked;
            }
        }
        Ok(entries)
    }
}
