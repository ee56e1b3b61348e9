//! `Idempotency-Key`s that were used: what a key stands for is written in the transaction that makes it, and remembered
//! for two days.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, time::Timestamp};

use crate::table::{
    error::StoreError,
    item::number,
    keys::{self, Key},
    requests::{Table, row},
    transaction::build_error,
};

/// How long a key is remembered.
pub const KEY_LIFETIME: Duration = Duration::from_hours(48);

/// A key with what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency<'a> {
    /// Who sent it.
    pub principal: &'a str,
    /// On which route.
    pub route: &'a str,
    /// The header's text.
    pub key: &'a str,
    /// Digest of the body it came with.
    pub body: &'a str,
}

/// What a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the body it came with.
    pub body: String,
    /// Id of what was made under it.
    pub made: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeyRow {
    body: String,
    made: String,
    ttl: i64,
}

impl Idempotency<'_> {
    pub(crate) fn key(&self, organization: &OrganizationId) -> Key {
        keys::idempotency(organization, self.principal, self.route, self.key)
    }

    /// The write that uses the key up, unless somebody did.
    pub(crate) fn part(
        &self,
        table: &Table,
        organization: &OrganizationId,
        made: &str,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let ttl = (now + KEY_LIFETIME).seconds();
        let remembered = KeyRow { body: self.body.to_owned(), made: made.to_owned(), ttl };
        let put = Put::builder()
            .table_name(&table.name)
            .set_item(Some(row(self.key(organization), &remembered)?))
            .condition_expression("attribute_not_exists(pk) OR #ttl < :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(now.seconds()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(build_error)?).build())
    }
}

/// Used keys.
#[derive(Debug, Clone)]
pub struct UsedKeys {
    table: Table,
}

impl UsedKeys {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// What a key was used for, if it was and is still remembered: 1 read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recall(
        &self,
        organization: &OrganizationId,
        given: Idempotency<'_>,
        now: Timestamp,
    ) -> Result<Option<Remembered>, StoreError> {
        let row: Option<KeyRow> = self.table.get(given.key(organization), true).await?;
        let row = row.filter(|row| row.ttl >= now.seconds());
        Ok(row.map(|row| Remembered { body: row.body, made: row.made }))
    }
}
