//! The queue of what is pushed over sockets: published events, which the topic adds, and greetings of new
//! connections. Standard; a repeated frame does no harm.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};

use super::{InvalidJob, Queue, QueueError};
use crate::{clients::client::Aws, realtime::Place};

/// A connection that waits for its first frame. It cannot be sent during the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    #[serde(flatten)]
    pub place: Place,
    /// API Gateway's id of the connection.
    #[serde(rename = "connectionId")]
    pub connection: String,
}

impl Greeting {
    /// Parses the body of a queue message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, InvalidJob> {
        super::parse(body)
    }
}

#[derive(Debug, Clone)]
pub struct RealtimeQueue(Queue);

impl RealtimeQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Adds the greeting of a connection.
    pub async fn greet(&self, greeting: &Greeting) -> Result<(), QueueError> {
        let request = |job: &Greeting| SendMessageBatchRequestEntry::builder().message_body(super::body(job));
        self.0.put(std::slice::from_ref(greeting), request).await.into_iter().collect()
    }
}
