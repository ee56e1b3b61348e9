//! Reads and writes of many items.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::table::{
    error::StoreError,
    item::{Item, Key},
    requests::Table,
};

/// Maximum number of concurrent requests of a function that reads or writes many items.
pub(crate) const MAX_CONCURRENCY: usize = 8;
/// The limit of `BatchGetItem`.
const MAX_GETS: usize = 100;
/// The limit of `BatchWriteItem`.
const MAX_WRITES: usize = 25;
/// Attempts for keys that `BatchGetItem` returns as unprocessed.
const GET_ATTEMPTS: usize = 3;
/// Attempts of [`Table::get_many`] and [`Table::put_many`], with growing pauses of about 30 seconds in total.
/// A partition that is written at its limit throttles some requests.
const PATIENT_ATTEMPTS: u32 = 20;

impl Table {
    /// Reads items, in no order. Omits those that do not exist.
    pub(crate) async fn batch_get(&self, keys: Vec<Key>, consistent: bool) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(MAX_GETS) {
            let keys = chunk.iter().cloned().map(Key::into_item).collect();
            let keys =
                KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build()?;
            let mut unprocessed = Some(HashMap::from([(self.name.clone(), keys)]));
            for _ in 0..GET_ATTEMPTS {
                let Some(request) = unprocessed.take() else { break };
                let got = self.client.batch_get_item().set_request_items(Some(request)).send().await?;
                found.extend(got.responses.unwrap_or_default().into_values().flatten());
                unprocessed = got.unprocessed_keys.filter(|keys| !keys.is_empty());
            }
            if unprocessed.is_some() {
                return Err(StoreError::Unavailable("unprocessed keys".into()));
            }
        }
        Ok(found)
    }

    /// [`Table::batch_get`] for many items, read consistently, with concurrent requests and more attempts.
    pub(crate) async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        let chunks: Vec<Vec<Key>> = keys.chunks(MAX_GETS).map(<[Key]>::to_vec).collect();
        let read = |chunk: Vec<Key>| async move {
            for attempt in 0..PATIENT_ATTEMPTS {
                match self.batch_get(chunk.clone(), true).await {
                    Err(StoreError::Unavailable(_)) => pause(attempt).await,
                    answer => return answer,
                }
            }
            Err(throttled())
        };
        stream::iter(chunks).map(read).buffer_unordered(MAX_CONCURRENCY).try_concat().await
    }

    /// Writes many items without a condition, in no order. No two of 25 consecutive items may have the same
    /// key.
    pub(crate) async fn put_many(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.write_many(items.into_iter().map(put_request).collect::<Result<_, _>>()?).await
    }

    /// Deletes many items, in no order. No two of 25 consecutive keys may be the same.
    pub(crate) async fn delete_many(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        self.write_many(keys.into_iter().map(delete_request).collect::<Result<_, _>>()?).await
    }

    async fn write_many(&self, writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut chunks = Vec::with_capacity(writes.len() / MAX_WRITES + 1);
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            chunks.push(writes.by_ref().take(MAX_WRITES).collect::<Vec<_>>());
        }
        let writes = stream::iter(chunks).map(|chunk| self.write_chunk(chunk));
        writes.buffer_unordered(MAX_CONCURRENCY).try_collect().await
    }

    async fn write_chunk(&self, mut chunk: Vec<WriteRequest>) -> Result<(), StoreError> {
        for attempt in 0..PATIENT_ATTEMPTS {
            let estimated = f64::from(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            self.wait_for_pace(estimated).await;
            let request = HashMap::from([(self.name.clone(), chunk.clone())]);
            let request = self.client.batch_write_item().set_request_items(Some(request));
            match request.set_return_consumed_capacity(self.returned_capacity()).send().await {
                Ok(sent) => {
                    self.correct_pace(estimated, sent.consumed_capacity);
                    match sent.unprocessed_items.and_then(|mut items| items.remove(&self.name)) {
                        Some(unprocessed) if !unprocessed.is_empty() => chunk = unprocessed,
                        _ => return Ok(()),
                    }
                }
                Err(error) => match error.into() {
                    StoreError::Unavailable(_) => {}
                    error => return Err(error),
                },
            }
            pause(attempt).await;
        }
        Err(throttled())
    }
}

fn put_request(item: Item) -> Result<WriteRequest, StoreError> {
    let put = PutRequest::builder().set_item(Some(item)).build()?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn delete_request(key: Key) -> Result<WriteRequest, StoreError> {
    let delete = DeleteRequest::builder().set_key(Some(key.into_item())).build()?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn throttled() -> StoreError {
    StoreError::Unavailable("throttled for too long".into())
}

async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow(attempt.min(5))).await;
}
