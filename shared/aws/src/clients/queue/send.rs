//! The send queue. FIFO with one message group per conversation, so that the messages of a conversation are
//! sent in the order in which they were accepted, and conversations do not wait for each other. The message
//! id is the deduplication id: SQS drops duplicates within five minutes, and after that the claim on the
//! message prevents a second send.

use aws_sdk_sqs::types::{SendMessageBatchRequestEntry, builders::SendMessageBatchRequestEntryBuilder};
use serde::{Deserialize, Serialize};
use shared_domain::ids::{MessageId, OrganizationId};

use super::{InvalidJob, Queue, QueueError};
use crate::{clients::client::Aws, messaging::outbox::OutboxEntry};

/// A message to send: `{"organizationId": "org_…", "messageId": "msg_…"}`. Other fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "messageId")]
    pub message: MessageId,
}

impl SendJob {
    /// Parses the body of a queue message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, InvalidJob> {
        super::parse(body)
    }
}

#[derive(Debug, Clone)]
pub struct SendQueue(Queue);

impl SendQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Adds messages in their order.
    pub async fn enqueue(&self, entries: &[OutboxEntry]) -> Vec<Result<(), QueueError>> {
        self.0.put(entries, request).await
    }
}

fn request(entry: &OutboxEntry) -> SendMessageBatchRequestEntryBuilder {
    let job = SendJob { organization: entry.organization.clone(), message: entry.message.clone() };
    let group = entry.message.conversation().map(|conversation| conversation.to_string());
    SendMessageBatchRequestEntry::builder()
        .message_body(super::body(&job))
        .set_message_group_id(group.or_else(|| Some(entry.message.to_string())))
        .message_deduplication_id(entry.message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_ignored_and_other_bodies_are_refused() {
        let job = SendJob::parse(r#"{"organizationId":"org_1","messageId":"msg_1","later":1}"#).unwrap();
        assert_eq!(job.message.as_str(), "msg_1");
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","messageId":"cnv_1"}"#] {
            assert!(SendJob::parse(body).is_err(), "{body}");
        }
    }
}
