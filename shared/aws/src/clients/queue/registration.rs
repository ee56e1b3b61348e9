//! The registration queue: registrations to look at anew, because the carrier announced something or because nothing was
//! heard for long. Standard and at least once; looking twice changes nothing more.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    registration::CampaignEvent,
};

use super::{NotAJob, Queue, QueueError};
use crate::clients::client::Aws;

/// A registration to look at:
/// `{"organizationId": "org_…", "teamId": "team_…", "announcement": {"id", "at", "what", "codes"}?}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationJob {
    pub organization: OrganizationId,
    pub team: TeamId,
    /// What the carrier announced; nothing when we ask of our own accord.
    pub announcement: Option<CampaignEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    organization_id: String,
    team_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announcement: Option<CampaignEvent>,
}

impl RegistrationJob {
    /// Reads a queue message's body.
    ///
    /// # Errors
    /// [`NotAJob`]; the content is not repeated in it.
    pub fn parse(body: &str) -> Result<Self, NotAJob> {
        let wire: Wire =
            serde_json::from_str(body).map_err(|error| NotAJob(format!("JSON, {:?}", error.classify())))?;
        match (OrganizationId::parse(&wire.organization_id), TeamId::parse(&wire.team_id)) {
            (Ok(organization), Ok(team)) => Ok(Self { organization, team, announcement: wire.announcement }),
            (Err(error), _) | (_, Err(error)) => Err(NotAJob(error.to_string())),
        }
    }

    /// What [`RegistrationJob::parse`] reads.
    ///
    /// # Panics
    /// Never: ids, texts and numbers are always JSON.
    pub fn body(&self) -> String {
        let wire = Wire {
            organization_id: self.organization.to_string(),
            team_id: self.team.to_string(),
            announcement: self.announcement.clone(),
        };
        serde_json::to_string(&wire).expect("texts and numbers are always JSON")
    }
}

/// The registration queue.
#[derive(Debug, Clone)]
pub struct RegistrationQueue(Queue);

impl RegistrationQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Queues registrations; one answer for each. Every one is tried.
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
    fn a_job_is_read_as_it_was_written_and_another_shape_is_refused() {
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
