//! The outbox: messages that are accepted and not queued yet, and messages whose send had an unknown outcome.
//!
//! The transaction that accepts a message writes its outbox entry. The table's stream shows the entry to the
//! relay, which queues the message and removes the entry. If a stream record is lost, the sweep finds the
//! entry after a minute.

use std::time::Duration;

use shared_domain::{
    ids::{MessageId, OrganizationId},
    time::Timestamp,
};

use crate::{
    messaging::rows::OutboxRow,
    table::{
        error::StoreError,
        keys,
        query::{KeyRange, Order},
        requests::Table,
    },
};

/// The age after which the sweep considers an entry missed by the relay.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);
/// Maximum number of entries of a partition in a sweep.
const SWEEP_LIMIT: u16 = 100;

/// A message that waits for the queue or for the carrier's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    pub organization: OrganizationId,
    pub message: MessageId,
    /// The time at which it was added.
    pub at: Timestamp,
}

/// Entries of the outbox and of the list of unknown outcomes.
#[derive(Debug, Clone)]
pub struct Outbox {
    table: Table,
}

impl Outbox {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Parses the new image of a stream record. Errors with `Corrupt` if it is not an outbox entry.
    pub fn entry(image: serde_dynamo::Item) -> Result<OutboxEntry, StoreError> {
        Ok(entry(serde_dynamo::from_item(image)?))
    }

    /// Removes the entry of a message that is in the queue: 1 write unit. Does nothing if it does not exist.
    pub async fn remove(&self, queued: &OutboxEntry) -> Result<(), StoreError> {
        let Some(conversation) = queued.message.conversation() else { return Ok(()) };
        self.table.delete(keys::outbox(&conversation, &queued.message)).await
    }

    /// Returns the entries that have been in the outbox for too long.
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut overdue = Vec::new();
        for shard in 0..keys::OUTBOX_SHARDS {
            overdue.extend(self.partition(keys::outbox_partition(shard)).await?);
        }
        overdue.retain(|entry| entry.at < now - SWEEP_AFTER);
        Ok(overdue)
    }

    /// Records that the outcome of a send is unknown and that the carrier must be asked: 1 write unit.
    pub async fn mark_unknown(
        &self,
        organization: &OrganizationId,
        message: &MessageId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = OutboxRow { org: organization.clone(), sk: message.clone(), at: now };
        self.table.put(keys::reconcile(message), &row).await
    }

    /// Returns the messages whose outcome is unknown, oldest first.
    pub async fn unknown(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.partition(keys::RECONCILE.to_owned()).await
    }

    /// Removes a message from the list of unknown outcomes.
    pub async fn mark_resolved(&self, message: &MessageId) -> Result<(), StoreError> {
        self.table.delete(keys::reconcile(message)).await
    }

    async fn partition(&self, partition: String) -> Result<Vec<OutboxEntry>, StoreError> {
        let range = KeyRange::all(partition);
        let page = self.table.page(range, Order::Ascending, SWEEP_LIMIT, None).await?;
        Ok(page.items.into_iter().map(entry).collect())
    }
}

fn entry(row: OutboxRow) -> OutboxEntry {
    OutboxEntry { organization: row.org, message: row.sk, at: row.at }
}
