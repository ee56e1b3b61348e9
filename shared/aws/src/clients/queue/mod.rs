//! The queues and the jobs in their messages.
//!
//! All queues deliver a message at least once, so the workers are idempotent. Methods that add messages try
//! every message and return one result for each.

use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;
use serde::{Serialize, de::DeserializeOwned};

use crate::clients::client::Aws;

mod import;
mod mail;
mod media;
mod registration;
mod send;

pub use self::{
    import::{ImportJob, ImportQueue},
    mail::MailQueue,
    media::{MediaJob, MediaQueue},
    registration::{RegistrationJob, RegistrationQueue},
    send::{ReceivedSends, SendJob, SendQueue},
};

/// The limit of `SendMessageBatch`.
const BATCH_LIMIT: usize = 10;

/// The body of a queue message is not a job.
#[derive(Debug, thiserror::Error)]
#[error("not a job: {0}")]
pub struct InvalidJob(String);

/// SQS did not accept a message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue did not accept the message ({0})")]
pub struct QueueError(String);

/// Parses the body of a queue message. The error does not contain the body.
fn parse<J: DeserializeOwned>(body: &str) -> Result<J, InvalidJob> {
    serde_json::from_str(body).map_err(|error| InvalidJob(format!("JSON, {:?}", error.classify())))
}

/// Returns the body of a queue message, in the format of [`parse`].
///
/// # Panics
/// Never: jobs contain only ids, texts and numbers, which are always valid JSON.
fn body(job: &impl Serialize) -> String {
    serde_json::to_string(job).expect("ids, texts and numbers are valid JSON")
}

#[derive(Debug, Clone)]
struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self { client: aws.sqs(), url: url.into() }
    }

    /// Adds a message for each job, in their order.
    async fn put<J>(
        &self,
        jobs: &[J],
        request: impl Fn(&J) -> SendMessageBatchRequestEntryBuilder,
    ) -> Vec<Result<(), QueueError>> {
        use aws_sdk_sqs::error::ProvideErrorMetadata;
        let mut results = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(BATCH_LIMIT) {
            let all_failed = |code: &str| vec![Err(QueueError(code.to_owned())); batch.len()];
            let numbered =
                batch.iter().enumerate().map(|(index, job)| request(job).id(index.to_string()).build());
            let Ok(requests) = numbered.collect::<Result<Vec<_>, _>>() else {
                results.extend(all_failed("the request could not be built"));
                continue;
            };
            let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(requests));
            match sent.send().await {
                Err(error) => results.extend(all_failed(error.code().unwrap_or("no response"))),
                Ok(sent) => results.extend((0..batch.len()).map(|index| {
                    let failed = sent.failed().iter().find(|failed| failed.id() == index.to_string());
                    failed.map_or(Ok(()), |failed| Err(QueueError(failed.code().to_owned())))
                })),
            }
        }
        results
    }
}
