//! The locks that each user holds: one item per user with a map from conversations to attempts. It limits how
//! many conversations one user can lock, and it finds the locks of a user who loses access.
//!
//! An [`Attempt`] to acquire a lock reserves its entry at the same time as it locks the conversation, and
//! gives the entry back if the lock is refused. Each change of an entry is conditional on the attempt in it,
//! so a delayed change does nothing to what a later attempt stored. An attempt that replaces an entry stores
//! the replaced one again when it gives its own back. So an entry may exist without a lock (the lock expired,
//! was taken over, or the process stopped), but a lock that was granted always has its entry. Entries without
//! a lock are removed when the item is full. A young one counts until then, because its attempt may still be
//! about to lock the conversation.

use std::{collections::HashMap, fmt, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::{ConversationKey, InboxKey},
    lock::Lease,
    time::Timestamp,
};

use crate::{
    conversation::rows::ConversationRow,
    table::{
        error::StoreError,
        item::{Item, from_item, number, text},
        keys,
        requests::{Conditional, Table},
    },
};

/// How often a write is repeated that loses against concurrent writes of the same user.
const ATTEMPTS: usize = 5;

/// For how long an attempt may be between its two writes: longer than `conversation-lock` may run.
const MAX_PENDING: Duration = Duration::from_secs(20);

/// An entry that exists may be replaced. A new one needs room.
const MAY_RESERVE: &str = "attribute_exists(held) AND (attribute_exists(held.#entry) OR size(held) < :limit)";

/// A lock that a user holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    pub inbox: InboxId,
    pub conversation: ConversationId,
    pub lease: Lease,
}

/// One attempt to acquire a lock: when it began, and random bits that distinguish attempts of the same time.
/// The conversation stores the attempt that acquired its lock last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt(String);

impl Attempt {
    pub(crate) fn new(now: Timestamp, entropy: u64) -> Self {
        Self(format!("{}-{entropy:x}", now.millis()))
    }

    /// Whether the attempt may still be running.
    fn may_be_pending(&self, now: Timestamp) -> bool {
        let began = self.0.split_once('-').and_then(|(millis, _)| millis.parse().ok());
        began.is_some_and(|millis| now < Timestamp::from_millis(millis) + MAX_PENDING)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The outcome of a reservation.
#[derive(Debug)]
pub(crate) enum Reserved {
    /// The entry is stored. Holds the attempt that it replaced.
    Entry { replaced: Option<Attempt> },
    /// The user holds or is acquiring as many other locks as one user may. Holds those that are held.
    Full(Vec<HeldLock>),
}

/// The items of held locks, one per user.
#[derive(Debug, Clone)]
pub(crate) struct HeldLocks {
    table: Table,
}

/// The stored item.
#[derive(Debug, Default, Deserialize)]
struct HeldRow {
    /// The latest attempt for each conversation. `None` before the user's first attempt.
    held: Option<HashMap<String, Attempt>>,
}

impl HeldRow {
    fn of(item: Option<Item>) -> Result<Self, StoreError> {
        item.map_or_else(|| Ok(Self::default()), from_item)
    }

    fn entries(self) -> Result<Vec<Entry>, StoreError> {
        self.held.unwrap_or_default().into_iter().map(Entry::of).collect()
    }
}

/// An entry of the item.
#[derive(Debug)]
struct Entry {
    inbox: InboxId,
    conversation: ConversationId,
    attempt: Attempt,
}

impl Entry {
    fn of((name, attempt): (String, Attempt)) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("a held lock".to_owned());
        let (inbox, conversation) = name.split_once('#').ok_or_else(corrupt)?;
        Ok(Self {
            inbox: InboxId::parse(inbox)?,
            conversation: ConversationId::parse(conversation)?,
            attempt,
        })
    }

    fn name(&self) -> String {
        keys::held_lock(&self.inbox, &self.conversation)
    }
}

impl HeldLocks {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores the entry of an attempt: 1 write unit, and 1 more before the user's first one. Removes entries
    /// without a lock from a full item (1 read unit for each entry, and 2 write units).
    pub(crate) async fn reserve(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        attempt: &Attempt,
        limit: usize,
        now: Timestamp,
    ) -> Result<Reserved, StoreError> {
        for _ in 0..ATTEMPTS {
            let row = match self.try_reserve(key, user, attempt, limit).await? {
                Conditional::Done(before) => {
                    let replaced = HeldRow::of(Some(before))?.held.unwrap_or_default();
                    let replaced = replaced.get(&keys::held_lock(key.inbox, key.conversation)).cloned();
                    return Ok(Reserved::Entry { replaced });
                }
                Conditional::Failed(item) => HeldRow::of(item)?,
            };
            if row.held.is_none() {
                self.create(key.organization, user).await?;
                continue;
            }
            let (mut held, mut pending, mut gone) = (Vec::new(), 0, Vec::new());
            for (entry, conversation) in self.conversations(key.organization, row.entries()?).await? {
                let acquired = conversation.as_ref().and_then(|row| row.lock_attempt.as_ref());
                let is_pending = acquired != Some(&entry.attempt) && entry.attempt.may_be_pending(now);
                match lease_of(user, conversation).filter(|lease| lease.live(now)) {
                    Some(lease) => held.push(held_lock(entry, lease)),
                    None if is_pending => pending += 1,
                    None => gone.push((entry.name(), entry.attempt)),
                }
            }
            if held.len() + pending >= limit {
                return Ok(Reserved::Full(held));
            }
            self.remove(key.organization, user, &gone).await?;
        }
        Err(StoreError::Unavailable("the user's locks changed while one was added".into()))
    }

    async fn try_reserve(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        attempt: &Attempt,
        limit: usize,
    ) -> Result<Conditional, StoreError> {
        let updated = self.table.update_if(keys::held_locks(key.organization, user), |update| {
            update
                .update_expression("SET held.#entry = :attempt")
                .condition_expression(MAY_RESERVE)
                .expression_attribute_names("#entry", keys::held_lock(key.inbox, key.conversation))
                .expression_attribute_values(":attempt", text(attempt))
                .expression_attribute_values(":limit", number(limit))
                .return_values(ReturnValue::AllOld)
        });
        updated.await
    }

    /// Creates the user's item without entries.
    async fn create(&self, organization: &OrganizationId, user: &UserId) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::held_locks(organization, user), |update| {
            update
                .update_expression("SET held = :empty")
                .condition_expression("attribute_not_exists(held)")
                .expression_attribute_values(":empty", AttributeValue::M(HashMap::new()))
        });
        updated.await.map(drop)
    }

    /// Gives back the entry of an attempt whose lock was refused: 1 write unit. Does nothing if a later
    /// attempt replaced it.
    pub(crate) async fn give_back(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        attempt: &Attempt,
        replaced: Option<Attempt>,
    ) -> Result<(), StoreError> {
        let entry = keys::held_lock(key.inbox, key.conversation);
        let Some(replaced) = replaced else {
            return self.remove(key.organization, user, &[(entry, attempt.clone())]).await;
        };
        let updated = self.table.update_if(keys::held_locks(key.organization, user), |update| {
            update
                .update_expression("SET held.#entry = :replaced")
                .condition_expression("held.#entry = :attempt")
                .expression_attribute_names("#entry", entry)
                .expression_attribute_values(":attempt", text(attempt))
                .expression_attribute_values(":replaced", text(replaced))
        });
        updated.await.map(drop)
    }

    /// Removes entries that still have these attempts: 1 write unit. Does nothing if one of them has another.
    pub(crate) async fn remove(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        gone: &[(String, Attempt)],
    ) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let indexes = || 0..gone.len();
        let removed: Vec<_> = indexes().map(|index| format!("held.#entry{index}")).collect();
        let unchanged: Vec<_> =
            indexes().map(|index| format!("held.#entry{index} = :attempt{index}")).collect();
        let updated = self.table.update_if(keys::held_locks(organization, user), |update| {
            let update = update
                .update_expression(format!("REMOVE {}", removed.join(", ")))
                .condition_expression(unchanged.join(" AND "));
            gone.iter().enumerate().fold(update, |update, (index, (entry, attempt))| {
                update
                    .expression_attribute_names(format!("#entry{index}"), entry)
                    .expression_attribute_values(format!(":attempt{index}"), text(attempt))
            })
        });
        updated.await.map(drop)
    }

    /// Returns the locks that the user holds in these inboxes, read from the conversations. Costs 1 read unit
    /// for the item and 1 for each lock.
    pub(crate) async fn of(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
    ) -> Result<Vec<HeldLock>, StoreError> {
        let key = keys::held_locks(organization, user).into_item();
        let get = self.table.client.get_item().table_name(&self.table.name).set_key(Some(key));
        let mut entries = HeldRow::of(get.consistent_read(true).send().await?.item)?.entries()?;
        entries.retain(|entry| inboxes.contains(&entry.inbox));
        let conversations = self.conversations(organization, entries).await?.into_iter();
        let held =
            conversations.filter_map(|(entry, row)| lease_of(user, row).map(|lease| held_lock(entry, lease)));
        Ok(held.collect())
    }

    /// Reads the conversation of each entry, if it exists.
    async fn conversations(
        &self,
        organization: &OrganizationId,
        entries: Vec<Entry>,
    ) -> Result<Vec<(Entry, Option<ConversationRow>)>, StoreError> {
        let key = |entry: &Entry| {
            let inbox = InboxKey { organization, inbox: &entry.inbox };
            keys::conversation(inbox.conversation(&entry.conversation))
        };
        let mut rows = HashMap::new();
        for item in self.table.batch_get(entries.iter().map(key).collect(), true).await? {
            let row: ConversationRow = from_item(item)?;
            rows.insert(row.key(), row);
        }
        let conversations = entries.into_iter().map(|entry| {
            let row = rows.remove(&key(&entry));
            (entry, row)
        });
        Ok(conversations.collect())
    }
}

/// The lease of the conversation, live or ended, if this user holds it.
fn lease_of(user: &UserId, conversation: Option<ConversationRow>) -> Option<Lease> {
    conversation?.lock().lease.filter(|lease| lease.holder.id == *user)
}

fn held_lock(entry: Entry, lease: Lease) -> HeldLock {
    HeldLock { inbox: entry.inbox, conversation: entry.conversation, lease }
}
