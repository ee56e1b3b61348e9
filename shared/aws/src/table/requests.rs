//! Reads and writes of one item.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::{DeleteItemError, builders::DeleteItemFluentBuilder},
        put_item::{PutItemError, builders::PutItemFluentBuilder},
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{
        ConsumedCapacity, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
        error::ConditionalCheckFailedException,
    },
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    clients::client::Aws,
    table::{
        error::StoreError,
        item::{Item, Key, from_item, item},
        write_pace::WritePace,
    },
};

/// The condition of an item that must be new.
pub(crate) const IS_NEW: &str = "attribute_not_exists(pk)";
/// The condition of an item that must exist.
pub(crate) const EXISTS: &str = "attribute_exists(pk)";

/// The table with its client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// Paces batches and transactions. `None` if they are not paced.
    pub(crate) pace: Option<Arc<WritePace>>,
}

/// The outcome of a write under a condition.
#[derive(Debug)]
#[must_use]
pub(crate) enum Conditional {
    /// Written. Contains the attributes requested with `return_values`.
    Done(Item),
    /// The condition failed, and nothing was written. Contains the current item, if there is one.
    Failed(Option<Item>),
}

impl Conditional {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), pace: None }
    }

    /// Returns the table for bulk writes: batches and transactions use at most this many write units a
    /// second.
    #[must_use]
    pub fn paced(&self, units_per_second: u32) -> Self {
        Self { pace: Some(Arc::new(WritePace::new(units_per_second))), ..self.clone() }
    }

    /// Waits until a write of about this many units fits into the pace.
    pub(crate) async fn wait_for_pace(&self, units: f64) {
        if let Some(pace) = &self.pace {
            pace.wait(units).await;
        }
    }

    /// Corrects the pace by the capacity that a write consumed.
    pub(crate) fn correct_pace(&self, estimated: f64, consumed: Option<Vec<ConsumedCapacity>>) {
        if let Some((pace, consumed)) = self.pace.as_ref().zip(consumed) {
            let units = consumed.iter().filter_map(ConsumedCapacity::capacity_units).sum();
            pace.correct(estimated, units);
        }
    }

    /// Requests the consumed capacity, if it is needed for the pace.
    pub(crate) fn returned_capacity(&self) -> Option<ReturnConsumedCapacity> {
        self.pace.as_ref().map(|_| ReturnConsumedCapacity::Total)
    }

    /// Creates a table with a new client.
    pub fn of(aws: &Aws, name: impl Into<String>) -> Self {
        Self::new(Client::from_conf(aws.dynamodb_config().build()), name)
    }

    /// Reads one item. A `consistent` read costs twice as much.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        key: Key,
        consistent: bool,
    ) -> Result<Option<T>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key.into_item()));
        get.consistent_read(consistent).send().await?.item.map(from_item).transpose()
    }

    /// Writes an item and replaces an existing one.
    pub(crate) async fn put<T: Serialize>(&self, key: Key, row: &T) -> Result<(), StoreError> {
        self.client.put_item().table_name(&self.name).set_item(Some(item(key, row)?)).send().await?;
        Ok(())
    }

    /// Writes an item unless it exists. Costs 1 write unit in both cases.
    pub(crate) async fn put_new<T: Serialize>(&self, key: Key, row: &T) -> Result<Conditional, StoreError> {
        self.put_if(key, row, |put| put.condition_expression(IS_NEW)).await
    }

    /// Writes an item under the condition that `build` adds.
    pub(crate) async fn put_if<T: Serialize>(
        &self,
        key: Key,
        row: &T,
        build: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder,
    ) -> Result<Conditional, StoreError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item(key, row)?));
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sent = build(put).send().await.map(|done| done.attributes);
        conditional(sent, |error| match error {
            PutItemError::ConditionalCheckFailedException(failed) => Some(failed),
            _ => None,
        })
    }

    /// Updates an item with the expression and under the condition that `build` adds.
    pub(crate) async fn update_if(
        &self,
        key: Key,
        build: impl FnOnce(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<Conditional, StoreError> {
        let update = self.client.update_item().table_name(&self.name).set_key(Some(key.into_item()));
        let update =
            update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sent = build(update).send().await.map(|done| done.attributes);
        conditional(sent, |error| match error {
            UpdateItemError::ConditionalCheckFailedException(failed) => Some(failed),
            _ => None,
        })
    }

    /// Deletes an item. Does nothing if it does not exist.
    pub(crate) async fn delete(&self, key: Key) -> Result<(), StoreError> {
        self.client.delete_item().table_name(&self.name).set_key(Some(key.into_item())).send().await?;
        Ok(())
    }

    /// Deletes an item under the condition that `build` adds.
    pub(crate) async fn delete_if(
        &self,
        key: Key,
        build: impl FnOnce(DeleteItemFluentBuilder) -> DeleteItemFluentBuilder,
    ) -> Result<Conditional, StoreError> {
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key.into_item()));
        let sent = build(delete).send().await.map(|done| done.attributes);
        conditional(sent, |error| match error {
            DeleteItemError::ConditionalCheckFailedException(failed) => Some(failed),
            _ => None,
        })
    }
}

fn conditional<E: ProvideErrorMetadata>(
    sent: Result<Option<Item>, SdkError<E, HttpResponse>>,
    failed_condition: impl FnOnce(&E) -> Option<&ConditionalCheckFailedException>,
) -> Result<Conditional, StoreError> {
    match sent {
        Ok(attributes) => Ok(Conditional::Done(attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error().and_then(failed_condition) {
            Some(failed) => Ok(Conditional::Failed(failed.item.clone())),
            None => Err(error.into()),
        },
    }
}
