//! The mail queue: notices to be told by e-mail. Standard and at least once; who was told of a notice is kept in the
//! table.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use shared_domain::notice::Notification;

use super::{Queue, QueueError};
use crate::{clients::client::Aws, notification::notifications::Notifications};

/// The mail queue.
#[derive(Debug, Clone)]
pub struct MailQueue(Queue);

impl MailQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Queues notices; one answer for each. Every notice is tried.
    pub async fn enqueue(&self, notices: &[Notification]) -> Vec<Result<(), QueueError>> {
        let request = |notice: &Notification| {
            SendMessageBatchRequestEntry::builder().message_body(Notifications::to_text(notice))
        };
        self.0.put(notices, request).await
    }
}
