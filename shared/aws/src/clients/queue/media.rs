//! The media queue: files of inbound texts to be copied from the carrier, one job each. Standard and at least once; what is
//! stored is not copied again.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::ids::{MessageId, OrganizationId};

use super::{NotAJob, Queue, QueueError};
use crate::clients::client::Aws;

/// A file to copy, as it travels: `{"organizationId": "org_…", "messageId": "msg_…", "place": 0}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaJob {
    pub organization: OrganizationId,
    pub message: MessageId,
    /// Which of its files, from 0.
    pub place: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    organization_id: String,
    message_id: String,
    place: usize,
}

impl MediaJob {
    /// Reads a queue message's body.
    ///
    /// # Errors
    /// [`NotAJob`]; the content is not repeated in it.
    pub fn parse(body: &str) -> Result<Self, NotAJob> {
        let wire: Wire =
            serde_json::from_str(body).map_err(|error| NotAJob(format!("JSON, {:?}", error.classify())))?;
        match (OrganizationId::parse(&wire.organization_id), MessageId::parse(&wire.message_id)) {
            (Ok(organization), Ok(message)) => Ok(Self { organization, message, place: wire.place }),
            (Err(error), _) | (_, Err(error)) => Err(NotAJob(error.to_string())),
        }
    }

    /// What [`MediaJob::parse`] reads.
    ///
    /// # Panics
    /// Never: texts and numbers are always JSON.
    pub fn body(&self) -> String {
        let wire = Wire {
            organization_id: self.organization.to_string(),
            message_id: self.message.to_string(),
            place: self.place,
        };
        serde_json::to_string(&wire).expect("texts and numbers are always JSON")
    }
}

/// The media queue.
#[derive(Debug, Clone)]
pub struct MediaQueue(Queue);

impl MediaQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Queues jobs; one answer for each. Every job is tried.
    pub async fn enqueue(&self, jobs: &[MediaJob]) -> Vec<Result<(), QueueError>> {
        let request = |job: &MediaJob| SendMessageBatchRequestEntry::builder().message_body(job.body());
        self.0.put(jobs, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_it_was_written_and_another_shape_is_refused() {
        let organization = OrganizationId::parse("org_1").unwrap();
        let job = MediaJob { organization, message: MessageId::parse("msg_1").unwrap(), place: 9 };
        assert_eq!(MediaJob::parse(&job.body()).unwrap(), job);
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","messageId":"msg_1","place":-1}"#] {
            assert!(MediaJob::parse(body).is_err(), "{body}");
        }
    }
}
