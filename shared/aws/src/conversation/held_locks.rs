//! The locks that each user holds: one item per user with an attribute per lock and their number. It limits
//! how many conversations one user can lock, and it finds the locks of a user who loses access.
//!
//! An entry is written after its lock, in a write of its own, and contains the lock's fencing token. Each
//! write of an entry is conditional on the token, so a delayed write changes nothing that a later acquisition
//! stored. The item may contain locks that no longer exist (they expired, were taken over, or the process
//! stopped between the two writes). They are removed when the item is full. A lock is missing only if the
//! process stopped between the two writes. That lock ends with its lease, because its holder never received
//! the token.

use std::collections::HashMap;

use aws_sdk_dynamodb::{operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::{ConversationKey, InboxKey},
    lock::{FencingToken, Lease},
    time::Timestamp,
};

use crate::{
    conversation::rows::ConversationRow,
    table::{
        error::StoreError,
        item::{Item, from_item, number},
        keys,
        requests::{Conditional, Table},
    },
};

/// The attribute with the number of entries.
const COUNT: &str = "lockCount";

/// How often a write is repeated that loses against concurrent writes of the same user.
const ATTEMPTS: usize = 5;

type LockedConversation = (InboxId, ConversationId);

/// A lock that a user holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    pub inbox: InboxId,
    pub conversation: ConversationId,
    pub lease: Lease,
}

/// The items of held locks, one per user.
#[derive(Debug, Clone)]
pub(crate) struct HeldLocks {
    table: Table,
}

/// The entries of an item, by attribute name, and their number.
#[derive(Debug, Default)]
struct HeldRow {
    entries: HashMap<String, FencingToken>,
    count: usize,
}

impl HeldRow {
    fn of(item: &Item) -> Result<Self, StoreError> {
        let mut row = Self::default();
        for (name, value) in item {
            let AttributeValue::N(digits) = value else { continue };
            let value: u64 = digits.parse().map_err(|_| StoreError::Corrupt("a held lock".to_owned()))?;
            if name == COUNT {
                row.count = usize::try_from(value).unwrap_or(usize::MAX);
            } else {
                row.entries.insert(name.clone(), FencingToken::new(value));
            }
        }
        Ok(row)
    }

    fn conversations(&self) -> Result<Vec<LockedConversation>, StoreError> {
        let entries = self.entries.keys().filter_map(|entry| entry.split_once('#'));
        entries
            .map(|(inbox, conversation)| Ok((InboxId::parse(inbox)?, ConversationId::parse(conversation)?)))
            .collect()
    }
}

impl HeldLocks {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Adds a lock: 1 write unit. Set `again` if the user held the lock already, so that its entry exists:
    /// otherwise updating an existing entry costs 1 unit more. Returns the user's live locks instead if there
    /// are `limit` others. Removes locks that no longer exist from a full item (1 read unit each, and 2 write
    /// units).
    pub(crate) async fn add(
        &self,
        key: ConversationKey<'_>,
        lease: &Lease,
        again: bool,
        limit: usize,
        now: Timestamp,
    ) -> Result<Result<(), Vec<HeldLock>>, StoreError> {
        let user = &lease.holder.id;
        for _ in 0..ATTEMPTS {
            let Some(full) = self.try_add(key, lease, again, limit).await? else { return Ok(Ok(())) };
            let mut live = self.held(key.organization, user, &full.conversations()?).await?;
            live.retain(|lock| lock.lease.live(now));
            if live.len() >= limit {
                return Ok(Err(live));
            }
            let is_live = |entry: &str| {
                live.iter().any(|lock| keys::held_lock(&lock.inbox, &lock.conversation) == entry)
            };
            let gone = full.entries.into_iter().filter(|(entry, _)| !is_live(entry));
            self.remove(key.organization, user, &gone.collect::<Vec<_>>()).await?;
        }
        Err(contended())
    }

    /// Returns the item if it is full.
    async fn try_add(
        &self,
        key: ConversationKey<'_>,
        lease: &Lease,
        again: bool,
        limit: usize,
    ) -> Result<Option<HeldRow>, StoreError> {
        let entry = keys::held_lock(key.inbox, key.conversation);
        let mut exists = again;
        for _ in 0..ATTEMPTS {
            let updated =
                self.table.update_if(keys::held_locks(key.organization, &lease.holder.id), |update| {
                    let update = update
                        .expression_attribute_names("#entry", &entry)
                        .expression_attribute_values(":token", number(lease.token));
                    if exists { replace(update) } else { insert(update, limit) }
                });
            let row = match updated.await? {
                Conditional::Done(_) => return Ok(None),
                Conditional::Failed(item) => HeldRow::of(&item.unwrap_or_default())?,
            };
            match row.entries.get(&entry) {
                Some(stored) if *stored >= lease.token => return Ok(None),
                Some(_) => exists = true,
                None if row.count >= limit => return Ok(Some(row)),
                None => exists = false,
            }
        }
        Err(contended())
    }

    /// Removes entries that still have these tokens: 1 write unit. Does nothing if one of them has another.
    pub(crate) async fn remove(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        gone: &[(String, FencingToken)],
    ) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let indexes = || 0..gone.len();
        let removed: Vec<_> = indexes().map(|index| format!("#entry{index}")).collect();
        let unchanged: Vec<_> = indexes().map(|index| format!("#entry{index} = :token{index}")).collect();
        let updated = self.table.update_if(keys::held_locks(organization, user), |update| {
            let update = update
                .update_expression(format!("REMOVE {} ADD #count :removed", removed.join(", ")))
                .condition_expression(unchanged.join(" AND "))
                .expression_attribute_names("#count", COUNT)
                .expression_attribute_values(":removed", AttributeValue::N(format!("-{}", gone.len())));
            gone.iter().enumerate().fold(update, |update, (index, (entry, token))| {
                update
                    .expression_attribute_names(format!("#entry{index}"), entry)
                    .expression_attribute_values(format!(":token{index}"), number(token))
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
        let item = get.consistent_read(true).send().await?.item;
        let mut named = HeldRow::of(&item.unwrap_or_default())?.conversations()?;
        named.retain(|(inbox, _)| inboxes.contains(inbox));
        self.held(organization, user, &named).await
    }

    async fn held(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        named: &[LockedConversation],
    ) -> Result<Vec<HeldLock>, StoreError> {
        let key = |(inbox, conversation): &LockedConversation| {
            keys::conversation(InboxKey { organization, inbox }.conversation(conversation))
        };
        let mut leases = HashMap::new();
        for item in self.table.batch_get(named.iter().map(key).collect(), true).await? {
            let row: ConversationRow = from_item(item)?;
            let lease = row.lock().lease.filter(|lease| lease.holder.id == *user);
            leases.insert(row.key(), lease);
        }
        let held = named.iter().filter_map(|named| {
            let lease = leases.remove(&key(named))??;
            Some(HeldLock { inbox: named.0.clone(), conversation: named.1.clone(), lease })
        });
        Ok(held.collect())
    }
}

fn insert(update: UpdateItemFluentBuilder, limit: usize) -> UpdateItemFluentBuilder {
    update
        .update_expression("SET #entry = :token ADD #count :one")
        .condition_expression(
            "attribute_not_exists(#entry) AND (attribute_not_exists(#count) OR #count < :limit)",
        )
        .expression_attribute_names("#count", COUNT)
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":limit", number(limit))
}

fn replace(update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
    update.update_expression("SET #entry = :token").condition_expression("#entry < :token")
}

fn contended() -> StoreError {
    StoreError::Unavailable("the user's locks changed while one was added".into())
}
