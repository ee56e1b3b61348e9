//! Draining the outbox: outbox items go to the queue of their worker and are then removed.
//!
//! Idempotent by the workers: an item that is queued twice is sent, notified or copied once.

use std::fmt::Display;

use shared_aws::{
    clients::{MailQueue, MediaQueue, QueueError, SendQueues},
    messaging::{MediaFiles, Outbox, OutboxEntry, PendingMedia},
    notification::Notifications,
    table::{StoreError, Table},
};
use shared_domain::{notification::Notification, time::Timestamp};

/// The queues that outbox items go to.
#[derive(Debug, Clone)]
pub struct Queues {
    pub messages: SendQueues,
    pub notifications: MailQueue,
    pub media: MediaQueue,
}

/// Items of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxItems {
    /// Messages to send.
    pub messages: Vec<OutboxEntry>,
    /// Notifications to send by e-mail.
    pub notifications: Vec<Notification>,
    /// Inbound messages whose media must be copied.
    pub media: Vec<PendingMedia>,
}

/// How many items of a drain were queued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    pub queued: usize,
    /// Items that their queue did not accept. They stay in the outbox.
    pub failed: usize,
}

/// The workflow of the outbox.
#[derive(Debug, Clone)]
pub struct OutboxWorkflow {
    outbox: Outbox,
    notifications: Notifications,
    media: MediaFiles,
    queues: Queues,
}

impl OutboxWorkflow {
    pub fn new(table: &Table, queues: Queues) -> Self {
        Self {
            outbox: Outbox::new(table.clone()),
            notifications: Notifications::new(table.clone()),
            media: MediaFiles::new(table.clone()),
            queues,
        }
    }

    /// Returns the items that have been in the outbox for too long because the table's stream did not deliver
    /// them.
    pub async fn overdue(&self, now: Timestamp) -> Result<OutboxItems, StoreError> {
        Ok(OutboxItems {
            messages: self.outbox.overdue(now).await?,
            notifications: self.notifications.overdue(now).await?,
            media: self.media.overdue(now).await?,
        })
    }

    /// Queues items and removes them from the outbox. Every item is tried.
    pub async fn drain(&self, items: &OutboxItems) -> Drained {
        let mut drained = Drained::default();
        let queued = self.queues.messages.enqueue(&items.messages).await;
        for (entry, queued) in items.messages.iter().zip(queued) {
            if drained.count(&entry.message, queued) {
                log_kept(&entry.message, self.outbox.remove(entry).await);
            }
        }
        let queued = self.queues.notifications.enqueue(&items.notifications).await;
        for (notification, queued) in items.notifications.iter().zip(queued) {
            if drained.count(&notification.id, queued) {
                log_kept(&notification.id, self.notifications.remove(&notification.id).await);
            }
        }
        for pending in &items.media {
            let queued = self.queues.media.enqueue(&pending.jobs()).await.into_iter().collect();
            if drained.count(&pending.message, queued) {
                log_kept(&pending.message, self.media.remove(&pending.message).await);
            }
        }
        drained
    }
}

impl OutboxItems {
    pub fn len(&self) -> usize {
        self.messages.len() + self.notifications.len() + self.media.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drained {
    fn count(&mut self, item: impl Display, queued: Result<(), QueueError>) -> bool {
        match queued {
            Ok(()) => self.queued += 1,
            Err(error) => {
                self.failed += 1;
                tracing::error!(event = "outbox_item_not_queued", %item, %error, "outbox item not queued");
                return false;
            }
        }
        true
    }
}

/// An item that stays is queued again by the sweep.
fn log_kept(item: impl Display, removed: Result<(), StoreError>) {
    if let Err(error) = removed {
        tracing::warn!(event = "outbox_item_kept", %item, %error, "outbox item queued but not removed");
    }
}
