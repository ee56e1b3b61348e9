//! Reads and writes of the table.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{CancellationReason, PutRequest, WriteRequest},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::table::{
    error::StoreError,
    item::{Item, text},
    keys::Key,
};

/// The table and a client for it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// The order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By the key.
    Ascending,
    /// The other way round: the newest first, where the key is a time.
    Descending,
}

impl Table {
    /// Over this client.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Over a client of its own.
    pub fn of(aws: &crate::clients::client::Aws, name: impl Into<String>) -> Self {
        Self::new(Client::from_conf(aws.dynamodb_config().build()), name)
    }

    /// One item; `consistent` costs twice as much.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        key: Key,
        consistent: bool,
    ) -> Result<Option<T>, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .consistent_read(consistent)
            .send()
            .await?;
        Ok(got.item.map(serde_dynamo::from_item).transpose()?)
    }

    /// Writes one item as it is, whatever was there.
    pub(crate) async fn put<T: Serialize>(&self, key: Key, item: &T) -> Result<(), StoreError> {
        self.client.put_item().table_name(&self.name).set_item(Some(row(key, item)?)).send().await?;
        Ok(())
    }

    /// Writes one item unless there is one already, which stays: 1 write unit either way.
    pub(crate) async fn put_new<T: Serialize>(&self, key: Key, item: &T) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(row(key, item)?));
        match put.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// A page of the rows of a partition that begin like this, and where the next one begins, if there may be one.
    pub(crate) async fn page(
        &self,
        partition: String,
        beginning: &str,
        order: Order,
        limit: u16,
        after: Option<&str>,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let start =
            after.map(|place| Item::from([("pk".into(), text(&partition)), ("sk".into(), text(place))]));
        let found = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :partition AND begins_with(sk, :beginning)")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":beginning", text(beginning))
            .scan_index_forward(order == Order::Ascending)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = found.last_evaluated_key.and_then(|key| key.get("sk")?.as_s().ok().cloned());
        Ok((found.items.unwrap_or_default(), next))
    }

    /// Several items at once, in no order; asks again for what the store left out.
    pub(crate) async fn batch_get(&self, keys: Vec<Key>, consistent: bool) -> Result<Vec<Item>, StoreError> {
        use aws_sdk_dynamodb::types::KeysAndAttributes;
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(100) {
            let wanted = chunk.iter().cloned().map(Key::into_item).collect();
            let wanted =
                KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(consistent).build();
            let wanted = wanted.map_err(|_| StoreError::Refused("no keys".into()))?;
            let mut rest = Some(HashMap::from([(self.name.clone(), wanted)]));
            for _ in 0..3 {
                let Some(request) = rest.take() else { break };
                let got = self.client.batch_get_item().set_request_items(Some(request)).send().await?;
                found.extend(got.responses.unwrap_or_default().into_values().flatten());
                rest = got.unprocessed_keys.filter(|keys| !keys.is_empty());
            }
            if rest.is_some() {
                return Err(StoreError::Unavailable("keys left unprocessed".into()));
            }
        }
        Ok(found)
    }
}

/// Requests of one kind that a function has under way at once, where it reads or writes very many items.
pub(crate) const MAX_CONCURRENCY: usize = 8;
/// `BatchGetItem` takes at most so many.
const BATCH_GET_LIMIT: usize = 100;
/// `BatchWriteItem` takes at most so many.
const BATCH_WRITE_LIMIT: usize = 25;
/// Tries of a request among very many, with growing pauses of half a minute in all: a partition that is written as fast as
/// it can be throttles now and then.
const TRIES: u32 = 20;

/// Very many items: with patience, since whoever needs them is in no hurry.
impl Table {
    /// Many items at once, read consistently, in no order.
    pub(crate) async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        let parts: Vec<Vec<Key>> = keys.chunks(BATCH_GET_LIMIT).map(<[Key]>::to_vec).collect();
        let read = |part: Vec<Key>| async move {
            for again in 0..TRIES {
                match self.batch_get(part.clone(), true).await {
                    Err(StoreError::Unavailable(_)) => pause(again).await,
                    answer => return answer,
                }
            }
            Err(StoreError::Unavailable("throttled for too long".into()))
        };
        stream::iter(parts).map(read).buffer_unordered(MAX_CONCURRENCY).try_concat().await
    }

    /// Writes many items as they are, whatever was there, in no order. No two of 25 in a row may have the same key.
    pub(crate) async fn put_many(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut parts = Vec::with_capacity(items.len() / BATCH_WRITE_LIMIT + 1);
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let part = items.by_ref().take(BATCH_WRITE_LIMIT).map(written).collect::<Result<Vec<_>, _>>()?;
            parts.push(part);
        }
        let parts = stream::iter(parts).map(|part| self.put_part(part));
        parts.buffer_unordered(MAX_CONCURRENCY).try_collect().await
    }

    async fn put_part(&self, mut part: Vec<WriteRequest>) -> Result<(), StoreError> {
        for again in 0..TRIES {
            let request = HashMap::from([(self.name.clone(), part.clone())]);
            match self.client.batch_write_item().set_request_items(Some(request)).send().await {
                Ok(sent) => match sent.unprocessed_items.and_then(|mut rest| rest.remove(&self.name)) {
                    Some(rest) if !rest.is_empty() => part = rest,
                    _ => return Ok(()),
                },
                Err(error) => match error.into() {
                    StoreError::Unavailable(_) => {}
                    refused => return Err(refused),
                },
            }
            pause(again).await;
        }
        Err(StoreError::Unavailable("throttled for too long".into()))
    }
}

fn written(item: Item) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item)).build();
    let put = put.map_err(|_| StoreError::Refused("no item".into()))?;
    Ok(WriteRequest::builder().put_request(put).build())
}

async fn pause(again: u32) {
    let pause = Duration::from_millis(50) * 2_u32.pow(again.min(5));
    tokio::time::sleep(pause).await;
}

/// Key and content as one row.
pub(crate) fn row<T: Serialize>(key: Key, item: &T) -> Result<Item, StoreError> {
    let mut row: Item = serde_dynamo::to_item(item)?;
    row.extend(key.into_item());
    Ok(row)
}

/// Whether this part of a transaction failed its condition.
pub(crate) fn condition_failed(reason: Option<&CancellationReason>) -> bool {
    reason.is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}
