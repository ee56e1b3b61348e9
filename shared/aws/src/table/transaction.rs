//! Transactions: up to 100 writes, of which all or none are applied. Each costs twice as much as a plain
//! write.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::{ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder},
    },
};
use serde::Serialize;

use crate::table::{
    error::StoreError,
    item::{Item, Key, item},
    requests::{EXISTS, IS_NEW, Table},
};

/// Collects writes and commits them. Each write method returns the index of its write in the transaction.
#[derive(Debug)]
pub(crate) struct Transaction<'t> {
    table: &'t Table,
    writes: Vec<TransactWriteItem>,
}

/// The outcome of a transaction.
#[derive(Debug, PartialEq)]
#[must_use]
pub(crate) enum Committed {
    Done,
    /// Nothing was written. Contains the writes whose condition failed, by index, with the current item if
    /// the write requested it.
    Refused(BTreeMap<usize, Option<Item>>),
}

impl Committed {
    pub(crate) fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Whether the condition of the write at this index failed.
    pub(crate) fn refused_at(&self, place: usize) -> bool {
        matches!(self, Self::Refused(places) if places.contains_key(&place))
    }
}

impl<'t> Transaction<'t> {
    pub(crate) fn new(table: &'t Table) -> Self {
        Self { table, writes: Vec::new() }
    }

    /// Writes an item and replaces an existing one.
    pub(crate) fn put<T: Serialize>(&mut self, key: Key, row: &T) -> Result<usize, StoreError> {
        self.put_if(key, row, |put| put)
    }

    /// Writes an item that must be new.
    pub(crate) fn put_new<T: Serialize>(&mut self, key: Key, row: &T) -> Result<usize, StoreError> {
        self.put_if(key, row, |put| put.condition_expression(IS_NEW))
    }

    /// Writes an item under the condition that `build` adds.
    pub(crate) fn put_if<T: Serialize>(
        &mut self,
        key: Key,
        row: &T,
        build: impl FnOnce(PutBuilder) -> PutBuilder,
    ) -> Result<usize, StoreError> {
        let put = Put::builder().table_name(&self.table.name).set_item(Some(item(key, row)?));
        Ok(self.add(TransactWriteItem::builder().put(build(put).build()?)))
    }

    /// Deletes an item. Does nothing if it does not exist.
    pub(crate) fn delete(&mut self, key: Key) -> Result<usize, StoreError> {
        self.delete_if(key, |delete| delete)
    }

    /// Deletes an item under the condition that `build` adds.
    pub(crate) fn delete_if(
        &mut self,
        key: Key,
        build: impl FnOnce(DeleteBuilder) -> DeleteBuilder,
    ) -> Result<usize, StoreError> {
        let delete = Delete::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        Ok(self.add(TransactWriteItem::builder().delete(build(delete).build()?)))
    }

    /// Updates an item with the expression and under the condition that `build` adds.
    pub(crate) fn update(
        &mut self,
        key: Key,
        build: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<usize, StoreError> {
        let update = Update::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        Ok(self.add(TransactWriteItem::builder().update(build(update).build()?)))
    }

    /// Requires that an item exists.
    pub(crate) fn require_exists(&mut self, key: Key) -> Result<usize, StoreError> {
        self.require(key, |check| check.condition_expression(EXISTS))
    }

    /// Requires that an item does not exist.
    pub(crate) fn require_absent(&mut self, key: Key) -> Result<usize, StoreError> {
        self.require(key, |check| check.condition_expression(IS_NEW))
    }

    /// Requires a condition of an item without writing it.
    pub(crate) fn require(
        &mut self,
        key: Key,
        build: impl FnOnce(ConditionCheckBuilder) -> ConditionCheckBuilder,
    ) -> Result<usize, StoreError> {
        let check = ConditionCheck::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        Ok(self.add(TransactWriteItem::builder().condition_check(build(check).build()?)))
    }

    fn add(&mut self, write: aws_sdk_dynamodb::types::builders::TransactWriteItemBuilder) -> usize {
        self.writes.push(write.build());
        self.writes.len() - 1
    }

    pub(crate) async fn commit(self) -> Result<Committed, StoreError> {
        let table = self.table;
        // A transaction costs two units for each write of up to a kilobyte.
        let estimated = f64::from(u32::try_from(2 * self.writes.len()).unwrap_or(u32::MAX));
        table.wait_for_pace(estimated).await;
        let request = table.client.transact_write_items().set_transact_items(Some(self.writes));
        let error = match request.set_return_consumed_capacity(table.returned_capacity()).send().await {
            Ok(written) => {
                table.correct_pace(estimated, written.consumed_capacity);
                return Ok(Committed::Done);
            }
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
        else {
            return Err(error.into());
        };
        let reasons = canceled.cancellation_reasons().iter().enumerate();
        let refused: BTreeMap<_, _> = reasons
            .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
            .map(|(place, reason)| (place, reason.item.clone().filter(|item| !item.is_empty())))
            .collect();
        if refused.is_empty() { Err(error.into()) } else { Ok(Committed::Refused(refused)) }
    }
}

/// Makes a write return the current item if its condition fails.
pub(crate) fn returning_item(update: UpdateBuilder) -> UpdateBuilder {
    update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}
