//! The import queue: files of contacts to be read, a slice at a time. A file that is put into the bucket brings itself here
//! (S3 tells the queue); a worker that has had its time puts its import back. Standard and at least once; what is repeated
//! counts nothing twice.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::ids::{ImportId, OrganizationId, TeamId};

use super::{NotAJob, Queue, QueueError};
use crate::{clients::client::Aws, import::imports::OBJECTS};

/// An import to go on with: `{"organizationId": "org_…", "teamId": "team_…", "importId": "imp_…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJob {
    pub organization: OrganizationId,
    pub team: TeamId,
    /// The import.
    pub import: ImportId,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "organizationId")]
    organization: String,
    #[serde(rename = "teamId")]
    team: String,
    #[serde(rename = "importId")]
    import: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Job(Wire),
    Files {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// What S3 sends when its events are first pointed at the queue.
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
    /// Reads a queue message's body: ours, or S3's about files that were put.
    ///
    /// # Errors
    /// [`NotAJob`]; the content is not repeated in it.
    pub fn parse(body: &str) -> Result<Vec<Self>, NotAJob> {
        let body: Body =
            serde_json::from_str(body).map_err(|error| NotAJob(format!("JSON, {:?}", error.classify())))?;
        match body {
            Body::Job(wire) => Ok(vec![Self::of([&wire.organization, &wire.team, &wire.import])?]),
            Body::Files { records } => {
                records.iter().map(|record| Self::of_object(&record.s3.object.key)).collect()
            }
            Body::Test { event } if event == "s3:TestEvent" => Ok(Vec::new()),
            Body::Test { .. } => Err(NotAJob("another event".into())),
        }
    }

    /// Ids need no decoding: S3 encodes none of their characters but `@`, which only users' have.
    fn of_object(key: &str) -> Result<Self, NotAJob> {
        let ids = key.strip_prefix(OBJECTS).and_then(|ids| ids.strip_suffix(".csv"));
        let ids: Vec<&str> = ids.unwrap_or_default().split('/').collect();
        let [organization, team, import] = ids[..] else {
            return Err(NotAJob("a file of another name".into()));
        };
        Self::of([organization, team, import])
    }

    fn of([organization, team, import]: [&str; 3]) -> Result<Self, NotAJob> {
        let refused = |error: shared_domain::ids::IdError| NotAJob(error.to_string());
        Ok(Self {
            organization: OrganizationId::parse(organization).map_err(refused)?,
            team: TeamId::parse(team).map_err(refused)?,
            import: ImportId::parse(import).map_err(refused)?,
        })
    }

    /// What [`ImportJob::parse`] reads.
    ///
    /// # Panics
    /// Never: ids are always JSON.
    pub fn body(&self) -> String {
        let wire = Wire {
            organization: self.organization.to_string(),
            team: self.team.to_string(),
            import: self.import.to_string(),
        };
        serde_json::to_string(&wire).expect("three texts are always JSON")
    }
}

/// The import queue.
#[derive(Debug, Clone)]
pub struct ImportQueue(Queue);

impl ImportQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Queues an import, to be gone on with after this pause (whole seconds, at most 900).
    pub async fn enqueue(&self, job: &ImportJob, pause: Duration) -> Result<(), QueueError> {
        let pause = i32::try_from(pause.as_secs()).unwrap_or(900);
        let request = |job: &ImportJob| {
            SendMessageBatchRequestEntry::builder().message_body(job.body()).delay_seconds(pause)
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
    fn a_job_is_read_as_it_was_written_and_so_is_a_file_that_was_put() {
        assert_eq!(ImportJob::parse(&job().body()).unwrap(), [job()]);
        let told = |key: &str| {
            format!(
                r#"{{"Records":[{{"eventName":"ObjectCreated:Put","s3":{{"object":{{"key":"{key}"}}}}}}]}}"#
            )
        };
        assert_eq!(ImportJob::parse(&told("imports/org_1/team_1/imp_1.csv")).unwrap(), [job()]);
        for key in ["imports/org_1/team_1/imp_1", "media/org_1/team_1/imp_1.csv", "imports/org_1/imp_1.csv"] {
            assert!(ImportJob::parse(&told(key)).is_err(), "{key}");
        }
    }

    #[test]
    fn s3s_test_is_nothing_to_do_and_another_shape_is_refused() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        assert_eq!(ImportJob::parse(test).unwrap(), []);
        for body in ["", "{}", "[]", r#"{"Event":"other"}"#, r#"{"organizationId":"org_1"}"#] {
            assert!(ImportJob::parse(body).is_err(), "{body}");
        }
    }
}
