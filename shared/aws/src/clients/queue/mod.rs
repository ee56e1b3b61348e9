//! The queues and the jobs in their messages.
//!
//! All queues deliver a message at least once, so the workers are idempotent. Methods that add messages try
//! every message, but never a later one of a message group before an earlier one, and return one result for
//! each.

use aws_sdk_sqs::{error::ProvideErrorMetadata, types::builders::SendMessageBatchRequestEntryBuilder};
use serde::{Serialize, de::DeserializeOwned};

use crate::clients::{batches::Batches, client::Aws};

mod broadcast;
mod dead_letters;
mod import;
mod mail;
mod media;
mod realtime;
mod registration;
mod send;
mod webhook;

pub use self::{
    broadcast::{BroadcastJob, BroadcastQueue},
    dead_letters::{DeadLetter, DeadLetterQueue},
    import::{ImportJob, ImportQueue},
    mail::MailQueue,
    media::{MediaJob, MediaQueue},
    realtime::{Greeting, RealtimeQueue, SignOut},
    registration::{RegistrationJob, RegistrationQueue},
    send::{ReceivedSends, SendJob, SendQueues},
    webhook::{WebhookJob, WebhookQueue},
};

/// The body of a queue message is not a job.
#[derive(Debug, thiserror::Error)]
#[error("not a job: {0}")]
pub struct InvalidJob(String);

/// SQS did not accept a message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue did not accept the message ({0})")]
pub struct QueueError(String);

impl QueueError {
    /// SQS's error code, or that there was no response.
    pub fn code(&self) -> &str {
        &self.0
    }
}

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

    /// Adds a message for each job. Jobs of one message group stay in their order, see [`Batches`].
    async fn put<J>(
        &self,
        jobs: &[J],
        request: impl Fn(&J) -> SendMessageBatchRequestEntryBuilder,
    ) -> Vec<Result<(), QueueError>> {
        let requests: Vec<_> = jobs.iter().map(request).collect();
        let groups = requests.iter().map(|request| request.get_message_group_id().as_deref());
        self.put_requests(&requests, Batches::of(groups.collect())).await
    }

    /// Adds messages to a standard queue, whose groups have no order.
    async fn put_in_any_order(
        &self,
        requests: &[SendMessageBatchRequestEntryBuilder],
    ) -> Vec<Result<(), QueueError>> {
        self.put_requests(requests, Batches::of(vec![None; requests.len()])).await
    }

    async fn put_requests(
        &self,
        requests: &[SendMessageBatchRequestEntryBuilder],
        mut batches: Batches<'_>,
    ) -> Vec<Result<(), QueueError>> {
        while let Some(batch) = batches.next() {
            let entries = batch.iter().map(|&index| requests[index].clone().id(index.to_string()).build());
            let sent = match entries.collect::<Result<Vec<_>, _>>() {
                Err(_) => Err("the request could not be built".to_owned()),
                Ok(entries) => {
                    let request = self.client.send_message_batch().queue_url(&self.url);
                    let sent = request.set_entries(Some(entries)).send().await;
                    sent.map_err(|error| error.code().unwrap_or("no response").to_owned())
                }
            };
            let failed =
                sent.as_ref().map(|sent| sent.failed().iter().map(|entry| (entry.id(), entry.code())));
            batches.sent(&batch, failed.map_err(Clone::clone));
        }
        batches.results().into_iter().map(|result| result.map_err(QueueError)).collect()
    }
}
