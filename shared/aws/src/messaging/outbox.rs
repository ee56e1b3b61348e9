//! The outbox: what is accepted and not yet queued, and what was sent with an unknown answer.
//!
//! An outbox row is written in the transaction that accepts a text. The table's stream shows it to the relay, which
//! queues it and removes it. What a lost stream record leaves behind, the sweep finds: rows older than a minute.

use std::time::Duration;

use shared_domain::{
    ids::{MessageId, OrganizationId},
    time::Timestamp,
};

use crate::{
    messaging::rows::OutboxRow,
    table::{
        error::StoreError,
        item::text,
        items::parse_id,
        keys::{self, Key},
        requests::Table,
    },
};

/// A row this old was missed by the relay.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60);
/// Rows taken up in one sweep of one partition.
const SWEEP_LIMIT: i32 = 100;

/// A message that waits for the queue, or for the carrier's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The tenant.
    pub organization: OrganizationId,
    /// The message.
    pub message: MessageId,
    /// Since when.
    pub at: Timestamp,
}

/// Outbox and reconcile rows.
#[derive(Debug, Clone)]
pub struct Outbox {
    table: Table,
}

impl Outbox {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The entry that a stream record shows in its new image.
    ///
    /// # Errors
    /// [`StoreError`] when the image is no outbox row.
    pub fn entry(image: serde_dynamo::Item) -> Result<OutboxEntry, StoreError> {
        entry(serde_dynamo::from_item(image)?)
    }

    /// Removes an entry that is in the queue: 1 write unit. Nothing happens when it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, queued: &OutboxEntry) -> Result<(), StoreError> {
        let Some(conversation) = queued.message.conversation() else { return Ok(()) };
        self.delete(keys::outbox(&conversation, &queued.message)).await
    }

    /// Entries that no stream record brought to the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut stale = Vec::new();
        for shard in 0..keys::OUTBOX_SHARDS {
            stale.extend(self.partition(keys::outbox_partition(shard)).await?);
        }
        stale.retain(|entry| entry.at < now - SWEEP_AFTER);
        Ok(stale)
    }

    /// Remembers that the carrier must be asked about a message: 1 write unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_unknown(
        &self,
        organization: &OrganizationId,
        message: &MessageId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = OutboxRow { org: organization.to_string(), sk: message.to_string(), at: now };
        self.table.put(keys::reconcile(message), &row).await
    }

    /// Messages that the carrier must be asked about, longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unknown(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.partition(keys::RECONCILE.to_owned()).await
    }

    /// The carrier has answered for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_resolved(&self, message: &MessageId) -> Result<(), StoreError> {
        self.delete(keys::reconcile(message)).await
    }

    async fn partition(&self, partition: String) -> Result<Vec<OutboxEntry>, StoreError> {
        let queried = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :partition")
            .expression_attribute_values(":partition", text(partition))
            .limit(SWEEP_LIMIT)
            .send()
            .await?;
        let rows: Vec<OutboxRow> = serde_dynamo::from_items(queried.items.unwrap_or_default())?;
        rows.into_iter().map(entry).collect()
    }

    async fn delete(&self, key: Key) -> Result<(), StoreError> {
        self.table
            .client
            .delete_item()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .send()
            .await?;
        Ok(())
    }
}

fn entry(row: OutboxRow) -> Result<OutboxEntry, StoreError> {
    Ok(OutboxEntry { organization: parse_id(&row.org)?, message: parse_id(&row.sk)?, at: row.at })
}
