//! Messages that failed and are not sent again, by inbox and by the time of the failure. They are in the
//! index of [delivery checks](super::delivery_checks), in a partition named after the inbox: a message that
//! failed needs no check. A message leaves the index when it is sent again, or reported as delivered after
//! all.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | a page of failed messages | 2 | read by size: 0.5 for about 30 entries, and 1 for each message |

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use serde::Deserialize;
use shared_domain::{
    ids::{MessageId, OrganizationId},
    keys::InboxKey,
    message::Message,
    time::Timestamp,
};

use crate::{
    messaging::rows::MessageRow,
    table::{
        error::StoreError,
        item::{from_item, number, text},
        keys::{self, Key},
        requests::Table,
        transaction::Transaction,
    },
};

/// Maximum number of messages of a page. A retry of a page writes less than half of what a
/// partition of the table takes in a second, so that messages that come in at the same time are stored.
pub const FAILED_PAGE: u16 = 100;

/// [`Message::can_be_retried`], for a message that is not automatic and does not expire just now.
const CAN_BE_RETRIED: &str = "(attribute_exists(states.failed) OR attribute_exists(states.undelivered)) \
     AND attribute_not_exists(states.delivered) AND attribute_not_exists(retriedBy) \
     AND (attribute_not_exists(expiring) OR expiring < :now)";

/// Messages that failed in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPage {
    /// In the order of their ids: those of a conversation are in their order. Can contain a message that was
    /// sent again, or delivered after all, in the last second.
    pub messages: Vec<Message>,
    /// When the first message of the next page failed. `None` on the last page.
    pub next: Option<Timestamp>,
}

/// The failed messages of inboxes.
#[derive(Debug, Clone)]
pub struct FailedMessages {
    table: Table,
}

/// An entry of the index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedRow {
    pk: String,
    sk: String,
    check_at: Timestamp,
}

impl FailedMessages {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns messages of an inbox that failed at `since` or later, and before `until`, those that failed
    /// first before others. A failure of the last second may be missing.
    pub async fn page(
        &self,
        inbox: InboxKey<'_>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<FailedPage, StoreError> {
        if since >= until {
            return Ok(FailedPage { messages: Vec::new(), next: None });
        }
        let query = self.table.client.query().table_name(&self.table.name);
        let found = query
            .index_name(keys::DELIVERY_CHECKS)
            .key_condition_expression("checkIn = :inbox AND checkAt BETWEEN :since AND :last")
            .filter_expression("begins_with(pk, :organization)")
            .expression_attribute_values(":inbox", text(inbox.inbox))
            .expression_attribute_values(":since", number(since.millis()))
            .expression_attribute_values(":last", number(until.millis() - 1))
            .expression_attribute_values(":organization", text(format!("{}#", inbox.organization)))
            .limit(i32::from(FAILED_PAGE) + 1)
            .send()
            .await?;
        let mut rows = Vec::new();
        for item in found.items.unwrap_or_default() {
            rows.push(from_item::<FailedRow>(item)?);
        }
        let next = rows.get(usize::from(FAILED_PAGE)).map(|row| row.check_at);
        rows.truncate(FAILED_PAGE.into());
        if let Some(next) = next.filter(|next| rows.first().is_some_and(|first| first.check_at < *next)) {
            rows.retain(|row| row.check_at < next);
        }
        let keys = rows.into_iter().map(|row| Key { pk: row.pk, sk: row.sk }).collect();
        let mut messages = Vec::new();
        for item in self.table.batch_get(keys, true).await? {
            messages.push(from_item::<MessageRow>(item)?.message()?);
        }
        messages.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(FailedPage { messages, next })
    }
}

/// Adds the write that marks a failed message as sent again, and returns its place. Its condition fails if
/// the message is sent again already, or was delivered after all.
pub(crate) fn mark_retried(
    transaction: &mut Transaction<'_>,
    organization: &OrganizationId,
    failed: &MessageId,
    by: &Message,
) -> Result<usize, StoreError> {
    transaction.update(keys::message(organization, &by.conversation, failed), |update: UpdateBuilder| {
        update
            .update_expression("SET retriedBy = :by REMOVE checkIn, checkAt")
            .condition_expression(CAN_BE_RETRIED)
            .expression_attribute_values(":by", text(&by.id))
            .expression_attribute_values(":now", number(by.created_at.millis()))
    })
}
