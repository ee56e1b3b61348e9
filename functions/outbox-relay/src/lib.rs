//! The transactional outbox's way out: table stream → send queue.
//!
//! Idempotent by the message id, which is the queue's deduplication id. Every record of a batch is tried; if one failed
//! the invocation fails and the whole batch comes again, and what was queued already is swallowed. Should the stream
//! give up on a batch, its row is still there, and the sweep of `send-reconcile` queues it.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use shared_aws::{
    client::Aws,
    config::{ConfigError, Environment},
    outbox::{Entry, Outbox},
    queue::SendQueue,
    table::Table,
};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    outbox: Outbox,
    queue: SendQueue,
}

/// Some records could not be relayed; the stream brings the batch again.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} outbox rows were not queued")]
pub struct NotRelayed {
    /// How many failed.
    pub failed: usize,
    /// Of how many.
    pub all: usize,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("SEND_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), SendQueue::new(&aws, queue)))
    }

    /// Over this table and queue.
    pub fn new(table: Table, queue: SendQueue) -> Self {
        Self { outbox: Outbox::new(table), queue }
    }
}

/// Relays one batch of the stream.
///
/// # Errors
/// [`NotRelayed`] when any row is not in the queue.
pub async fn handle(app: &App, event: Event) -> Result<(), NotRelayed> {
    let entries = entries(event);
    let mut failed = 0;
    let answers = app.queue.enqueue(&entries).await;
    for (entry, answer) in entries.iter().zip(answers) {
        match answer {
            Ok(()) => remove(app, entry).await,
            Err(error) => {
                failed += 1;
                tracing::error!(message_id = %entry.message, %error, "not queued");
            }
        }
    }
    tracing::info!(rows = entries.len(), failed, "relayed");
    if failed == 0 { Ok(()) } else { Err(NotRelayed { failed, all: entries.len() }) }
}

/// A row that stays is queued again by the sweep, and its message is sent once all the same: the sender's claim decides.
async fn remove(app: &App, entry: &Entry) {
    if let Err(error) = app.outbox.remove(entry).await {
        tracing::warn!(message_id = %entry.message, %error, "queued, and its row stays for the sweep");
    }
}

/// The outbox rows that were inserted. A record that is none will never become one: it is noted and passed over.
pub fn entries(event: Event) -> Vec<Entry> {
    let inserted = event.records.into_iter().filter(|record| record.event_name == "INSERT");
    inserted.filter_map(entry).collect()
}

fn entry(record: EventRecord) -> Option<Entry> {
    match Outbox::entry(record.change.new_image) {
        Ok(entry) => Some(entry),
        Err(error) => {
            tracing::error!(metric = "unreadable_outbox_row", record = record.event_id, %error, "passed over");
            None
        }
    }
}
