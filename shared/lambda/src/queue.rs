//! The batch loop of functions that an SQS queue invokes.
//!
//! Each record of a batch succeeds or fails alone. A record that succeeds is deleted from the queue. A record
//! that fails is reported in the [`SqsBatchResponse`], so SQS delivers it again, and moves it to the
//! dead-letter queue after its last delivery. The function's event source must set `ReportBatchItemFailures`.

use std::{collections::HashSet, error::Error, fmt};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsMessage};

pub use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Empty if the message has no body.
    pub body: &'a str,
    /// How often SQS has delivered the message, this delivery included.
    pub receive_count: u32,
    /// Names this delivery in calls to SQS.
    pub receipt_handle: &'a str,
    /// The message group in a FIFO queue.
    pub group: &'a str,
    /// SQS's id of the message.
    pub id: &'a str,
    /// The ARN of the queue.
    pub queue: &'a str,
}

/// Why a record goes back to its queue. Any error converts into a retry, so handlers can use `?`.
///
/// A record that no later delivery can change is not an error: record the outcome and return `Ok(())`.
pub struct RecordError {
    cause: Box<dyn Error + Send + Sync>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Delayed,
    Unreadable,
}

impl RecordError {
    /// The record has no valid content. It is logged as an error and ends in the dead-letter queue, where an
    /// operator can inspect it.
    pub fn unreadable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), kind: Kind::Unreadable }
    }

    /// Nothing is wrong with the record, but it cannot be handled yet.
    pub fn delayed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), kind: Kind::Delayed }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for RecordError {
    fn from(cause: E) -> Self {
        Self { cause: Box::new(cause), kind: Kind::Failed }
    }
}

impl fmt::Debug for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

// Handlers are boxed: the futures of the SDK nest so deeply that `main` would exceed the compiler's limit.

/// Handles the records of a standard queue one after the other and reports those that failed.
pub async fn each_record(
    event: SqsEvent,
    mut handle: impl AsyncFnMut(Record<'_>) -> Result<(), RecordError>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        if let Err(error) = Box::pin(handle(Record::of(&message))).await {
            log(&message, &error);
            report(&mut response, message);
        }
    }
    response
}

/// Handles the records of a standard queue at the same time and reports those that failed.
pub async fn each_record_at_once(
    event: SqsEvent,
    handle: impl AsyncFn(Record<'_>) -> Result<(), RecordError>,
) -> SqsBatchResponse {
    let outcomes = event.records.iter().map(|message| Box::pin(handle(Record::of(message))));
    let outcomes = futures_util::future::join_all(outcomes).await;
    let mut response = SqsBatchResponse::default();
    for (message, outcome) in event.records.into_iter().zip(outcomes) {
        if let Err(error) = outcome {
            log(&message, &error);
            report(&mut response, message);
        }
    }
    response
}

/// Handles the records of a FIFO queue. After a failure the rest of its message group is reported without
/// being handled, so that the group keeps its order. Other groups continue.
pub async fn each_record_in_order(
    event: SqsEvent,
    mut handle: impl AsyncFnMut(Record<'_>) -> Result<(), RecordError>,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut failed_groups: HashSet<String> = HashSet::new();
    for message in event.records {
        let group = attribute(&message, "MessageGroupId").unwrap_or_default();
        if failed_groups.contains(group) {
            tracing::info!(
                event = "queue_group_held",
                queue_message = message.message_id,
                "returning queue message"
            );
            report(&mut response, message);
        } else if let Err(error) = Box::pin(handle(Record::of(&message))).await {
            log(&message, &error);
            failed_groups.insert(group.to_owned());
            report(&mut response, message);
        }
    }
    response
}

impl<'a> Record<'a> {
    fn of(message: &'a SqsMessage) -> Self {
        let receive_count =
            attribute(message, "ApproximateReceiveCount").and_then(|count| count.parse().ok());
        Self {
            body: message.body.as_deref().unwrap_or_default(),
            receive_count: receive_count.unwrap_or(1),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            group: attribute(message, "MessageGroupId").unwrap_or_default(),
            id: message.message_id.as_deref().unwrap_or_default(),
            queue: message.event_source_arn.as_deref().unwrap_or_default(),
        }
    }
}

fn attribute<'a>(message: &'a SqsMessage, name: &str) -> Option<&'a str> {
    message.attributes.get(name).map(String::as_str)
}

fn log(message: &SqsMessage, RecordError { cause, kind }: &RecordError) {
    let queue_message = message.message_id.as_deref();
    match kind {
        Kind::Unreadable => {
            tracing::error!(event = "queue_message_unreadable", queue_message, error = %cause, "queue message is unreadable");
        }
        Kind::Failed => {
            tracing::warn!(event = "queue_message_retry", queue_message, error = %cause, "retrying queue message");
        }
        Kind::Delayed => {
            tracing::info!(event = "queue_message_delayed", queue_message, reason = %cause, "delaying queue message");
        }
    }
}

fn report(response: &mut SqsBatchResponse, message: SqsMessage) {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = message.message_id.unwrap_or_default();
    response.batch_item_failures.push(failure);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn batch(records: &[(&str, &str)]) -> SqsEvent {
        let record = |(id, group): &(&str, &str)| {
            json!({ "messageId": id, "body": id, "messageAttributes": {}, "attributes":
                { "ApproximateReceiveCount": "3", "MessageGroupId": group } })
        };
        let records: Vec<Value> = records.iter().map(record).collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    fn failures(response: SqsBatchResponse) -> Vec<String> {
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[tokio::test]
    async fn only_the_records_that_failed_are_reported() {
        let mut handled = Vec::new();
        let event = batch(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let response = each_record(event, async |record| {
            handled.push((record.body.to_owned(), record.receive_count));
            match record.body {
                "b" => Err(RecordError::unreadable("not a job")),
                _ => Ok(()),
            }
        });
        assert_eq!(failures(response.await), ["b"]);
        assert_eq!(handled, [("a".into(), 3), ("b".into(), 3), ("c".into(), 3)]);
    }

    #[tokio::test]
    async fn a_failure_holds_back_the_rest_of_its_group_and_no_other_group() {
        let mut handled = Vec::new();
        let event = batch(&[("a", "1"), ("b", "2"), ("c", "1"), ("d", "2")]);
        let response = each_record_in_order(event, async |record| {
            handled.push(record.body.to_owned());
            if record.body == "a" { Err(fmt::Error.into()) } else { Ok(()) }
        });
        assert_eq!(failures(response.await), ["a", "c"]);
        assert_eq!(handled, ["a", "b", "d"]);
    }

    #[tokio::test]
    async fn records_are_handled_at_the_same_time_and_fail_alone() {
        let arrived = std::cell::Cell::new(0);
        let response = each_record_at_once(batch(&[("a", "1"), ("b", "1"), ("c", "2")]), async |record| {
            arrived.set(arrived.get() + 1);
            while arrived.get() < 3 {
                tokio::task::yield_now().await;
            }
            if record.body == "b" { Err(fmt::Error.into()) } else { Ok(()) }
        });
        assert_eq!(failures(response.await), ["b"]);
    }

    #[tokio::test]
    async fn a_record_without_a_receive_count_is_on_its_first_delivery() {
        let event = serde_json::from_value(
            json!({ "Records": [{ "messageId": "a", "attributes": {}, "messageAttributes": {} }] }),
        );
        let response = each_record(event.unwrap(), async |record| {
            assert_eq!((record.body, record.receive_count), ("", 1));
            Ok(())
        });
        assert!(failures(response.await).is_empty());
    }
}
