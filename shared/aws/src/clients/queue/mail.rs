//! The mail queue: notifications to send by e-mail. Standard; recipients who were notified are stored in the
//! table.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use shared_domain::notification::Notification;

use super::{Queue, QueueError};
use crate::{clients::client::Aws, notification::notifications::Notifications};

#[derive(Debug, Clone)]
pub struct MailQueue(Queue);

impl MailQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    pub async fn enqueue(&self, notifications: &[Notification]) -> Vec<Result<(), QueueError>> {
        let request = |notification: &Notification| {
            SendMessageBatchRequestEntry::builder().message_body(Notifications::to_text(notification))
        };
        self.0.put(notifications, request).await
    }
}
