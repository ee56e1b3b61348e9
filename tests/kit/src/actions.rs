//! Records which actions of DynamoDB a client uses, as the policy of a role names them.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextRef,
    },
    error::BoxError,
    operation::{
        batch_get_item::BatchGetItemInput, delete_item::DeleteItemInput, get_item::GetItemInput,
        put_item::PutItemInput, query::QueryInput, transact_write_items::TransactWriteItemsInput,
        update_item::UpdateItemInput,
    },
    types::TransactWriteItem,
};
use shared_aws::{clients::Aws, table::Table};

use crate::engine::TABLE;

/// The actions of a client. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Actions(Arc<Mutex<BTreeSet<&'static str>>>);

impl Actions {
    /// Returns the table of a host whose actions are recorded.
    pub fn table(&self, aws: &Aws) -> Table {
        let config = aws.dynamodb_config().interceptor(Recorder(self.clone())).build();
        Table::new(Client::from_conf(config), TABLE)
    }

    /// Returns what was used so far, such as `dynamodb:GetItem`.
    pub fn used(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().iter().map(|action| format!("dynamodb:{action}")).collect()
    }
}

struct Recorder(Actions);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder of actions"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        let mut used = self.0.0.lock().unwrap();
        if input.downcast_ref::<GetItemInput>().is_some() {
            used.insert("GetItem");
        } else if input.downcast_ref::<BatchGetItemInput>().is_some() {
            used.insert("BatchGetItem");
        } else if input.downcast_ref::<QueryInput>().is_some() {
            used.insert("Query");
        } else if input.downcast_ref::<PutItemInput>().is_some() {
            used.insert("PutItem");
        } else if input.downcast_ref::<UpdateItemInput>().is_some() {
            used.insert("UpdateItem");
        } else if input.downcast_ref::<DeleteItemInput>().is_some() {
            used.insert("DeleteItem");
        } else if let Some(transaction) = input.downcast_ref::<TransactWriteItemsInput>() {
            used.extend(transaction.transact_items().iter().map(in_transaction));
        } else {
            used.insert("an action that is not recorded");
        }
        Ok(())
    }
}

fn in_transaction(item: &TransactWriteItem) -> &'static str {
    if item.condition_check().is_some() {
        "ConditionCheckItem"
    } else if item.put().is_some() {
        "PutItem"
    } else if item.update().is_some() {
        "UpdateItem"
    } else {
        "DeleteItem"
    }
}
