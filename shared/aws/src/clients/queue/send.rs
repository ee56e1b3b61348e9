//! The send queues: one for texts of broadcasts, and one for all other messages, which therefore never wait
//! for a worker that waits with a text of a broadcast. Both are FIFO with one message group per conversation,
//! so that the messages of a conversation are sent in the order in which they were accepted, and
//! conversations do not wait for each other. Between the queues, the sender keeps the order. The message
//! id and the time of its outbox entry are the deduplication id: SQS drops duplicates within five minutes,
//! and after that the claim on the message prevents a second send. A restore that adds the entry again gives
//! it another time, so that the message is queued although it was before.

use std::time::Duration;

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{SendMessageBatchRequestEntry, builders::SendMessageBatchRequestEntryBuilder},
};
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

/// The queues of messages to send.
#[derive(Debug, Clone)]
pub struct SendQueues {
    messages: Queue,
    broadcasts: Queue,
}

impl SendQueues {
    /// `url` is that of the queue for messages that are no texts of broadcasts.
    pub fn new(aws: &Aws, url: impl Into<String>, broadcasts_url: impl Into<String>) -> Self {
        Self { messages: Queue::new(aws, url), broadcasts: Queue::new(aws, broadcasts_url) }
    }

    /// Adds messages in their order, each to its queue.
    pub async fn enqueue(&self, entries: &[OutboxEntry]) -> Vec<Result<(), QueueError>> {
        let (texts, messages): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.of_broadcast);
        let mut messages = self.messages.put(&messages, |entry| request(entry)).await.into_iter();
        let mut texts = self.broadcasts.put(&texts, |entry| request(entry)).await.into_iter();
        let result = |entry: &OutboxEntry| if entry.of_broadcast { texts.next() } else { messages.next() };
        entries.iter().filter_map(result).collect()
    }

    /// The queue with this ARN. The name of a queue is the end of its ARN and of its URL.
    fn with_arn(&self, arn: &str) -> &Queue {
        let is_of_broadcasts = arn.rsplit(':').next() == self.broadcasts.url.rsplit('/').next();
        if is_of_broadcasts { &self.broadcasts } else { &self.messages }
    }
}

/// What the sender does with a message that it received and cannot send now: delay it, so that its group
/// waits in order, or move it to the dead-letter queue.
///
/// The queue itself moves a message only after 1,000 deliveries, because a message may be delayed often.
#[derive(Debug, Clone)]
pub struct ReceivedSends {
    queues: SendQueues,
    dead_letters: Queue,
}

impl ReceivedSends {
    pub fn new(aws: &Aws, queues: SendQueues, dead_letters_url: impl Into<String>) -> Self {
        Self { queues, dead_letters: Queue::new(aws, dead_letters_url) }
    }

    /// Hides the message and its group for a time, at most 12 hours. `arn` is that of the queue from which it
    /// was received.
    pub async fn delay(&self, arn: &str, receipt_handle: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(delay.as_secs().clamp(1, MAX_DELAY_SECONDS)).unwrap_or(1);
        let queue = self.queues.with_arn(arn);
        let changed = queue.client.change_message_visibility().queue_url(&queue.url);
        let changed = changed.receipt_handle(receipt_handle).visibility_timeout(seconds).send().await;
        changed.map(drop).map_err(|error| QueueError(error.code().unwrap_or("no response").to_owned()))
    }

    /// Copies a message to the dead-letter queue. `id` is its id in the queue from which it was received, so
    /// that a repeated copy is dropped.
    pub async fn copy_to_dead_letters(&self, group: &str, id: &str, body: &str) -> Result<(), QueueError> {
        let request = |body: &&str| {
            SendMessageBatchRequestEntry::builder()
                .message_body(*body)
                .message_group_id(group)
                .message_deduplication_id(id)
        };
        self.dead_letters.put(&[body], request).await.into_iter().collect()
    }
}

/// The longest visibility timeout of SQS.
const MAX_DELAY_SECONDS: u64 = 12 * 60 * 60;

fn request(entry: &OutboxEntry) -> SendMessageBatchRequestEntryBuilder {
    let job = SendJob { organization: entry.organization.clone(), message: entry.message.clone() };
    let group = entry.message.conversation().map(|conversation| conversation.to_string());
    SendMessageBatchRequestEntry::builder()
        .message_body(super::body(&job))
        .set_message_group_id(group.or_else(|| Some(entry.message.to_string())))
        .message_deduplication_id(format!("{}:{}", entry.message, entry.at.millis()))
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
