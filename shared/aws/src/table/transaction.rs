//! Several writes that happen together or not at all: at most 100, each twice the price of a plain one.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        ConditionCheck, Delete, Put, TransactWriteItem, Update,
        builders::{ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder},
    },
};
use serde::Serialize;

use crate::table::{
    error::StoreError,
    keys::Key,
    requests::{Table, condition_failed, row},
};

/// Puts writes together and does them.
#[derive(Debug)]
pub(crate) struct Transaction<'t> {
    table: &'t Table,
    parts: Vec<TransactWriteItem>,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// All of it.
    Done,
    /// Nothing of it: the places of the writes whose condition did not hold.
    Refused(Vec<usize>),
}

impl Committed {
    pub(crate) fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Whether the write at this place stood against it.
    pub(crate) fn refused_at(&self, place: usize) -> bool {
        matches!(self, Self::Refused(places) if places.contains(&place))
    }
}

impl<'t> Transaction<'t> {
    pub(crate) fn new(table: &'t Table) -> Self {
        Self { table, parts: Vec::new() }
    }

    /// Writes an item, whatever was there. Gives the place of the write.
    pub(crate) fn put<T: Serialize>(&mut self, key: Key, item: &T) -> Result<usize, StoreError> {
        self.put_if(key, item, |put| put)
    }

    /// Writes an item that must not be there yet.
    pub(crate) fn put_new<T: Serialize>(&mut self, key: Key, item: &T) -> Result<usize, StoreError> {
        self.put_if(key, item, |put| put.condition_expression("attribute_not_exists(pk)"))
    }

    /// Writes an item under a condition on what was there.
    pub(crate) fn put_if<T: Serialize>(
        &mut self,
        key: Key,
        item: &T,
        build: impl FnOnce(PutBuilder) -> PutBuilder,
    ) -> Result<usize, StoreError> {
        let put = Put::builder().table_name(&self.table.name).set_item(Some(row(key, item)?));
        let put = build(put).build().map_err(build_error)?;
        Ok(self.add(TransactWriteItem::builder().put(put).build()))
    }

    /// Removes an item, whether it is there or not.
    pub(crate) fn delete(&mut self, key: Key) -> Result<usize, StoreError> {
        self.delete_if(key, |delete| delete)
    }

    /// Removes an item under a condition.
    pub(crate) fn delete_if(
        &mut self,
        key: Key,
        build: impl FnOnce(DeleteBuilder) -> DeleteBuilder,
    ) -> Result<usize, StoreError> {
        let delete = Delete::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        let delete = build(delete).build().map_err(build_error)?;
        Ok(self.add(TransactWriteItem::builder().delete(delete).build()))
    }

    /// Changes an item, as the caller builds it.
    pub(crate) fn update(
        &mut self,
        key: Key,
        build: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<usize, StoreError> {
        let update = Update::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        let update = build(update).build().map_err(build_error)?;
        Ok(self.add(TransactWriteItem::builder().update(update).build()))
    }

    /// Demands that an item is there.
    pub(crate) fn exists(&mut self, key: Key) -> Result<usize, StoreError> {
        self.holds(key, |check| check.condition_expression("attribute_exists(pk)"))
    }

    /// Demands something of an item that is not written.
    pub(crate) fn holds(
        &mut self,
        key: Key,
        build: impl FnOnce(ConditionCheckBuilder) -> ConditionCheckBuilder,
    ) -> Result<usize, StoreError> {
        let check = ConditionCheck::builder().table_name(&self.table.name).set_key(Some(key.into_item()));
        let check = build(check);
        Ok(self
            .add(TransactWriteItem::builder().condition_check(check.build().map_err(build_error)?).build()))
    }

    /// Adds a write that is built already.
    pub(crate) fn add(&mut self, part: TransactWriteItem) -> usize {
        self.parts.push(part);
        self.parts.len() - 1
    }

    /// Does it all, or nothing.
    pub(crate) async fn commit(self) -> Result<Committed, StoreError> {
        let sent = self.table.client.transact_write_items().set_transact_items(Some(self.parts)).send().await;
        let Err(error) = sent else { return Ok(Committed::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
        else {
            return Err(error.into());
        };
        let reasons = canceled.cancellation_reasons().iter().enumerate();
        let refused: Vec<_> =
            reasons.filter(|(_, reason)| condition_failed(Some(reason))).map(|(place, _)| place).collect();
        if refused.is_empty() { Err(error.into()) } else { Ok(Committed::Refused(refused)) }
    }
}

pub(crate) fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Refused(error.to_string())
}
