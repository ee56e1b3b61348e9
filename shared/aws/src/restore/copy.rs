//! Copies of the whole table: its items as lines of a backup, and a backup in place of what the table has.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use shared_domain::{
    ids::{BroadcastId, ConversationId, InboxId, MessageId, OrganizationId, TeamId},
    keys::ConversationKey,
    message::{Direction, Message},
    time::Timestamp,
};

use super::{
    json,
    rules::{self, Rule},
};
use crate::{
    messaging::{
        files_of,
        rows::{MessageRow, OutboxRow},
    },
    table::{
        error::StoreError,
        item::{Item, Key, from_item, number, string_attribute},
        keys,
        requests::{EXISTS, Table},
    },
};

/// Items that are written together. A request has up to 25 of them, and 8 requests run at the same time.
const WRITTEN: usize = 1_000;

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Items that were written.
    pub written: u64,
    /// Items of the backup that are not restored.
    pub dropped: u64,
    /// Items of the table that were removed, because the backup does not have them.
    pub removed: u64,
}

/// An item of the table, as far as a restore looks at it.
#[derive(Debug, Clone)]
pub enum CheckedItem {
    /// A message that was accepted and has no outcome.
    OpenMessage(OrganizationId, Box<Message>),
    /// Another message.
    Message {
        organization: OrganizationId,
        inbox: InboxId,
        id: MessageId,
        conversation: ConversationId,
        /// The keys of its files in the bucket.
        files: Vec<String>,
    },
    Conversation {
        organization: OrganizationId,
        inbox: InboxId,
        id: ConversationId,
        /// `None` if it expired.
        last_message: Option<MessageId>,
        /// Whether its lock tokens go on after those from before the restore.
        is_fenced: bool,
    },
    Broadcast {
        organization: OrganizationId,
        team: TeamId,
        id: BroadcastId,
    },
    /// An accepted message that is not queued yet.
    Outbox(MessageId),
    /// An event from before the restore.
    Event,
    Other,
}

/// The whole table.
#[derive(Debug, Clone)]
pub struct TableCopy {
    table: Table,
}

/// A digest of a key. Millions of them fit into memory.
type KeyDigest = [u8; 16];

impl TableCopy {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Passes each item to `write` as a line of a backup. Returns how many there are. Changes that are made
    /// in the meantime may be in it or not. Stops at the first error of `write`.
    pub async fn export<E: From<StoreError>>(
        &self,
        mut write: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (mut items, mut after) = (0, None);
        loop {
            let (page, next) = self.page(after, None).await?;
            for item in &page {
                write(&json::line(item)?)?;
                items += 1;
            }
            after = next;
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    /// Returns the organizations of a backup, from its lines. Errors if a line is not an item.
    pub fn organizations<E: From<StoreError>>(
        lines: impl Iterator<Item = Result<String, E>>,
    ) -> Result<Vec<OrganizationId>, E> {
        let mut organizations = Vec::new();
        for line in lines {
            let key = rules::key_of(&json::parse(&line?)?)?;
            if key.pk == keys::ORGANIZATIONS {
                organizations.push(OrganizationId::parse(&key.sk).map_err(StoreError::from)?);
            }
        }
        Ok(organizations)
    }

    /// Replaces what the table has with a backup, by the rules of a restore. `lines` returns the lines of the
    /// backup from its beginning, and is called twice. Errors before it changes anything if an item is in it
    /// twice. Can be repeated.
    pub async fn import<E: From<StoreError>, L: Iterator<Item = Result<String, E>>>(
        &self,
        lines: impl Fn() -> Result<L, E>,
        generation: u64,
        now: Timestamp,
        progress: impl Fn(u64),
    ) -> Result<Copied, E> {
        let mut copied = Copied::default();
        let (mut restored, mut numbered) = (HashSet::new(), HashSet::new());
        let mut with_events = HashSet::new();
        for line in lines()? {
            let item = json::parse(&line?)?;
            let key = rules::key_of(&item)?;
            if key.sk == keys::NEWEST_EVENT {
                numbered.insert(digest(&key.pk, ""));
            }
            if let Rule::Restore(_) = rules::restore(item, generation, now)? {
                if rules::numbers_events(&key) {
                    with_events.insert(digest(&key.pk, keys::NEWEST_EVENT));
                }
                if !restored.insert(digest(&key.pk, &key.sk)) {
                    let detail = "the file has an item twice: it is more than one backup";
                    return Err(StoreError::Corrupt(detail.into()).into());
                }
            }
        }
        restored.extend(with_events);
        copied.removed = self.remove_others(&restored).await?;
        let mut batch = Vec::with_capacity(WRITTEN + 1);
        for line in lines()? {
            let item = json::parse(&line?)?;
            let key = rules::key_of(&item)?;
            match rules::restore(item, generation, now)? {
                Rule::Restore(item) => batch.push(item),
                Rule::Drop | Rule::Keep => {
                    copied.dropped += 1;
                    continue;
                }
            }
            if rules::numbers_events(&key) && !numbered.contains(&digest(&key.pk, "")) {
                batch.push(rules::first_events(key.pk, generation));
            }
            if batch.len() >= WRITTEN {
                copied.written += batch.len() as u64;
                self.table.put_many(std::mem::take(&mut batch)).await?;
                progress(copied.written);
            }
        }
        copied.written += batch.len() as u64;
        self.table.put_many(batch).await?;
        Ok(copied)
    }

    /// Removes the items that are not in the backup.
    async fn remove_others(&self, restored: &HashSet<KeyDigest>) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let (page, next) = self.page(after, Some("pk, sk")).await?;
            let mut keys = Vec::new();
            for item in &page {
                let key = rules::key_of(item)?;
                if !rules::is_kept(&key) && !restored.contains(&digest(&key.pk, &key.sk)) {
                    keys.push(key);
                }
            }
            removed += keys.len() as u64;
            self.table.delete_many(keys).await?;
            after = next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Passes each item of the table to `check`, after the restore with this number.
    pub async fn check(&self, generation: u64, mut check: impl FnMut(CheckedItem)) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let (page, next) = self.page(after, None).await?;
            for item in page {
                check(checked(item, generation)?);
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Raises the lock tokens of a conversation that is not from the backup. Can be repeated.
    pub async fn raise_fence(
        &self,
        conversation: ConversationKey<'_>,
        generation: u64,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::conversation(conversation), |update| {
            update
                .update_expression("SET fence = :step")
                .condition_expression(format!("{EXISTS} AND (attribute_not_exists(fence) OR fence < :step)"))
                .expression_attribute_values(":step", number(rules::step(generation)))
        });
        updated.await.map(drop)
    }

    /// Adds a queued message to the outbox at a time when it was not added before. Can be repeated.
    pub async fn add_to_outbox(
        &self,
        organization: &OrganizationId,
        message: &Message,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = keys::outbox(&message.conversation, &message.id);
        self.table.put(key, &OutboxRow { at: now, ..OutboxRow::of(organization, message) }).await
    }

    async fn page(
        &self,
        after: Option<Item>,
        projection: Option<&str>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let scan = self.table.client.scan().table_name(&self.table.name).consistent_read(true);
        let scan = scan.set_projection_expression(projection.map(str::to_owned));
        let found = scan.set_exclusive_start_key(after).send().await?;
        let next = found.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((found.items.unwrap_or_default(), next))
    }
}

fn digest(pk: &str, sk: &str) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(pk);
    hash.update([0]);
    hash.update(sk);
    let mut digest = KeyDigest::default();
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

fn checked(item: Item, generation: u64) -> Result<CheckedItem, StoreError> {
    let Key { pk, sk } = rules::key_of(&item)?;
    if pk.starts_with(keys::OUTBOX_PREFIX) && pk != keys::MEDIA && pk != keys::NOTIFICATIONS {
        return Ok(CheckedItem::Outbox(MessageId::parse(&sk)?));
    }
    if sk.starts_with(keys::EVENTS) {
        return Ok(CheckedItem::Event);
    }
    let Some((organization, place)) = pk.split_once('#') else { return Ok(CheckedItem::Other) };
    if place.contains('#') {
        return Ok(CheckedItem::Other);
    }
    let organization = || OrganizationId::parse(organization);
    if place.starts_with("cnv_") && sk.starts_with("msg_") {
        let message = from_item::<MessageRow>(item)?.message()?;
        let is_open = message.direction == Direction::Outbound && !message.delivery.state().is_settled();
        return Ok(if is_open {
            CheckedItem::OpenMessage(organization()?, Box::new(message))
        } else {
            let organization = organization()?;
            let files = files_of(&organization, &message);
            let Message { inbox, id, conversation, .. } = message;
            CheckedItem::Message { organization, inbox, id, conversation, files }
        });
    }
    if place.starts_with("inb_") && sk.starts_with("cnv_") {
        let fence: u64 = item.get("fence").and_then(|fence| fence.as_n().ok()?.parse().ok()).unwrap_or(0);
        let last = item.get("lastMessage").and_then(|last| last.as_m().ok());
        let last = last.filter(|last| !last.contains_key("erased"));
        let last = last.and_then(|last| string_attribute(last, "id")).map(MessageId::parse).transpose()?;
        return Ok(CheckedItem::Conversation {
            organization: organization()?,
            inbox: InboxId::parse(place)?,
            id: ConversationId::parse(&sk)?,
            last_message: last,
            is_fenced: fence >= rules::step(generation),
        });
    }
    if place.starts_with("team_") && sk.starts_with("bct_") {
        let (team, id) = (TeamId::parse(place)?, BroadcastId::parse(&sk)?);
        return Ok(CheckedItem::Broadcast { organization: organization()?, team, id });
    }
    Ok(CheckedItem::Other)
}
