//! Hosts that lose races: another host writes between their requests.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeSerializationInterceptorContextMut, BeforeSerializationInterceptorContextRef},
    },
    error::BoxError,
    operation::transact_write_items::TransactWriteItemsInput,
    types::{AttributeValue, ConditionCheck, TransactWriteItem},
};
use shared_aws::{clients::Aws, table::Table};

use crate::engine::TABLE;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns the table of a host whose transactions are all refused. Its other writes are applied.
#[must_use]
pub fn contended_table(aws: &Aws) -> Table {
    let config = aws.dynamodb_config().interceptor(UnmetCondition).build();
    Table::new(Client::from_conf(config), TABLE)
}

/// Adds a condition that is never met to each transaction.
#[derive(Debug)]
struct UnmetCondition;

impl Intercept for UnmetCondition {
    fn name(&self) -> &'static str {
        "unmet condition"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            let absent = ConditionCheck::builder()
                .table_name(TABLE)
                .key("pk", AttributeValue::S("ABSENT".into()))
                .key("sk", AttributeValue::S("ABSENT".into()))
                .condition_expression("attribute_exists(pk)")
                .build()?;
            let unmet = TransactWriteItem::builder().condition_check(absent).build();
            input.transact_items.get_or_insert_default().push(unmet);
        }
        Ok(())
    }
}

/// Returns the table of a host that is overtaken: `work` is done before its request number `nth` is sent. The
/// first has number 0. Needs a runtime with several threads.
#[must_use]
pub fn overtaken_table(aws: &Aws, nth: usize, work: impl Future<Output = ()> + Send + 'static) -> Table {
    overtaken_and_crashing_table(aws, nth, work, usize::MAX)
}

/// As [`overtaken_table`], of a host that then crashes after `requests` requests.
#[must_use]
pub fn overtaken_and_crashing_table(
    aws: &Aws,
    nth: usize,
    work: impl Future<Output = ()> + Send + 'static,
    requests: usize,
) -> Table {
    let overtaking = Overtaking {
        left: AtomicUsize::new(nth),
        work: Mutex::new(Some(Box::pin(work))),
        left_after_work: AtomicUsize::new(requests),
    };
    let config = aws.dynamodb_config().interceptor(overtaking).build();
    Table::new(Client::from_conf(config), TABLE)
}

struct Overtaking {
    /// How many requests are sent before the work is done.
    left: AtomicUsize,
    work: Mutex<Option<Work>>,
    /// How many requests are sent after it, until the host crashes.
    left_after_work: AtomicUsize,
}

impl fmt::Debug for Overtaking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overtaking").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Intercept for Overtaking {
    fn name(&self) -> &'static str {
        "overtaking host"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let next = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_err() {
            let work = self.work.lock().expect("no panic").take();
            if let Some(work) = work {
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work));
            }
            if self.left_after_work.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_err() {
                return Err("this host has crashed".into());
            }
        }
        Ok(())
    }
}
