//! The numbers whose messages at the carrier are swept, each with its position in the carrier's list.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | all numbers | 1 per megabyte | read by size: 0.5 for about 25 quiet numbers |
//! | add, advance, remove | 1 | 1 write; more if the position remembers more than 20 messages |

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared_domain::{
    phone::PhoneNumber,
    sweep::{SweepPosition, SweepRange},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::number,
    keys,
    query::{KeyRange, Order},
    requests::Table,
    transaction::Transaction,
};

/// The numbers of one page of the list.
const PAGE_SIZE: u16 = 1_000;

/// A number that is swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptNumber {
    pub number: PhoneNumber,
    pub position: SweepPosition,
}

/// The list of swept numbers.
#[derive(Debug, Clone)]
pub struct SweptNumbers {
    table: Table,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SweptNumberRow {
    sk: PhoneNumber,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    checked: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap_until: Option<Timestamp>,
}

impl SweptNumberRow {
    fn of(number: &PhoneNumber, position: &SweepPosition) -> Self {
        Self {
            sk: number.clone(),
            at: position.at,
            checked: position.checked.clone(),
            gap_since: position.gap.map(|gap| gap.since),
            gap_until: position.gap.and_then(|gap| gap.until),
        }
    }

    fn swept(self) -> SweptNumber {
        let gap = self.gap_since.map(|since| SweepRange { since, until: self.gap_until });
        SweptNumber { number: self.sk, position: SweepPosition { at: self.at, checked: self.checked, gap } }
    }
}

impl SweptNumbers {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns all swept numbers.
    pub async fn all(&self) -> Result<Vec<SweptNumber>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let range = KeyRange::all(keys::SWEPT_NUMBERS);
            let page = self.table.page(range, Order::Ascending, PAGE_SIZE, after.as_deref()).await?;
            all.extend(page.items.into_iter().map(SweptNumberRow::swept));
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Adds a number. Does nothing if it is in the list.
    pub async fn add(&self, added: &SweptNumber) -> Result<(), StoreError> {
        let row = SweptNumberRow::of(&added.number, &added.position);
        self.table.put_new(keys::swept_number(&added.number), &row).await.map(drop)
    }

    /// Writes the position of a number whose messages are checked from this time on.
    pub(crate) fn write(
        transaction: &mut Transaction<'_>,
        number: &PhoneNumber,
        since: Timestamp,
    ) -> Result<usize, StoreError> {
        let row = SweptNumberRow::of(number, &SweepPosition::starting_at(since));
        transaction.put(keys::swept_number(number), &row)
    }

    /// Moves a number to a new position. Does nothing if another run has moved or removed it since it was
    /// read.
    pub async fn advance(&self, before: &SweptNumber, after: &SweepPosition) -> Result<(), StoreError> {
        let row = SweptNumberRow::of(&before.number, after);
        let (at, gap) = (before.position.at, before.position.gap.and_then(|gap| gap.until));
        let written = self.table.put_if(keys::swept_number(&before.number), &row, |put| {
            let put = put
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", number(at.millis()));
            match gap {
                Some(until) => put
                    .condition_expression("#at = :at AND gapUntil = :until")
                    .expression_attribute_values(":until", number(until.millis())),
                None => put.condition_expression("#at = :at AND attribute_not_exists(gapUntil)"),
            }
        });
        written.await.map(drop)
    }

    /// Removes a number. Does nothing if it is not in the list.
    pub async fn remove(&self, number: &PhoneNumber) -> Result<(), StoreError> {
        self.table.delete(keys::swept_number(number)).await
    }
}
