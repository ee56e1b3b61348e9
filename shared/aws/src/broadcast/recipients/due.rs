//! The recipients that wait, in the order in which they are looked at.

use std::{collections::HashSet, time::Duration};

use futures_util::future::try_join_all;
use serde::Deserialize;
use shared_domain::{broadcast::BroadcastRef, ids::OrganizationId, phone::PhoneNumber, time::Timestamp};

use super::{Recipients, StoredRecipient};
use crate::table::{
    error::StoreError,
    item::{by_key, from_item, number, text},
    keys::{self, Key},
};

/// Recipients whose time came within the last three minutes are looked at before others.
const LATELY: Duration = Duration::from_mins(3);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueRow {
    pk: String,
    sk: PhoneNumber,
    check_at: Timestamp,
}

impl Recipients {
    /// Returns up to `limit` recipients that wait until `now` at most: first those whose time came within the
    /// last minutes, such as those that were locked, and then in the order of their times. `None` returns
    /// those that wait for any time. A change of the last second may be missing.
    pub async fn due(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        now: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<StoredRecipient>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new()); // a query refuses it
        }
        let lately = now.map(|now| now - LATELY);
        let waiting = |shard, after| self.waiting(organization, of, shard, after, now, limit);
        let shards = 0..keys::RECIPIENT_SHARDS;
        let all = shards.clone().map(|shard| waiting(shard, None));
        let of_lately = shards.filter(|_| lately.is_some()).map(|shard| waiting(shard, lately));
        let found = try_join_all(all.chain(of_lately)).await?;
        let is_older = |row: &DueRow| lately.is_none_or(|lately| row.check_at <= lately);
        let mut found: Vec<_> =
            found.into_iter().flatten().map(|row| (is_older(&row), row.check_at, row.sk, row.pk)).collect();
        found.sort();
        // The queries read at different times, so one may be in two places.
        let mut seen = HashSet::new();
        found.retain(|(_, _, number, _)| seen.insert(number.clone()));
        found.truncate(limit);
        let keys: Vec<Key> = found.iter().map(|(_, _, sk, pk)| Key::new(pk, sk.as_str())).collect();
        let mut items = by_key(self.table.get_many(keys.clone()).await?);
        let in_order = keys.iter().filter_map(|key| items.remove(key)).map(from_item);
        in_order.collect()
    }

    /// Returns the recipient that is looked at next. `None` if none waits.
    pub async fn next_due(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
    ) -> Result<Option<StoredRecipient>, StoreError> {
        Ok(self.due(organization, of, None, 1).await?.into_iter().next())
    }

    async fn waiting(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        shard: u64,
        after: Option<Timestamp>,
        now: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<DueRow>, StoreError> {
        let query = self.table.client.query().table_name(&self.table.name).index_name(keys::DELIVERY_CHECKS);
        let partition = keys::recipients_partition(organization, of, shard);
        let query = query.expression_attribute_values(":partition", text(partition));
        let query = match now {
            Some(now) => query
                .key_condition_expression("checkIn = :partition AND checkAt BETWEEN :after AND :now")
                .expression_attribute_values(":after", number(after.map_or(0, |after| after.millis() + 1)))
                .expression_attribute_values(":now", number(now.millis())),
            None => query.key_condition_expression("checkIn = :partition"),
        };
        let found = query.limit(i32::try_from(limit).unwrap_or(i32::MAX)).send().await?;
        Ok(serde_dynamo::from_items(found.items.unwrap_or_default())?)
    }
}
