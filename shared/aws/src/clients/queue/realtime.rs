//! The queue of what is pushed over sockets: published events, which the topic adds, greetings of new
//! connections, and sign-outs. Standard; a repeated frame does no harm.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};

use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
};

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

/// A user who signed out. The connections that were opened until then end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignOut {
    pub organization: OrganizationId,
    pub signed_out_user: UserId,
    pub at: Timestamp,
}

impl SignOut {
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
        self.put(greeting).await
    }

    /// Ends the connections of a user who signed out.
    pub async fn sign_out(&self, sign_out: &SignOut) -> Result<(), QueueError> {
        self.put(sign_out).await
    }

    async fn put(&self, job: &impl Serialize) -> Result<(), QueueError> {
        let request = |job: &_| SendMessageBatchRequestEntry::builder().message_body(super::body(job));
        self.0.put(std::slice::from_ref(job), request).await.into_iter().collect()
    }
}
