//! The media queue: attachments of inbound messages to copy from the carrier. Standard; an attachment that is
//! stored is not copied again.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::ids::{MessageId, OrganizationId};

use super::{InvalidJob, Queue, QueueError};
use crate::clients::client::Aws;

/// An attachment to copy: `{"organizationId": "org_…", "messageId": "msg_…", "place": 0}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "messageId")]
    pub message: MessageId,
    /// The index of the attachment in the message.
    pub place: usize,
}

impl MediaJob {
    /// Parses the body of a queue message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, InvalidJob> {
        super::parse(body)
    }

    /// Returns the body of a queue message.
    pub fn body(&self) -> String {
        super::body(self)
    }
}

#[derive(Debug, Clone)]
pub struct MediaQueue(Queue);

impl MediaQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    pub async fn enqueue(&self, jobs: &[MediaJob]) -> Vec<Result<(), QueueError>> {
        let request = |job: &MediaJob| SendMessageBatchRequestEntry::builder().message_body(job.body());
        self.0.put(jobs, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_round_trips_and_other_bodies_are_refused() {
        let organization = OrganizationId::parse("org_1").unwrap();
        let job = MediaJob { organization, message: MessageId::parse("msg_1").unwrap(), place: 9 };
        assert_eq!(MediaJob::parse(&job.body()).unwrap(), job);
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","messageId":"msg_1","place":-1}"#] {
            assert!(MediaJob::parse(body).is_err(), "{body}");
        }
    }
}
