//! The window of the last restore. Changes in it are no events: they were events when they were made.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::time::Timestamp;

use crate::table::{
    error::StoreError,
    item::number,
    keys,
    requests::{Conditional, EXISTS, Table},
};

/// When the last restore began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreWindow {
    /// The number of this restore, from 1. What it gives out goes on after what those before gave out.
    pub generation: u64,
    pub since: Timestamp,
    /// Whether an import is not reconciled with the carrier yet.
    #[serde(default)]
    pub is_unreconciled: bool,
    /// `None` while the restore goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl RestoreWindow {
    /// Whether a change is one of the restore. The times of changes in the stream are in whole seconds.
    pub fn contains(&self, at: Timestamp) -> bool {
        at.seconds() >= self.since.seconds() && self.until.is_none_or(|until| at <= until)
    }

    /// Whether the restore goes on.
    pub fn is_open(&self) -> bool {
        self.until.is_none()
    }
}

/// The item of the last restore.
#[derive(Debug, Clone)]
pub struct Restores {
    table: Table,
}

impl Restores {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the window of the last restore: 1 read unit. `None` if there was none.
    pub async fn last(&self) -> Result<Option<RestoreWindow>, StoreError> {
        self.table.get(keys::restore(), true).await
    }

    /// Begins a restore, unless one goes on. Returns its window.
    pub async fn begin(&self, now: Timestamp) -> Result<RestoreWindow, StoreError> {
        let generation = self.last().await?.map_or(1, |last| last.generation + 1);
        let window = RestoreWindow { generation, since: now, is_unreconciled: false, until: None };
        let put = self.table.put_if(keys::restore(), &window, |put| {
            put.condition_expression("attribute_not_exists(pk) OR attribute_exists(#until)")
                .expression_attribute_names("#until", "until")
        });
        match put.await? {
            Conditional::Done(_) => Ok(window),
            Conditional::Failed(_) => Ok(self.last().await?.unwrap_or(window)),
        }
    }

    /// Stores whether an import is not reconciled yet.
    pub async fn set_unreconciled(&self, is_unreconciled: bool) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::restore(), |update| {
            update
                .update_expression("SET isUnreconciled = :is_unreconciled")
                .condition_expression(EXISTS)
                .expression_attribute_values(":is_unreconciled", AttributeValue::Bool(is_unreconciled))
        });
        updated.await.map(drop)
    }

    /// Ends the restore. Returns its window, `None` if there was none. An end that is set stays.
    pub async fn end(&self, now: Timestamp) -> Result<Option<RestoreWindow>, StoreError> {
        let updated = self.table.update_if(keys::restore(), |update| {
            update
                .update_expression("SET #until = if_not_exists(#until, :now)")
                .condition_expression(EXISTS)
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":now", number(now.millis()))
        });
        let _ = updated.await?;
        self.last().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_second_and_ends_with_its_end() {
        let at = Timestamp::from_millis;
        let open = RestoreWindow { generation: 1, since: at(5_700), is_unreconciled: false, until: None };
        assert!(!open.contains(at(4_999)) && open.contains(at(5_000)) && open.contains(at(99_000)));
        let closed = RestoreWindow { until: Some(at(8_000)), ..open };
        assert!(closed.contains(at(8_000)) && !closed.contains(at(8_001)));
    }
}
