//! Queries of one partition.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::de::DeserializeOwned;

use crate::table::{
    error::StoreError,
    item::{Item, string_attribute, text},
    requests::Table,
};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as requested.
    pub items: Vec<T>,
    /// The start of the next page, which may be empty. `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }

    pub(crate) fn try_map<U>(
        self,
        convert: impl FnMut(T) -> Result<U, StoreError>,
    ) -> Result<Page<U>, StoreError> {
        Ok(Page { items: self.items.into_iter().map(convert).collect::<Result<_, _>>()?, next: self.next })
    }
}

/// A partition, or a range of sort keys in it.
#[derive(Debug, Clone)]
pub(crate) struct KeyRange {
    partition: String,
    sort_keys: SortKeys,
}

#[derive(Debug, Clone)]
enum SortKeys {
    All,
    Prefix(String),
    Between(String, String),
}

impl KeyRange {
    pub(crate) fn all(partition: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort_keys: SortKeys::All }
    }

    pub(crate) fn prefix(partition: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort_keys: SortKeys::Prefix(prefix.into()) }
    }

    /// The sort keys from `first` to `last`, including both. DynamoDB refuses a range whose first key is
    /// greater than its last.
    pub(crate) fn between(partition: impl Into<String>, first: String, last: String) -> Self {
        Self { partition: partition.into(), sort_keys: SortKeys::Between(first, last) }
    }

    /// Returns the key of an item in this partition.
    fn key(&self, sort_key: &str) -> Item {
        Item::from([("pk".into(), text(&self.partition)), ("sk".into(), text(sort_key))])
    }
}

/// The order of sort keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    /// Newest first, if sort keys start with a time.
    Descending,
}

impl Table {
    /// Builds a query of this range. Callers add filters and limits.
    pub(crate) fn query(&self, range: &KeyRange) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.name);
        let query = query.expression_attribute_values(":partition", text(&range.partition));
        match &range.sort_keys {
            SortKeys::All => query.key_condition_expression("pk = :partition"),
            SortKeys::Prefix(prefix) => query
                .key_condition_expression("pk = :partition AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix)),
            SortKeys::Between(first, last) => query
                .key_condition_expression("pk = :partition AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":first", text(first))
                .expression_attribute_values(":last", text(last)),
        }
    }

    /// Returns a page of at most `limit` items, in one request. `after` is the `next` of the previous page.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        range: KeyRange,
        order: Order,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<T>, StoreError> {
        let found = self
            .query(&range)
            .scan_index_forward(order == Order::Ascending)
            .limit(i32::from(limit))
            .set_exclusive_start_key(after.map(|sort_key| range.key(sort_key)))
            .send()
            .await?;
        let next = found.last_evaluated_key.and_then(|key| Some(string_attribute(&key, "sk")?.to_owned()));
        Ok(Page { items: serde_dynamo::from_items(found.items.unwrap_or_default())?, next })
    }

    /// [`Table::page`] in ascending order, read consistently.
    pub(crate) async fn consistent_page<T: DeserializeOwned>(
        &self,
        range: KeyRange,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<T>, StoreError> {
        let page = self.consistent_items(range, limit, after).await?;
        Ok(Page { items: serde_dynamo::from_items(page.items)?, next: page.next })
    }

    /// [`Table::consistent_page`] for items that the caller parses.
    pub(crate) async fn consistent_items(
        &self,
        range: KeyRange,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Item>, StoreError> {
        let found = self
            .query(&range)
            .consistent_read(true)
            .limit(i32::from(limit))
            .set_exclusive_start_key(after.map(|sort_key| range.key(sort_key)))
            .send()
            .await?;
        let next = found.last_evaluated_key.and_then(|key| Some(string_attribute(&key, "sk")?.to_owned()));
        Ok(Page { items: found.items.unwrap_or_default(), next })
    }

    /// Returns all items of a range, read consistently, in as many requests as necessary.
    pub(crate) async fn all<T: DeserializeOwned>(&self, range: &KeyRange) -> Result<Vec<T>, StoreError> {
        Ok(serde_dynamo::from_items(self.all_items(range).await?)?)
    }

    /// [`Table::all`] for ranges with items of different shapes.
    pub(crate) async fn all_items(&self, range: &KeyRange) -> Result<Vec<Item>, StoreError> {
        let items = self.query(range).consistent_read(true).into_paginator().items().send();
        Ok(items.collect::<Result<Vec<_>, _>>().await?)
    }
}
