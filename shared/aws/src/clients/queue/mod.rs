//! The queues, each with what travels through it.

use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;

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
    send::{SendJob, SendQueue},
};

/// SQS takes at most so many at once.
const BATCH: usize = 10;

/// What came from the queue is no job of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a job: {0}")]
pub struct NotAJob(String);

/// The queue did not take a message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue did not take it ({0})")]
pub struct QueueError(String);

/// One queue, by its address.
#[derive(Debug, Clone)]
struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self { client: aws.sqs(), url: url.into() }
    }

    /// Queues jobs in their order, as many at once as SQS takes; one answer for each. Every job is tried.
    async fn put<J>(
        &self,
        jobs: &[J],
        request: impl Fn(&J) -> SendMessageBatchRequestEntryBuilder,
    ) -> Vec<Result<(), QueueError>> {
        use aws_sdk_sqs::error::ProvideErrorMetadata;
        let mut answers = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(BATCH) {
            let refused_all = |code: &str| vec![Err(QueueError(code.to_owned())); batch.len()];
            let numbered =
                batch.iter().enumerate().map(|(index, job)| request(job).id(index.to_string()).build());
            let Ok(requests) = numbered.collect::<Result<Vec<_>, _>>() else {
                answers.extend(refused_all("the request could not be built"));
                continue;
            };
            let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(requests));
            match sent.send().await {
                Err(error) => answers.extend(refused_all(error.code().unwrap_or("no answer"))),
                Ok(sent) => answers.extend((0..batch.len()).map(|index| {
                    let failed = sent.failed().iter().find(|failed| failed.id() == index.to_string());
                    failed.map_or(Ok(()), |failed| Err(QueueError(failed.code().to_owned())))
                })),
            }
        }
        answers
    }
}
