//! Counts the requests, read units and write units of a client, in total and for each request and index.

use std::{
    collections::{BTreeMap, HashMap},
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
        batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput},
        delete_item::{DeleteItemInput, DeleteItemOutput},
        get_item::{GetItemInput, GetItemOutput},
        put_item::{PutItemError, PutItemInput, PutItemOutput},
        query::{QueryInput, QueryOutput},
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput},
    },
    types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity, TransactWriteItem},
};
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

/// The cost of some calls.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bill {
    /// HTTP requests, retries included.
    pub requests: u32,
    /// Read units.
    pub read: f64,
    /// Write units, indexes included.
    pub write: f64,
}

impl Bill {
    /// Returns a cost with these amounts.
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
        } else if let Some(put) = output.downcast_ref::<BatchWriteItemOutput>() {
            self.writes(put.consumed_capacity());
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

    /// Adds a refused write. The answer contains no capacity, but DynamoDB charges it: one unit for the
    /// item of a failed condition, and two for each item of a canceled transaction (items here are smaller
    /// than 1 KB).
    fn refused(&mut self, error: &Error) {
        let put = error.downcast_ref::<PutItemError>();
        let update = error.downcast_ref::<UpdateItemError>();
        if put.is_some_and(PutItemError::is_conditional_check_failed_exception)
            || update.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
        {
            self.write += 1.0;
        }
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.downcast_ref() {
            self.write += canceled.cancellation_reasons().iter().map(|_| 2.0).sum::<f64>();
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

/// The cost of one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Charge {
    /// Partition and sort key of each item it names. Empty for a query.
    pub items: Vec<(String, String)>,
    /// The partition that a query of the table reads. `None` for a query of an index, and for other requests.
    pub partition: Option<String>,
    /// The cost of the whole request.
    pub bill: Bill,
    /// The units of each index.
    pub indexes: BTreeMap<String, f64>,
}

impl Charge {
    fn of(named: Named, output: Result<&Output, &Error>) -> Self {
        let Named { items, partition } = named;
        let mut charge = Self { items, partition, bill: Bill::new(1, 0.0, 0.0), ..Self::default() };
        match output {
            Ok(output) => {
                charge.bill.answered(output);
                for consumed in consumed(output) {
                    for (index, capacity) in consumed.global_secondary_indexes().into_iter().flatten() {
                        *charge.indexes.entry(index.clone()).or_default() +=
                            capacity.capacity_units().unwrap_or_default();
                    }
                }
            }
            Err(error) => charge.bill.refused(error),
        }
        charge
    }
}

type Item = HashMap<String, AttributeValue>;

/// What a request names, stored until its answer.
#[derive(Debug, Clone, Default)]
struct Named {
    items: Vec<(String, String)>,
    partition: Option<String>,
}

impl Storable for Named {
    type Storer = StoreReplace<Self>;
}

/// Returns the partition that a query of the table reads. Queries name it alike.
fn partition(input: &Input) -> Option<String> {
    let query = input.downcast_ref::<QueryInput>().filter(|query| query.index_name().is_none())?;
    query.expression_attribute_values()?.get(":partition")?.as_s().ok().cloned()
}

/// Returns the keys of the items that a request names.
fn items(input: &Input) -> Vec<(String, String)> {
    let mut keys: Vec<Option<&Item>> = Vec::new();
    if let Some(get) = input.downcast_ref::<GetItemInput>() {
        keys.push(get.key());
    } else if let Some(get) = input.downcast_ref::<BatchGetItemInput>() {
        keys.extend(get.request_items().into_iter().flatten().flat_map(|(_, of)| of.keys()).map(Some));
    } else if let Some(put) = input.downcast_ref::<PutItemInput>() {
        keys.push(put.item());
    } else if let Some(update) = input.downcast_ref::<UpdateItemInput>() {
        keys.push(update.key());
    } else if let Some(delete) = input.downcast_ref::<DeleteItemInput>() {
        keys.push(delete.key());
    } else if let Some(write) = input.downcast_ref::<TransactWriteItemsInput>() {
        keys.extend(write.transact_items().iter().map(key));
    } else if let Some(write) = input.downcast_ref::<BatchWriteItemInput>() {
        for request in write.request_items().into_iter().flatten().flat_map(|(_, of)| of) {
            let put = request.put_request().map(aws_sdk_dynamodb::types::PutRequest::item);
            keys.push(put.or(request.delete_request().map(aws_sdk_dynamodb::types::DeleteRequest::key)));
        }
    }
    let part = |item: &Item, name: &str| item.get(name).and_then(|part| part.as_s().ok()).cloned();
    let both = |item: &Item| Some((part(item, "pk")?, part(item, "sk")?));
    keys.into_iter().flatten().filter_map(both).collect()
}

fn key(write: &TransactWriteItem) -> Option<&Item> {
    let put = write.put().map(aws_sdk_dynamodb::types::Put::item);
    let update = write.update().map(aws_sdk_dynamodb::types::Update::key);
    let delete = write.delete().map(aws_sdk_dynamodb::types::Delete::key);
    let check = write.condition_check().map(aws_sdk_dynamodb::types::ConditionCheck::key);
    put.or(update).or(delete).or(check)
}

/// Returns the consumed capacity of operations that can use an index.
fn consumed(output: &Output) -> Vec<&ConsumedCapacity> {
    if let Some(queried) = output.downcast_ref::<QueryOutput>() {
        queried.consumed_capacity().into_iter().collect()
    } else if let Some(put) = output.downcast_ref::<PutItemOutput>() {
        put.consumed_capacity().into_iter().collect()
    } else if let Some(updated) = output.downcast_ref::<UpdateItemOutput>() {
        updated.consumed_capacity().into_iter().collect()
    } else if let Some(deleted) = output.downcast_ref::<DeleteItemOutput>() {
        deleted.consumed_capacity().into_iter().collect()
    } else if let Some(written) = output.downcast_ref::<TransactWriteItemsOutput>() {
        written.consumed_capacity().iter().collect()
    } else if let Some(written) = output.downcast_ref::<BatchWriteItemOutput>() {
        written.consumed_capacity().iter().collect()
    } else {
        Vec::new()
    }
}

/// Requests the consumed capacity of every operation and adds it up.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    bill: Arc<Mutex<Bill>>,
    charges: Arc<Mutex<Vec<Charge>>>,
}

impl Meter {
    /// Returns the total.
    pub fn bill(&self) -> Bill {
        *self.bill.lock().unwrap()
    }

    /// Removes and returns the charges of all answered requests. A retried request is one charge.
    pub fn take_charges(&self) -> Vec<Charge> {
        std::mem::take(&mut self.charges.lock().unwrap())
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
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let named = Named { items: items(context.input()), partition: partition(context.input()) };
        bag.interceptor_state().store_put(named);
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
        self.bill.lock().unwrap().requests += 1;
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = match context.output_or_error() {
            Ok(output) => Ok(output),
            Err(error) => match error.as_operation_error() {
                Some(error) => Err(error),
                None => return Ok(()),
            },
        };
        let mut bill = self.bill.lock().unwrap();
        match answer {
            Ok(output) => bill.answered(output),
            Err(error) => bill.refused(error),
        }
        let named = bag.load::<Named>().cloned().unwrap_or_default();
        self.charges.lock().unwrap().push(Charge::of(named, answer));
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
        BatchWriteItemInput,
        QueryInput,
        PutItemInput,
        UpdateItemInput,
        DeleteItemInput,
        TransactWriteItemsInput
    );
    None
}
