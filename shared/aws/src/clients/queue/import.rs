//! The import queue: contact files to import, one slice at a time. S3 adds a message when a file is uploaded,
//! and a worker adds one when its time is over and the import is not complete. Standard; a repeated slice
//! changes nothing.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::ids::{IdError, ImportId, OrganizationId, TeamId};

use super::{InvalidJob, Queue, QueueError};
use crate::{clients::client::Aws, import::imports::OBJECTS};

/// An import to continue: `{"organizationId": "org_…", "teamId": "team_…", "importId": "imp_…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "teamId")]
    pub team: TeamId,
    #[serde(rename = "importId")]
    pub import: ImportId,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Job(ImportJob),
    Files {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// S3 sends it when event notifications are set up.
    Test {
        #[serde(rename = "Event")]
        event: String,
    },
}

#[derive(Deserialize)]
struct Record {
    s3: Subject,
}

#[derive(Deserialize)]
struct Subject {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

impl ImportJob {
    /// Parses the body of a queue message: a job, or S3's event about uploaded files. The error does not
    /// contain the body.
    pub fn parse(body: &str) -> Result<Vec<Self>, InvalidJob> {
        match super::parse(body)? {
            Body::Job(job) => Ok(vec![job]),
            Body::Files { records } => {
                records.iter().map(|record| Self::of_object(&record.s3.object.key)).collect()
            }
            Body::Test { event } if event == "s3:TestEvent" => Ok(Vec::new()),
            Body::Test { .. } => Err(InvalidJob("another event".into())),
        }
    }

    /// Returns the body of a queue message.
    pub fn body(&self) -> String {
        super::body(self)
    }

    /// The ids in a key need no decoding: S3 encodes none of the characters that they consist of.
    fn of_object(key: &str) -> Result<Self, InvalidJob> {
        let ids = key.strip_prefix(OBJECTS).and_then(|ids| ids.strip_suffix(".csv"));
        let ids: Vec<&str> = ids.unwrap_or_default().split('/').collect();
        let [organization, team, import] = ids[..] else {
            return Err(InvalidJob("the file is not an import".into()));
        };
        let invalid = |error: IdError| InvalidJob(error.to_string());
        Ok(Self {
            organization: OrganizationId::parse(organization).map_err(invalid)?,
            team: TeamId::parse(team).map_err(invalid)?,
            import: ImportId::parse(import).map_err(invalid)?,
        })
    }
}

#[derive(Debug, Clone)]
pub struct ImportQueue(Queue);

impl ImportQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Adds a message that the queue delivers after `delay` (whole seconds, at most 900).
    pub async fn enqueue(&self, job: &ImportJob, delay: Duration) -> Result<(), QueueError> {
        let delay = i32::try_from(delay.as_secs()).unwrap_or(900);
        let request = |job: &ImportJob| {
            SendMessageBatchRequestEntry::builder().message_body(job.body()).delay_seconds(delay)
        };
        self.0.put(std::slice::from_ref(job), request).await.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> ImportJob {
        ImportJob {
            organization: OrganizationId::parse("org_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            import: ImportId::parse("imp_1").unwrap(),
        }
    }

    #[test]
    fn a_job_round_trips_and_an_uploaded_file_is_a_job() {
        assert_eq!(ImportJob::parse(&job().body()).unwrap(), [job()]);
        let uploaded = |key: &str| {
            format!(
                r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"object":{{"key":"{key}"}}}}}}]}}"#
            )
        };
        assert_eq!(ImportJob::parse(&uploaded("imports/org_1/team_1/imp_1.csv")).unwrap(), [job()]);
        for key in ["imports/org_1/team_1/imp_1", "media/org_1/team_1/imp_1.csv", "imports/org_1/imp_1.csv"] {
            assert!(ImportJob::parse(&uploaded(key)).is_err(), "{key}");
        }
    }

    #[test]
    fn the_test_event_of_s3_is_ignored_and_other_bodies_are_refused() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        assert_eq!(ImportJob::parse(test).unwrap(), []);
        for body in ["", "{}", "[]", r#"{"Event":"other"}"#, r#"{"organizationId":"org_1"}"#] {
            assert!(ImportJob::parse(body).is_err(), "{body}");
        }
    }
}
