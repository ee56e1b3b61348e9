//! The send queue: FIFO, one group a conversation, so that a thread's texts go out in the order of acceptance and one
//! conversation never waits for another. The message id is the deduplication id: queueing twice within five minutes is
//! once, and later the sender's claim decides.

use aws_sdk_sqs::types::{SendMessageBatchRequestEntry, builders::SendMessageBatchRequestEntryBuilder};
use serde::{Deserialize, Serialize};
use shared_domain::ids::{MessageId, OrganizationId};

use super::{NotAJob, Queue, QueueError};
use crate::{clients::client::Aws, messaging::outbox::OutboxEntry};

/// A message to send, as it travels: `{"organizationId": "org_…", "messageId": "msg_…"}`. More fields may come; they are
/// ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendJob {
    pub organization: OrganizationId,
    pub message: MessageId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    organization_id: String,
    message_id: String,
}

impl SendJob {
    /// Reads a queue message's body.
    ///
    /// # Errors
    /// [`NotAJob`]; the content is not repeated in it.
    pub fn parse(body: &str) -> Result<Self, NotAJob> {
        let wire: Wire =
            serde_json::from_str(body).map_err(|error| NotAJob(format!("JSON, {:?}", error.classify())))?;
        let organization = OrganizationId::parse(&wire.organization_id);
        let message = MessageId::parse(&wire.message_id);
        match (organization, message) {
            (Ok(organization), Ok(message)) => Ok(Self { organization, message }),
            (Err(error), _) | (_, Err(error)) => Err(NotAJob(error.to_string())),
        }
    }

    fn body(entry: &OutboxEntry) -> String {
        let wire =
            Wire { organization_id: entry.organization.to_string(), message_id: entry.message.to_string() };
        serde_json::to_string(&wire).expect("two texts are always JSON")
    }
}

/// The send queue.
#[derive(Debug, Clone)]
pub struct SendQueue(Queue);

impl SendQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Queues entries in their order, as many at once as SQS takes; one answer for each. Every entry is tried.
    pub async fn enqueue(&self, entries: &[OutboxEntry]) -> Vec<Result<(), QueueError>> {
        self.0.put(entries, request).await
    }
}

fn request(entry: &OutboxEntry) -> SendMessageBatchRequestEntryBuilder {
    let group = entry.message.conversation().map(|conversation| conversation.to_string());
    SendMessageBatchRequestEntry::builder()
        .message_body(SendJob::body(entry))
        .set_message_group_id(group.or_else(|| Some(entry.message.to_string())))
        .message_deduplication_id(entry.message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_with_more_fields_is_read_and_another_shape_is_refused() {
        let job = SendJob::parse(r#"{"organizationId":"org_1","messageId":"msg_1","later":1}"#).unwrap();
        assert_eq!(job.message.as_str(), "msg_1");
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","messageId":"cnv_1"}"#] {
            assert!(SendJob::parse(body).is_err(), "{body}");
        }
    }
}
