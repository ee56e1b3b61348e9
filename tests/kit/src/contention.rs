//! Hosts that always lose: another host writes between their reads and their transactions.

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextMut,
    },
    error::BoxError,
    operation::transact_write_items::TransactWriteItemsInput,
    types::{AttributeValue, ConditionCheck, TransactWriteItem},
};
use shared_aws::{clients::Aws, table::Table};

use crate::engine::TABLE;

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
