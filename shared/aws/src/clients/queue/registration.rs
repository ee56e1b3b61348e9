//! The registration queue: registrations to check, because the carrier sent an event or because there was
//! none for a long time. Standard; a second check changes nothing.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    registration::CampaignEvent,
};

use super::{InvalidJob, Queue, QueueError};
use crate::clients::client::Aws;

/// A registration to check:
/// `{"organizationId": "org_…", "teamId": "team_…", "announcement": {"id", "at", "what", "codes"}?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "teamId")]
    pub team: TeamId,
    /// The carrier's event. `None` for a scheduled check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announcement: Option<CampaignEvent>,
}

impl RegistrationJob {
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
pub struct RegistrationQueue(Queue);

impl RegistrationQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    pub async fn enqueue(&self, jobs: &[RegistrationJob]) -> Vec<Result<(), QueueError>> {
        let request =
            |job: &RegistrationJob| SendMessageBatchRequestEntry::builder().message_body(job.body());
        self.0.put(jobs, request).await
    }
}

#[cfg(test)]
mod tests {
    use shared_domain::{registration::CampaignUpdate, time::Timestamp};

    use super::*;

    #[test]
    fn a_job_round_trips_and_other_bodies_are_refused() {
        let announcement = CampaignEvent {
            id: "EZ1".into(),
            at: Timestamp::from_millis(7),
            what: CampaignUpdate::Failed,
            codes: vec![30886],
        };
        let mut job = RegistrationJob {
            organization: OrganizationId::parse("org_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            announcement: Some(announcement),
        };
        assert_eq!(RegistrationJob::parse(&job.body()).unwrap(), job);
        job.announcement = None;
        assert_eq!(RegistrationJob::parse(&job.body()).unwrap(), job);
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","teamId":"inb_1"}"#] {
            assert!(RegistrationJob::parse(body).is_err(), "{body}");
        }
    }
}
