//! The outbox: messages that are accepted and not queued yet, and messages whose send had an unknown outcome.
//!
//! The transaction that accepts a message writes its outbox entry. The table's stream shows the entry to the
//! relay, which queues the message and removes the entry. If a stream record is lost, the sweep finds the
//! entry after a minute.

use std::time::Duration;

use serde::de::DeserializeOwned;
use shared_domain::{
    ids::{MessageId, OrganizationId},
    time::Timestamp,
};

use crate::{
    messaging::rows::{OutboxRow, UnknownSendRow},
    table::{
        error::StoreError,
        item::{number, text},
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
    /// Whether it is the text of a broadcast. Such texts have a queue of their own.
    pub of_broadcast: bool,
}

/// A message whose send got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSend {
    pub organization: OrganizationId,
    pub message: MessageId,
    /// When an answer was lost for the first time.
    pub since: Timestamp,
    /// How many runs after the grace period did not find it at the carrier.
    pub misses: u32,
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
            overdue.extend(self.partition(keys::outbox_partition(shard)).await?.into_iter().map(entry));
        }
        overdue.retain(|entry| entry.at < now - SWEEP_AFTER);
        Ok(overdue)
    }

    /// Records that the outcome of a send is unknown and that the carrier must be asked: 1 write unit. The
    /// time of the first lost answer is kept.
    pub async fn mark_unknown(
        &self,
        organization: &OrganizationId,
        message: &MessageId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::reconcile(message), |update| {
            update
                .update_expression("SET org = :org, since = if_not_exists(since, :now) REMOVE misses")
                .expression_attribute_values(":org", text(organization))
                .expression_attribute_values(":now", number(now.millis()))
        });
        updated.await.map(drop)
    }

    /// Counts a run that did not find the message at the carrier: 1 write unit.
    pub async fn count_miss(&self, message: &MessageId) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::reconcile(message), |update| {
            update
                .update_expression("ADD misses :one")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":one", number(1))
        });
        updated.await.map(drop)
    }

    /// Returns the messages whose outcome is unknown, oldest first.
    pub async fn unknown(&self) -> Result<Vec<UnknownSend>, StoreError> {
        let rows: Vec<UnknownSendRow> = self.partition(keys::RECONCILE.to_owned()).await?;
        Ok(rows.into_iter().map(UnknownSendRow::send).collect())
    }

    /// Removes a message from the list of unknown outcomes.
    pub async fn mark_resolved(&self, message: &MessageId) -> Result<(), StoreError> {
        self.table.delete(keys::reconcile(message)).await
    }

    async fn partition<T: DeserializeOwned>(&self, partition: String) -> Result<Vec<T>, StoreError> {
        let range = KeyRange::all(partition);
        Ok(self.table.page(range, Order::Ascending, SWEEP_LIMIT, None).await?.items)
    }
}

fn entry(row: OutboxRow) -> OutboxEntry {
    OutboxEntry { organization: row.org, message: row.sk, at: row.at, of_broadcast: row.broadcast }
}
