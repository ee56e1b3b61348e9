//! The broadcast queue: broadcasts to continue, one slice at a time. Standard; a broadcast has one worker, by
//! its lease, and a repeated slice releases no text twice.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{BroadcastId, OrganizationId, TeamId},
    keys::TeamKey,
};

use super::{InvalidJob, Queue, QueueError};
use crate::{broadcast::DueBroadcast, clients::client::Aws};

/// The longest delay of a message.
const MAX_DELAY: Duration = Duration::from_secs(900);

/// A broadcast to continue: `{"organizationId": "org_…", "teamId": "team_…", "broadcastId": "bct_…",
/// "continues": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroadcastJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "teamId")]
    pub team: TeamId,
    #[serde(rename = "broadcastId")]
    pub broadcast: BroadcastId,
    /// Whether a worker sent it to itself, to go on at a time that the broadcast has. A message of anybody
    /// else starts at once.
    #[serde(default)]
    pub continues: bool,
}

impl BroadcastJob {
    /// Parses the body of a queue message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, InvalidJob> {
        super::parse(body)
    }

    /// Returns the body of a queue message.
    pub fn body(&self) -> String {
        super::body(self)
    }

    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }
}

impl From<DueBroadcast> for BroadcastJob {
    fn from(due: DueBroadcast) -> Self {
        let DueBroadcast { organization, team, broadcast } = due;
        Self { organization, team, broadcast, continues: false }
    }
}

#[derive(Debug, Clone)]
pub struct BroadcastQueue(Queue);

impl BroadcastQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Adds messages that the queue delivers after `delay`, in whole seconds. Returns one result for each.
    pub async fn enqueue(&self, jobs: &[BroadcastJob], delay: Duration) -> Vec<Result<(), QueueError>> {
        let delay = i32::try_from(delay.min(MAX_DELAY).as_secs()).unwrap_or(900);
        let request = |job: &BroadcastJob| {
            SendMessageBatchRequestEntry::builder().message_body(job.body()).delay_seconds(delay)
        };
        self.0.put(jobs, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_round_trips_and_other_bodies_are_refused() {
        let job = BroadcastJob {
            organization: OrganizationId::parse("org_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            broadcast: BroadcastId::parse("bct_1").unwrap(),
            continues: true,
        };
        assert_eq!(BroadcastJob::parse(&job.body()).unwrap(), job);
        for body in ["", "{}", "[]", r#"{"broadcastId":"inb_1"}"#] {
            assert!(BroadcastJob::parse(body).is_err(), "{body}");
        }
    }
}
