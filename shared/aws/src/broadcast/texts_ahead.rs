//! What the broadcasts of an inbox have released and the carrier has not got: one item for each inbox, which
//! a slice changes before it releases texts, on the condition that no other broadcast changed it since.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{broadcast::TextsAhead, keys::InboxKey, time::Timestamp};

use crate::table::{
    error::StoreError,
    item::{from_item, number},
    keys,
    requests::{Conditional, Table},
    versioned::Versioned,
};

/// How long the item is kept after the last change.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// How often a change is decided while other broadcasts change the item.
const MAX_DECISIONS: u32 = 8;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    texts: TextsAhead,
    version: u64,
    ttl: i64,
}

/// The texts that are on their way, by inbox.
#[derive(Debug, Clone)]
pub struct TextsOnTheirWay {
    table: Table,
}

impl TextsOnTheirWay {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns what is on its way from an inbox, read consistently: a decision that changes nothing is not
    /// written, so nothing else would notice a change of the last second. One read unit.
    pub async fn get(&self, inbox: InboxKey<'_>) -> Result<Versioned<TextsAhead>, StoreError> {
        let row: Option<Row> = self.table.get(keys::texts_ahead(inbox), true).await?;
        Ok(row.unwrap_or_default().texts())
    }

    /// Stores what `decide` makes of the texts, and returns what it returns with them. It is called again if
    /// another broadcast changed them. One write unit, none if they stay the same. `None` if others changed
    /// them eight times.
    pub async fn change<T>(
        &self,
        inbox: InboxKey<'_>,
        before: Versioned<TextsAhead>,
        now: Timestamp,
        decide: impl Fn(&TextsAhead) -> (T, TextsAhead),
    ) -> Result<Option<T>, StoreError> {
        let mut stored = before;
        for _ in 0..MAX_DECISIONS {
            let (decided, texts) = decide(&stored.value);
            if texts == stored.value {
                return Ok(Some(decided));
            }
            let row = Row { texts, version: stored.version + 1, ttl: (now + KEPT_FOR).seconds() };
            let put = self.table.put_if(keys::texts_ahead(inbox), &row, |put| {
                put.condition_expression(
                    "version = :version OR (:version = :never AND attribute_not_exists(pk))",
                )
                .expression_attribute_values(":version", number(stored.version))
                .expression_attribute_values(":never", number(0))
            });
            match put.await? {
                Conditional::Done(_) => return Ok(Some(decided)),
                Conditional::Failed(item) => {
                    stored = item.map(from_item::<Row>).transpose()?.unwrap_or_default().texts();
                }
            }
        }
        Ok(None)
    }
}

impl Row {
    fn texts(self) -> Versioned<TextsAhead> {
        Versioned { value: self.texts, version: self.version }
    }
}
