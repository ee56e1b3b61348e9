//! The transactional outbox's way out: table stream → send queue, mail queue and media queue.
//!
//! Texts are idempotent by the message id, which is the queue's deduplication id; notices by who was told of them, files by their
//! state on the message. Every record of a batch is tried; if one failed
//! the invocation fails and the whole batch comes again, and what was queued already is swallowed. Should the stream
//! give up on a batch, its row is still there, and the sweep of `send-reconcile` queues it.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, SendQueue},
    messaging::{MediaFiles, Outbox, OutboxEntry, PendingMedia},
    notification::Notices,
    table::{StoreError, Table, keys},
};
use shared_domain::notice::Notification;
use shared_lambda::config::{ConfigError, Environment};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    outbox: Outbox,
    notices: Notices,
    files: MediaFiles,
    queue: SendQueue,
    mail: MailQueue,
    media: MediaQueue,
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
        let (mail, media) = (env.required("MAIL_QUEUE_URL"), env.required("MEDIA_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let (queue, mail) = (SendQueue::new(&aws, queue), MailQueue::new(&aws, mail));
        Ok(Self::new(&Table::of(&aws, name), queue, mail, MediaQueue::new(&aws, media)))
    }

    /// Over this table and these queues.
    pub fn new(table: &Table, queue: SendQueue, mail: MailQueue, media: MediaQueue) -> Self {
        Self {
            outbox: Outbox::new(table.clone()),
            notices: Notices::new(table.clone()),
            files: MediaFiles::new(table.clone()),
            queue,
            mail,
            media,
        }
    }
}

/// Relays one batch of the stream.
///
/// # Errors
/// [`NotRelayed`] when any row is not in the queue.
pub async fn handle(app: &App, event: Event) -> Result<(), NotRelayed> {
    let Rows { texts, notices, media } = rows(event);
    let mut failed = 0;
    for (entry, answer) in texts.iter().zip(app.queue.enqueue(&texts).await) {
        match answer {
            Ok(()) => kept(app.outbox.remove(entry).await, entry.message.as_str()),
            Err(error) => {
                failed += 1;
                tracing::error!(message_id = %entry.message, %error, "not queued");
            }
        }
    }
    for (notice, answer) in notices.iter().zip(app.mail.enqueue(&notices).await) {
        match answer {
            Ok(()) => kept(app.notices.remove(&notice.id).await, &notice.id),
            Err(error) => {
                failed += 1;
                tracing::error!(notice = notice.id, %error, "not queued");
            }
        }
    }
    for waiting in &media {
        let answers = app.media.enqueue(&waiting.jobs()).await;
        match answers.into_iter().find_map(Result::err) {
            None => kept(app.files.remove(&waiting.message).await, waiting.message.as_str()),
            Some(error) => {
                failed += 1;
                tracing::error!(message_id = %waiting.message, %error, "files not queued");
            }
        }
    }
    let all = texts.len() + notices.len() + media.len();
    tracing::info!(rows = all, failed, "relayed");
    if failed == 0 { Ok(()) } else { Err(NotRelayed { failed, all }) }
}

/// A row that stays is queued again by the sweep, and goes out once all the same: the claims of the senders decide.
fn kept(removed: Result<(), StoreError>, row: &str) {
    if let Err(error) = removed {
        tracing::warn!(row, %error, "queued, and its row stays for the sweep");
    }
}

/// What was inserted into the outbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Texts to be sent.
    pub texts: Vec<OutboxEntry>,
    /// Notices to be told.
    pub notices: Vec<Notification>,
    /// Inbound texts whose files are to be copied.
    pub media: Vec<PendingMedia>,
}

/// The outbox rows that were inserted. A record that is none will never become one: it is noted and passed over.
pub fn rows(event: Event) -> Rows {
    let mut rows = Rows::default();
    for record in event.records.into_iter().filter(|record| record.event_name == "INSERT") {
        let id = record.event_id.clone();
        if let Err(error) = sort(record, &mut rows) {
            tracing::error!(event = "unreadable_outbox_row", record = id, %error, "passed over");
        }
    }
    rows
}

fn sort(record: EventRecord, rows: &mut Rows) -> Result<(), StoreError> {
    let image = record.change.new_image;
    if keys::is_notice(&image) {
        rows.notices.push(Notices::of_image(image)?);
    } else if keys::is_media(&image) {
        rows.media.push(MediaFiles::of_image(image)?);
    } else {
        rows.texts.push(Outbox::entry(image)?);
    }
    Ok(())
}
