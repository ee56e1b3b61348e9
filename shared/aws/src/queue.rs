//! The send queue: FIFO, one group a conversation, so that a thread's texts go out in the order of acceptance and one
//! conversation never waits for another. The message id is the deduplication id: queueing twice within five minutes is
//! once, and later the sender's claim decides.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::ids::{MessageId, OrganisationId};

use crate::{client::Aws, outbox::Entry};

/// SQS takes at most so many at once.
const BATCH: usize = 10;

/// A message to send, as it travels: `{"organisationId": "org_…", "messageId": "msg_…"}`. More fields may come; they are
/// ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendJob {
    /// The tenant.
    pub organisation: OrganisationId,
    /// The message.
    pub message: MessageId,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    organisation_id: String,
    message_id: String,
}

/// What came from the queue is no job of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a send job: {0}")]
pub struct NotAJob(String);

impl SendJob {
    /// Reads a queue message's body.
    ///
    /// # Errors
    /// [`NotAJob`]; the content is not repeated in it.
    pub fn parse(body: &str) -> Result<Self, NotAJob> {
        let wire: Wire =
            serde_json::from_str(body).map_err(|error| NotAJob(format!("JSON, {:?}", error.classify())))?;
        let organisation = OrganisationId::parse(&wire.organisation_id);
        let message = MessageId::parse(&wire.message_id);
        match (organisation, message) {
            (Ok(organisation), Ok(message)) => Ok(Self { organisation, message }),
            (Err(error), _) | (_, Err(error)) => Err(NotAJob(error.to_string())),
        }
    }

    fn body(entry: &Entry) -> String {
        let wire =
            Wire { organisation_id: entry.organisation.to_string(), message_id: entry.message.to_string() };
        serde_json::to_string(&wire).expect("two texts are always JSON")
    }
}

/// The queue did not take a message.
#[derive(Debug, thiserror::Error)]
#[error("the send queue did not take it ({0})")]
pub struct QueueError(String);

/// The send queue.
#[derive(Debug, Clone)]
pub struct SendQueue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl SendQueue {
    /// The queue at this address.
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self { client: aws.sqs(), url: url.into() }
    }

    /// Queues entries in their order, as many at once as SQS takes; one answer for each. Every entry is tried.
    pub async fn enqueue(&self, entries: &[Entry]) -> Vec<Result<(), QueueError>> {
        let mut answers = Vec::with_capacity(entries.len());
        for batch in entries.chunks(BATCH) {
            answers.extend(self.enqueue_batch(batch).await);
        }
        answers
    }

    async fn enqueue_batch(&self, batch: &[Entry]) -> Vec<Result<(), QueueError>> {
        use aws_sdk_sqs::error::ProvideErrorMetadata;
        let refused_all = |code: &str| batch.iter().map(|_| Err(QueueError(code.to_owned()))).collect();
        let requests: Result<Vec<_>, _> = batch.iter().enumerate().map(request).collect();
        let Ok(requests) = requests else { return refused_all("the request could not be built") };
        let sent =
            self.client.send_message_batch().queue_url(&self.url).set_entries(Some(requests)).send().await;
        match sent {
            Err(error) => refused_all(error.code().unwrap_or("no answer")),
            Ok(sent) => (0..batch.len())
                .map(|index| {
                    let failed = sent.failed().iter().find(|failed| failed.id() == index.to_string());
                    failed.map_or(Ok(()), |failed| Err(QueueError(failed.code().to_owned())))
                })
                .collect(),
        }
    }
}

fn request(
    (index, entry): (usize, &Entry),
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let group = entry.message.conversation().map(|conversation| conversation.to_string());
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(SendJob::body(entry))
        .set_message_group_id(group.or_else(|| Some(entry.message.to_string())))
        .message_deduplication_id(entry.message.to_string())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_with_more_fields_is_read_and_another_shape_is_refused() {
        let job = SendJob::parse(r#"{"organisationId":"org_1","messageId":"msg_1","later":1}"#).unwrap();
        assert_eq!(job.message.as_str(), "msg_1");
        for body in ["", "{}", "[]", r#"{"organisationId":"org_1","messageId":"cnv_1"}"#] {
            assert!(SendJob::parse(body).is_err(), "{body}");
        }
    }
}
