//! The transactional outbox's way out: table stream → send queues, mail queue and media queue.
//!
//! Idempotent by the workers behind the queues, see [`shared_app::outbox`]. Every record of a batch is tried.
//! If one fails, the invocation fails and the stream delivers the whole batch again. If the stream gives up
//! on a batch, its items are still in the outbox, and the sweep of `send-reconcile` queues them.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use shared_app::outbox::{OutboxItems, OutboxWorkflow};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, SendQueues},
    messaging::{MediaFiles, Outbox},
    notification::Notifications,
    table::{StoreError, Table, keys},
};
use shared_lambda::config::{ConfigError, Environment};

pub use shared_app::outbox::Queues;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    outbox: OutboxWorkflow,
}

/// Some items were not queued. The stream delivers the batch again.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} outbox items were not queued")]
#[expect(missing_docs, reason = "the names say it all")]
pub struct NotRelayed {
    pub failed: usize,
    pub all: usize,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, sends) = (env.required("TABLE_NAME"), env.required("SEND_QUEUE_URL"));
        let texts = env.required("BROADCAST_SEND_QUEUE_URL");
        let (mail, media) = (env.required("MAIL_QUEUE_URL"), env.required("MEDIA_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let queues = Queues {
            messages: SendQueues::new(&aws, sends, texts),
            notifications: MailQueue::new(&aws, mail),
            media: MediaQueue::new(&aws, media),
        };
        Ok(Self::new(&Table::of(&aws, name), queues))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, queues: Queues) -> Self {
        Self { outbox: OutboxWorkflow::new(table, queues) }
    }
}

/// Relays one batch of the stream. Errors if any item was not queued.
pub async fn handle(app: &App, event: Event) -> Result<(), NotRelayed> {
    let items = items(event);
    let (all, drained) = (items.len(), app.outbox.drain(&items).await);
    let messages = message_ids(&items);
    tracing::info!(
        event = "outbox_relayed",
        items = all,
        failed = drained.failed,
        messages,
        "outbox items relayed"
    );
    if drained.failed == 0 { Ok(()) } else { Err(NotRelayed { failed: drained.failed, all }) }
}

/// The IDs of the messages that items are about, with spaces between them. The trace of a message finds the
/// line by its ID.
fn message_ids(items: &OutboxItems) -> String {
    let sent = items.messages.iter().map(|entry| entry.message.as_str());
    let with_media = items.media.iter().map(|pending| pending.message.as_str());
    sent.chain(with_media).collect::<Vec<_>>().join(" ")
}

/// Returns the outbox items that the records inserted. An unreadable record stays unreadable, so it is logged
/// and skipped.
pub fn items(event: Event) -> OutboxItems {
    let mut items = OutboxItems::default();
    for record in event.records.into_iter().filter(|record| record.event_name == "INSERT") {
        let id = record.event_id.clone();
        if let Err(error) = add(record, &mut items) {
            tracing::error!(event = "outbox_item_unreadable", record = id, %error, "outbox item is unreadable");
        }
    }
    items
}

fn add(record: EventRecord, items: &mut OutboxItems) -> Result<(), StoreError> {
    let image = record.change.new_image;
    if keys::is_notification(&image) {
        items.notifications.push(Notifications::of_image(image)?);
    } else if keys::is_media(&image) {
        items.media.push(MediaFiles::of_image(image)?);
    } else {
        items.messages.push(Outbox::entry(image)?);
    }
    Ok(())
}
