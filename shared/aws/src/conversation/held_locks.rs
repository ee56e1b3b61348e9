//! The locks that each user holds: one set per user with a maximum size. It limits how many conversations one
//! user can lock, and it finds the locks of a user who loses access.
//!
//! The set is written after the lock, in a write of its own. It may contain locks that no longer exist (they
//! expired, were taken over, or the process stopped between the two writes). They are removed when the set is
//! full. A lock is missing only if the process stopped between the two writes. That lock ends with its lease,
//! because its holder never received a token.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
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
        item::{from_item, number, text},
        keys,
        requests::{Conditional, Table},
    },
};

type LockedConversation = (InboxId, ConversationId);

/// A lock that a user holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    pub inbox: InboxId,
    pub conversation: ConversationId,
    pub lease: Lease,
}

/// The sets of locks, one per user.
#[derive(Debug, Clone)]
pub(crate) struct HeldLocks {
    table: Table,
}

#[derive(Debug, Default, Deserialize)]
struct HeldRow {
    #[serde(default)]
    held: BTreeSet<String>,
}

impl HeldRow {
    fn conversations(&self) -> Result<Vec<LockedConversation>, StoreError> {
        let entries = self.held.iter().filter_map(|entry| entry.split_once('#'));
        entries
            .map(|(inbox, conversation)| Ok((InboxId::parse(inbox)?, ConversationId::parse(conversation)?)))
            .collect()
    }
}

impl HeldLocks {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Adds a lock to the set: 1 write unit. Returns the user's live locks instead if there are `limit` of
    /// them already. Removes locks that no longer exist from a full set (1 read unit each, and 2 write
    /// units).
    pub(crate) async fn add(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Result<(), Vec<HeldLock>>, StoreError> {
        let Some(full) = self.try_add(key, user, limit).await? else { return Ok(Ok(())) };
        let named = full.conversations()?;
        let live = self.live(key.organization, user, &named, now).await?;
        if live.len() >= limit {
            return Ok(Err(live));
        }
        let is_live = |named: &&LockedConversation| {
            live.iter().any(|lock| (&lock.inbox, &lock.conversation) == (&named.0, &named.1))
        };
        let gone: Vec<_> = named.iter().filter(|named| !is_live(named)).cloned().collect();
        self.remove(key.organization, user, &gone).await?;
        match self.try_add(key, user, limit).await? {
            None => Ok(Ok(())),
            Some(full_again) => {
                Ok(Err(self.live(key.organization, user, &full_again.conversations()?, now).await?))
            }
        }
    }

    /// Returns the set if it is full.
    async fn try_add(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        limit: usize,
    ) -> Result<Option<HeldRow>, StoreError> {
        let entry = keys::held_lock(key.inbox, key.conversation);
        let updated = self.table.update_if(keys::held_locks(key.organization, user), |update| {
            update
                .update_expression("ADD held :added")
                .condition_expression(
                    "attribute_not_exists(held) OR size(held) < :limit OR contains(held, :entry)",
                )
                .expression_attribute_values(":added", AttributeValue::Ss(vec![entry.clone()]))
                .expression_attribute_values(":entry", text(entry))
                .expression_attribute_values(":limit", number(limit))
        });
        match updated.await? {
            Conditional::Done(_) => Ok(None),
            Conditional::Failed(full) => Ok(Some(from_item(full.unwrap_or_default())?)),
        }
    }

    /// Removes locks from the set: 1 write unit.
    pub(crate) async fn remove(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        gone: &[LockedConversation],
    ) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let gone = gone.iter().map(|(inbox, conversation)| keys::held_lock(inbox, conversation)).collect();
        let updated = self.table.update_if(keys::held_locks(organization, user), |update| {
            update
                .update_expression("DELETE held :gone")
                .expression_attribute_values(":gone", AttributeValue::Ss(gone))
        });
        updated.await.map(drop)
    }

    /// Returns the locks that the user holds in these inboxes, read from the conversations. Costs 1 read unit
    /// for the set and 1 for each lock.
    pub(crate) async fn of(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
    ) -> Result<Vec<HeldLock>, StoreError> {
        let row: Option<HeldRow> = self.table.get(keys::held_locks(organization, user), true).await?;
        let mut named = row.unwrap_or_default().conversations()?;
        named.retain(|(inbox, _)| inboxes.contains(inbox));
        self.held(organization, user, &named).await
    }

    async fn live(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        named: &[LockedConversation],
        now: Timestamp,
    ) -> Result<Vec<HeldLock>, StoreError> {
        let mut held = self.held(organization, user, named).await?;
        held.retain(|lock| lock.lease.live(now));
        Ok(held)
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
