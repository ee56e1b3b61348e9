//! How many conversations of an inbox are unread: a counter on the inbox, so that showing all accounts of a user costs
//! the same however many there are.
//!
//! Whoever marks a conversation read or unread learns from that very write whether anything changed, and counts it
//! afterwards: 1 write unit, and only where it changed. A process that dies between the two leaves the counter one off;
//! therefore an inbox that was counted up or down and has been quiet for a minute is counted anew by whoever looks next.

use std::time::Duration;

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::Select};
use serde::Deserialize;
use shared_domain::{
    ids::{InboxId, OrganizationId},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{number, text},
    keys,
    requests::Table,
};

/// What is quiet for so long has nobody between its two writes.
const RECOUNT_DELAY: Duration = Duration::from_secs(60);

/// The counter of one inbox, as it stands on its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counter {
    #[serde(default)]
    unread: i64,
    #[serde(default)]
    unread_changed: Timestamp,
    #[serde(default)]
    unread_recounted: Timestamp,
}

impl Counter {
    /// Conversations that nobody has read.
    pub fn unread(self) -> u64 {
        u64::try_from(self.unread).unwrap_or(0)
    }

    /// Whether it was counted up or down since it was counted anew, and is quiet now.
    pub fn wants_recount(self, now: Timestamp) -> bool {
        self.unread_changed > self.unread_recounted && self.unread_changed < now - RECOUNT_DELAY
    }
}

/// Counters of inboxes.
#[derive(Debug, Clone)]
pub struct Unread {
    table: Table,
}

impl Unread {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// So many more, or less. Nothing happens when the inbox is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::inbox(organization, inbox).into_item()))
            .update_expression("SET unreadChanged = :now ADD unread :by")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":by", number(by))
            .send()
            .await;
        settled(update)
    }

    /// Counts an inbox anew, from the sparse index: a query that grows with what is unread, not with the inbox. The
    /// counter is corrected unless it moved meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recount(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
        seen: Counter,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let unread = self.in_index(organization, inbox).await?;
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::inbox(organization, inbox).into_item()))
            .update_expression("SET unread = :unread, unreadRecounted = :now")
            .condition_expression("unreadChanged = :seen")
            .expression_attribute_values(":unread", number(unread))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":seen", number(seen.unread_changed.millis()))
            .send()
            .await;
        settled(update)?;
        Ok(unread)
    }

    async fn in_index(&self, organization: &OrganizationId, inbox: &InboxId) -> Result<u64, StoreError> {
        let mut total = 0;
        let mut start = None;
        loop {
            let counted = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .index_name(keys::INBOX_UNREAD)
                .key_condition_expression("unreadIn = :inbox")
                .expression_attribute_values(":inbox", text(keys::inbox_partition(organization, inbox)))
                .select(Select::Count)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            total += u64::try_from(counted.count).unwrap_or(0);
            start = counted.last_evaluated_key;
            if start.is_none() {
                return Ok(total);
            }
        }
    }
}

/// A condition that did not hold is nothing to do.
fn settled<T>(
    update: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError, Response>>,
) -> Result<(), StoreError> {
    match update {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(error.into()),
        },
    }
}

type Response = aws_smithy_runtime_api::client::orchestrator::HttpResponse;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_counted_anew_once_after_it_became_quiet() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let moved = Counter { unread: 3, unread_changed: at(100), unread_recounted: at(0) };
        assert!(!moved.wants_recount(at(160)));
        assert!(moved.wants_recount(at(161)));
        let recounted = Counter { unread_recounted: at(161), ..moved };
        assert!(!recounted.wants_recount(at(1000)));
        assert!(!Counter::default().wants_recount(at(1000)));
        assert_eq!(Counter { unread: -1, ..moved }.unread(), 0);
    }
}
