//! The queues and the jobs in their messages.
//!
//! All queues deliver a message at least once, so the workers are idempotent. Methods that add messages try
//! every message, but never a later one of a message group before an earlier one, and return one result for
//! each.

use std::collections::BTreeSet;

use aws_sdk_sqs::{
    error::ProvideErrorMetadata, operation::send_message_batch::SendMessageBatchOutput,
    types::builders::SendMessageBatchRequestEntryBuilder,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::clients::client::Aws;

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
    realtime::{Greeting, RealtimeQueue},
    registration::{RegistrationJob, RegistrationQueue},
    send::{ReceivedSends, SendJob, SendQueue},
    webhook::{WebhookJob, WebhookQueue},
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

    /// Adds a message for each job. Jobs of one message group stay in their order: if one of them is not
    /// accepted, the later ones are not sent, and a batch contains at most one of them, because SQS can
    /// accept the second entry of a batch and not the first.
    async fn put<J>(
        &self,
        jobs: &[J],
        request: impl Fn(&J) -> SendMessageBatchRequestEntryBuilder,
    ) -> Vec<Result<(), QueueError>> {
        let requests: Vec<_> = jobs.iter().map(request).collect();
        let group = |index: usize| requests[index].get_message_group_id().as_deref();
        self.put_requests(&requests, group).await
    }

    /// Adds messages to a standard queue, whose groups have no order.
    async fn put_in_any_order(
        &self,
        requests: &[SendMessageBatchRequestEntryBuilder],
    ) -> Vec<Result<(), QueueError>> {
        self.put_requests(requests, |_| None).await
    }

    async fn put_requests<'a>(
        &self,
        requests: &'a [SendMessageBatchRequestEntryBuilder],
        group: impl Fn(usize) -> Option<&'a str>,
    ) -> Vec<Result<(), QueueError>> {
        let mut results = vec![Ok(()); requests.len()];
        let mut waiting: Vec<usize> = (0..requests.len()).collect();
        while !waiting.is_empty() {
            let (batch, later) = next_batch(&waiting, &group);
            let entries = batch.iter().map(|&index| requests[index].clone().id(index.to_string()).build());
            let sent = match entries.collect::<Result<Vec<_>, _>>() {
                Err(_) => Err(QueueError("the request could not be built".into())),
                Ok(entries) => {
                    let sent =
                        self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
                    sent.send()
                        .await
                        .map_err(|error| QueueError(error.code().unwrap_or("no response").into()))
                }
            };
            let mut held = Vec::new();
            for index in batch {
                results[index] = result(&sent, index);
                held.extend(group(index).filter(|_| results[index].is_err()));
            }
            let is_held = |index: usize| group(index).is_some_and(|group| held.contains(&group));
            for &index in later.iter().filter(|&&index| is_held(index)) {
                results[index] = Err(QueueError("an earlier message of its group was not accepted".into()));
            }
            waiting = later.into_iter().filter(|&index| !is_held(index)).collect();
        }
        results
    }
}

/// Returns the result of the entry of this job in a batch.
fn result(sent: &Result<SendMessageBatchOutput, QueueError>, index: usize) -> Result<(), QueueError> {
    let failed = sent.as_ref().map_err(Clone::clone)?.failed();
    let failed = failed.iter().find(|failed| failed.id() == index.to_string());
    failed.map_or(Ok(()), |failed| Err(QueueError(failed.code().to_owned())))
}

/// Splits the waiting jobs into the next batch, with at most one job per group, and the others.
fn next_batch<'a>(waiting: &[usize], group: impl Fn(usize) -> Option<&'a str>) -> (Vec<usize>, Vec<usize>) {
    let mut groups = BTreeSet::new();
    let (mut batch, mut later) = (Vec::new(), Vec::new());
    for &index in waiting {
        // A group that has a job in this batch or before it in `later` waits.
        let first_of_group = group(index).is_none_or(|group| groups.insert(group));
        if first_of_group && batch.len() < BATCH_LIMIT { batch.push(index) } else { later.push(index) }
    }
    (batch, later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_ten_jobs_at_most_and_one_of_each_group() {
        let groups = ["a", "a", "b", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let group = |index: usize| Some(groups[index]);
        let (batch, later) = next_batch(&(0..groups.len()).collect::<Vec<_>>(), group);
        assert_eq!(batch, [0, 2, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(later, [1, 3, 4, 13, 14]);
        assert_eq!(next_batch(&later, group), (vec![1, 4, 13, 14], vec![3]));
        let (batch, later) = next_batch(&(0..12).collect::<Vec<_>>(), |_| None);
        assert_eq!((batch.len(), later.len()), (10, 2), "standard queues have no groups");
    }
}
