//! Messages that are sent and whose delivery is not reported. The message itself says when the carrier is
//! asked about it next, so adding and removing a check is part of the write of a delivery report. A sparse
//! index lists the messages that are due.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | messages that are due | 1 for each of four partitions | read by size: 0.5 for about 30 |
//! | move or remove a check | 1 | 3 or 2 writes: the message, and its entry in the index |

use serde::Deserialize;
use shared_domain::{
    ids::{MessageId, OrganizationId},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{from_item, number, text},
    keys,
    requests::Table,
};

/// Maximum number of messages of a partition in a sweep.
const SWEEP_LIMIT: i32 = 100;

/// A message that the carrier must be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCheck {
    pub organization: OrganizationId,
    pub message: MessageId,
    /// When it was due.
    pub at: Timestamp,
}

/// The messages whose delivery is not reported.
#[derive(Debug, Clone)]
pub struct DeliveryChecks {
    table: Table,
}

/// An entry of the index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckRow {
    /// `org_#cnv_`
    pk: String,
    sk: MessageId,
    check_at: Timestamp,
}

impl CheckRow {
    fn check(self) -> Result<DeliveryCheck, StoreError> {
        let organization = self.pk.split('#').next().unwrap_or_default();
        Ok(DeliveryCheck {
            organization: OrganizationId::parse(organization)?,
            message: self.sk,
            at: self.check_at,
        })
    }
}

impl DeliveryChecks {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the messages that were due at `until` or earlier, those that were due first before others.
    pub async fn due(&self, until: Timestamp) -> Result<Vec<DeliveryCheck>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..keys::OUTBOX_SHARDS {
            let query = self.table.client.query().table_name(&self.table.name);
            let found = query
                .index_name(keys::DELIVERY_CHECKS)
                .key_condition_expression("checkIn = :partition AND checkAt <= :until")
                .expression_attribute_values(":partition", text(keys::delivery_checks_partition(shard)))
                .expression_attribute_values(":until", number(until.millis()))
                .limit(SWEEP_LIMIT)
                .send()
                .await?;
            for item in found.items.unwrap_or_default() {
                due.push(from_item::<CheckRow>(item)?.check()?);
            }
        }
        due.sort_by_key(|check| check.at);
        Ok(due)
    }

    /// Moves a check to its next time, or removes it. Does nothing if a report or another run has moved or
    /// removed it since it was read.
    pub async fn reschedule(&self, check: &DeliveryCheck, next: Option<Timestamp>) -> Result<(), StoreError> {
        let Some(conversation) = check.message.conversation() else { return Ok(()) };
        let key = keys::message(&check.organization, &conversation, &check.message);
        let updated = self.table.update_if(key, |update| {
            let update = update
                .condition_expression("checkIn = :partition AND checkAt = :at")
                .expression_attribute_values(":partition", text(keys::delivery_checks(&conversation)))
                .expression_attribute_values(":at", number(check.at.millis()));
            match next {
                Some(next) => update
                    .update_expression("SET checkAt = :next")
                    .expression_attribute_values(":next", number(next.millis())),
                None => update.update_expression("REMOVE checkIn, checkAt"),
            }
        });
        updated.await.map(drop)
    }
}
