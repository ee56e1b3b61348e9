//! The number of unread conversations: a counter on the inbox, so that showing all inboxes of a user costs
//! the same however many conversations they have.
//!
//! The write that marks a conversation read or unread returns whether it changed anything. Only after a
//! change, the counter is updated with 1 write unit. If the process stops between the two writes, or the SDK
//! repeats the first one because its answer was lost, the counter is off by one. Therefore the next reader
//! recounts an inbox whose counter stayed the same for a minute: after each change, and once an hour.

use std::time::Duration;

use aws_sdk_dynamodb::types::Select;
use serde::Deserialize;
use shared_domain::{keys::InboxKey, time::Timestamp};

use crate::table::{
    error::StoreError,
    item::{number, text},
    keys,
    requests::{EXISTS, Table},
};

/// After this time without a change, no process is between its two writes.
const RECOUNT_DELAY: Duration = Duration::from_secs(60);

/// A counter that is off by one because its second write is missing shows no change. So an inbox in use is
/// recounted after this time.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(3600);

/// The counter of an inbox, as stored on the inbox's item.
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
    /// Returns the number of unread conversations.
    pub fn unread(self) -> u64 {
        u64::try_from(self.unread).unwrap_or(0)
    }

    /// Whether the counter was quiet for [`RECOUNT_DELAY`], and changed since its last recount or was not
    /// recounted for [`RECOUNT_INTERVAL`]. An inbox without any message needs no recount.
    pub fn needs_recount(self, now: Timestamp) -> bool {
        let quiet = self.unread_changed < now - RECOUNT_DELAY;
        let due =
            self.unread_changed > self.unread_recounted || self.unread_recounted < now - RECOUNT_INTERVAL;
        self.unread_changed != Timestamp::default() && quiet && due
    }
}

/// The counters of inboxes.
#[derive(Debug, Clone)]
pub struct Unread {
    table: Table,
}

impl Unread {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Adds to the counter of an inbox; `delta` may be negative. Does nothing if the inbox does not exist.
    pub async fn add(&self, inbox: InboxKey<'_>, delta: i64, now: Timestamp) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::inbox(inbox), |update| {
            update
                .update_expression("SET unreadChanged = :now ADD unread :delta")
                .condition_expression(EXISTS)
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":delta", number(delta))
        });
        updated.await.map(drop)
    }

    /// Counts the unread conversations in the sparse index and returns their number. The cost grows with the
    /// number of unread conversations and not with the size of the inbox. Corrects the counter unless it
    /// changed since it was read.
    pub async fn recount(
        &self,
        inbox: InboxKey<'_>,
        seen: Counter,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let unread = self.count_index(inbox).await?;
        let updated = self.table.update_if(keys::inbox(inbox), |update| {
            update
                .update_expression("SET unread = :unread, unreadRecounted = :now")
                .condition_expression("unreadChanged = :seen")
                .expression_attribute_values(":unread", number(unread))
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":seen", number(seen.unread_changed.millis()))
        });
        updated.await.map(|_| unread)
    }

    async fn count_index(&self, inbox: InboxKey<'_>) -> Result<u64, StoreError> {
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
                .expression_attribute_values(":inbox", text(keys::inbox_partition(inbox)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_needs_one_recount_after_it_became_quiet() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let changed = Counter { unread: 3, unread_changed: at(100), unread_recounted: at(0) };
        assert!(!changed.needs_recount(at(160)));
        assert!(changed.needs_recount(at(161)));
        let recounted = Counter { unread_recounted: at(161), ..changed };
        assert!(!recounted.needs_recount(at(1000)));
        assert!(!recounted.needs_recount(at(161 + 3600)));
        assert!(recounted.needs_recount(at(162 + 3600)));
        assert!(!Counter::default().needs_recount(at(1000)));
        assert_eq!(Counter { unread: -1, ..changed }.unread(), 0);
    }
}
