//! A DynamoDB engine in memory, reached through the real SDK client over loopback.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{Builder, timeout::TimeoutConfig},
    types::AttributeValue,
};
use dynoxide::Database;
use shared_aws::{clients::Aws, table::Table};

use crate::{
    contention::contended_table,
    crash::{crashing_table, table_failing_once},
    template::create_table,
};

/// The name of the table in the engine.
pub const TABLE: &str = "shared-inbox";

/// A new engine with an empty table. It ends with the runtime it was started in.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The endpoint: `http://127.0.0.1:…`.
    pub endpoint: String,
    /// Connection settings for clients.
    pub aws: Aws,
}

impl Engine {
    /// Starts on a free port. Needs a runtime with more than one thread, because the engine blocks one.
    pub async fn start() -> Self {
        let database = Database::memory().expect("an engine in memory starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let aws = Aws::loopback(endpoint.clone());
        create_table(&Client::from_conf(aws.dynamodb_config().build()), TABLE).await;
        Self { endpoint, aws }
    }

    /// Returns the table through a new client, as another host would have it.
    pub fn table(&self) -> Table {
        Table::of(&self.aws, TABLE)
    }

    /// Returns the table through a new client with [`Engine::patient_config`].
    pub fn patient_table(&self) -> Table {
        Table::new(Client::from_conf(self.patient_config().build()), TABLE)
    }

    /// Returns the table of a host that crashes after `requests` requests.
    pub fn crashing_table(&self, requests: usize) -> Table {
        crashing_table(&self.aws, requests)
    }

    /// Returns the table of a host whose request number `nth` fails before it is sent. The first has number
    /// 0.
    pub fn table_failing_once(&self, nth: usize) -> Table {
        table_failing_once(&self.aws, nth)
    }

    /// Returns the table of a host whose transactions are all refused, as if another host always wrote first.
    pub fn contended_table(&self) -> Table {
        contended_table(&self.aws)
    }

    /// Returns a client configuration that waits long enough for a busy machine.
    pub fn patient_config(&self) -> Builder {
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_mins(2)).build();
        self.aws.dynamodb_config().timeout_config(timeouts)
    }

    /// Returns all items.
    pub async fn scan(&self) -> Vec<HashMap<String, AttributeValue>> {
        let client = Client::from_conf(self.patient_config().build());
        let items = client.scan().table_name(TABLE).into_paginator().items().send();
        items.collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// Returns the content of all items by their keys, for comparisons.
    pub async fn items(&self) -> BTreeMap<String, String> {
        let items = self.scan().await.into_iter();
        items.map(|item| (key_of(&item), canonical(&AttributeValue::M(item)))).collect()
    }

    /// Returns the keys of all items that have other attributes too. A set that became empty leaves an item
    /// with its key alone.
    pub async fn keys(&self) -> BTreeSet<String> {
        self.scan().await.iter().filter(|item| item.len() > 2).map(key_of).collect()
    }
}

/// Returns partition and sort key, separated by a space.
fn key_of(item: &HashMap<String, AttributeValue>) -> String {
    let part = |name: &str| item[name].as_s().unwrap().as_str();
    format!("{} {}", part("pk"), part("sk"))
}

/// Returns the same text for equal values, whatever the order of maps and sets.
pub fn canonical(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name, canonical(value))).collect();
            format!("{fields:?}")
        }
        AttributeValue::L(values) => format!("{:?}", values.iter().map(canonical).collect::<Vec<_>>()),
        AttributeValue::Ss(texts) => format!("{:?}", texts.iter().collect::<BTreeSet<_>>()),
        other => format!("{other:?}"),
    }
}
