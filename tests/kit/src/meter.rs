//! Counts what the stores ask of the table: requests, read units, write units.

use std::{
    fmt,
    ops::Sub,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
            BeforeTransmitInterceptorContextRef,
        },
    },
    error::BoxError,
    operation::{
        batch_get_item::{BatchGetItemInput, BatchGetItemOutput},
        delete_item::{DeleteItemInput, DeleteItemOutput},
        get_item::{GetItemInput, GetItemOutput},
        put_item::{PutItemError, PutItemInput, PutItemOutput},
        query::{QueryInput, QueryOutput},
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput},
    },
    types::{ConsumedCapacity, ReturnConsumedCapacity},
};
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};

/// What some calls cost together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bill {
    /// Requests on the wire, retries included.
    pub requests: u32,
    /// Read units.
    pub read: f64,
    /// Write units, those of the indexes included.
    pub write: f64,
}

impl Bill {
    /// So many requests, read units and write units.
    pub fn new(requests: u32, read: f64, write: f64) -> Self {
        Self { requests, read, write }
    }

    fn reads<'a>(&mut self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.read += consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).sum::<f64>();
    }

    fn writes<'a>(&mut self, consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.write += consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).sum::<f64>();
    }

    fn answered(&mut self, output: &Output) {
        if let Some(got) = output.downcast_ref::<GetItemOutput>() {
            self.reads(got.consumed_capacity());
        } else if let Some(got) = output.downcast_ref::<BatchGetItemOutput>() {
            self.reads(got.consumed_capacity());
        } else if let Some(queried) = output.downcast_ref::<QueryOutput>() {
            self.reads(queried.consumed_capacity());
        } else if let Some(put) = output.downcast_ref::<PutItemOutput>() {
            self.writes(put.consumed_capacity());
        } else if let Some(updated) = output.downcast_ref::<UpdateItemOutput>() {
            self.writes(updated.consumed_capacity());
        } else if let Some(deleted) = output.downcast_ref::<DeleteItemOutput>() {
            self.writes(deleted.consumed_capacity());
        } else if let Some(written) = output.downcast_ref::<TransactWriteItemsOutput>() {
            self.writes(written.consumed_capacity());
        }
    }

    /// A refusal carries no figure, and DynamoDB charges it: one unit for the item that a condition was checked on, and
    /// two for each item of a cancelled transaction, as if it had been written (rows here are below 1 KB).
    fn refused(&mut self, error: &Error) {
        let put = error.downcast_ref::<PutItemError>();
        let update = error.downcast_ref::<UpdateItemError>();
        if put.is_some_and(PutItemError::is_conditional_check_failed_exception)
            || update.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
        {
            self.write += 1.0;
        }
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() {
            self.write += cancelled.cancellation_reasons().iter().map(|_| 2.0).sum::<f64>();
        }
    }
}

impl Sub for Bill {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            read: self.read - earlier.read,
            write: self.write - earlier.write,
        }
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} |", self.requests, self.read, self.write)
    }
}

/// Asks for the consumed capacity of every operation, and adds it up.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Bill>>);

impl Meter {
    /// All since the beginning.
    pub fn bill(&self) -> Bill {
        *self.0.lock().unwrap()
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(wanted) = return_consumed_capacity(context.input_mut()) {
            *wanted = Some(ReturnConsumedCapacity::Indexes);
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap().requests += 1;
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut bill = self.0.lock().unwrap();
        match context.output_or_error() {
            Ok(output) => bill.answered(output),
            Err(error) => {
                if let Some(error) = error.as_operation_error() {
                    bill.refused(error);
                }
            }
        }
        Ok(())
    }
}

/// Where an operation's input says whether its cost is wanted; nowhere for operations on tables.
fn return_consumed_capacity(input: &mut Input) -> Option<&mut Option<ReturnConsumedCapacity>> {
    macro_rules! field_of {
        ($($input:ty),*) => {
            $(if input.downcast_ref::<$input>().is_some() {
                return input.downcast_mut::<$input>().map(|input| &mut input.return_consumed_capacity);
            })*
        };
    }
    field_of!(
        GetItemInput,
        BatchGetItemInput,
        QueryInput,
        PutItemInput,
        UpdateItemInput,
        DeleteItemInput,
        TransactWriteItemsInput
    );
    None
}
