//! Idempotency keys. The transaction that creates an entity also stores the key with the id of the entity. A
//! key is kept for 24 hours.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, time::Timestamp};

use crate::table::{
    error::StoreError,
    item::{Key, number},
    keys,
    requests::Table,
    transaction::Transaction,
};

/// How long a key is kept.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// The key of a request.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency<'a> {
    pub principal: &'a str,
    pub route: &'a str,
    /// The value of the header.
    pub key: &'a str,
    /// Digest of the body.
    pub body: &'a str,
}

/// The first request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the body of the first request.
    pub body: String,
    /// Id of the entity that the request created, or its result.
    pub made: String,
}

/// The key was not used within the last 24 hours.
const IS_UNUSED: &str = "attribute_not_exists(pk) OR #ttl < :now";

#[derive(Debug, Serialize, Deserialize)]
struct KeyRow {
    body: String,
    made: String,
    ttl: i64,
}

impl Idempotency<'_> {
    pub(crate) fn item_key(&self, organization: &OrganizationId) -> Key {
        keys::idempotency(organization, self.principal, self.route, self.key)
    }

    /// Adds a write of the key. Its condition fails if the key was used within the last 24 hours.
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        organization: &OrganizationId,
        made: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        transaction.put_if(self.item_key(organization), &self.row(made, now), |put| {
            put.condition_expression(IS_UNUSED)
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", number(now.seconds()))
        })
    }

    fn row(&self, made: &str, now: Timestamp) -> KeyRow {
        let ttl = (now + KEY_LIFETIME).seconds();
        KeyRow { body: self.body.to_owned(), made: made.to_owned(), ttl }
    }
}

/// The idempotency keys of earlier requests.
#[derive(Debug, Clone)]
pub struct UsedKeys {
    table: Table,
}

impl UsedKeys {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the first request with a key. `None` if there was none in the last 24 hours. Costs 1 read
    /// unit.
    pub async fn get(
        &self,
        organization: &OrganizationId,
        key: Idempotency<'_>,
        now: Timestamp,
    ) -> Result<Option<Remembered>, StoreError> {
        let row: Option<KeyRow> = self.table.get(key.item_key(organization), true).await?;
        let row = row.filter(|row| row.ttl >= now.seconds());
        Ok(row.map(|row| Remembered { body: row.body, made: row.made }))
    }

    /// Stores the result of a request that is safe to repeat and creates no entity of its own. Another
    /// request with the same key that was first keeps its result. Costs 1 write unit.
    pub async fn remember(
        &self,
        organization: &OrganizationId,
        key: Idempotency<'_>,
        result: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = key.row(result, now);
        let put = self.table.put_if(key.item_key(organization), &row, |put| {
            put.condition_expression(IS_UNUSED)
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", number(now.seconds()))
        });
        put.await.map(drop)
    }
}
