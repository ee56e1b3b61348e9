//! A DynamoDB engine in memory, reached through the real SDK client over loopback.

use aws_sdk_dynamodb::Client;
use dynoxide::Database;
use shared_aws::{clients::Aws, table::Table};

use crate::template::create_table;

/// Name of the table in the engine.
pub const TABLE: &str = "shared-inbox";

/// A fresh engine with an empty table. It ends with the runtime it was started in.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where it answers: `http://127.0.0.1:…`.
    pub endpoint: String,
    /// Connection settings for clients.
    pub aws: Aws,
}

impl Engine {
    /// Starts on a free port. Needs a runtime with more than one thread: the engine works on it.
    pub async fn start() -> Self {
        let database = Database::memory().expect("an engine in memory starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let aws = Aws::loopback(endpoint.clone());
        create_table(&Client::from_conf(aws.dynamodb_config().build()), TABLE).await;
        Self { endpoint, aws }
    }

    /// The table, over a client of its own: another host each time.
    pub fn table(&self) -> Table {
        Table::of(&self.aws, TABLE)
    }
}
