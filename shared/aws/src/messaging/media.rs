//! Attachments: where they are in the bucket, their state on the message, and inbound messages whose
//! attachments must be copied.
//!
//! An inbound message with attachments writes an outbox entry under its own id; the relay queues a job for
//! each attachment and removes the entry. If a stream record is lost, the sweep finds the entry.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{MediaId, MessageId, OrganizationId},
    keys::InboxKey,
    media::{Media, MediaState},
    message::{Direction, Message},
    time::Timestamp,
};

use crate::{
    clients::queue::MediaJob,
    messaging::{outbox::SWEEP_AFTER, rows::MediaRow},
    table::{
        error::StoreError,
        item::{attribute, text},
        keys,
        query::{KeyRange, Order},
        requests::Table,
    },
};

/// Maximum number of messages in a sweep.
const SWEEP_LIMIT: u16 = 50;

/// Returns the bucket key of an attachment.
pub fn stored_at(inbox: InboxKey<'_>, media: &Media) -> String {
    format!("media/{}/{}/{}", inbox.organization, inbox.inbox, media.file())
}

/// Returns the bucket key of a file that a member uploads to send it.
pub fn uploaded_at(inbox: InboxKey<'_>, media: &MediaId) -> String {
    format!("uploads/{}/{}/{media}", inbox.organization, inbox.inbox)
}

/// Returns the bucket keys under which a message may have files. A message that is sent again has none: its
/// files are those of the message that sends it.
pub fn files_of(organization: &OrganizationId, message: &Message) -> Vec<String> {
    if message.retried_by.is_some() {
        return Vec::new();
    }
    let inbox = InboxKey { organization, inbox: &message.inbox };
    let of_bucket = |media: &&Media| !matches!(media.state, MediaState::Linked { .. });
    let keys = |media: &Media| {
        let upload = (message.direction == Direction::Outbound).then(|| uploaded_at(inbox, &media.id));
        [Some(stored_at(inbox, media)), upload].into_iter().flatten()
    };
    message.media.iter().filter(of_bucket).flat_map(keys).collect()
}

/// An inbound message whose attachments must be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMedia {
    pub organization: OrganizationId,
    pub message: MessageId,
    /// The number of attachments.
    pub files: usize,
    /// The time at which it was added.
    pub at: Timestamp,
}

impl PendingMedia {
    /// Returns a job for each attachment.
    pub fn jobs(&self) -> Vec<MediaJob> {
        let job = |place| MediaJob {
            organization: self.organization.clone(),
            message: self.message.clone(),
            place,
        };
        (0..self.files).map(job).collect()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PendingRow {
    org: OrganizationId,
    sk: MessageId,
    files: usize,
    at: Timestamp,
}

impl PendingRow {
    fn pending(self) -> PendingMedia {
        PendingMedia { organization: self.org, message: self.sk, files: self.files, at: self.at }
    }
}

/// Attachments, as far as the table describes them.
#[derive(Debug, Clone)]
pub struct MediaFiles {
    table: Table,
}

impl MediaFiles {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Parses the new image of a stream record. Errors with `Corrupt` if it is not such an entry.
    pub fn of_image(image: serde_dynamo::Item) -> Result<PendingMedia, StoreError> {
        Ok(serde_dynamo::from_item::<_, PendingRow>(image)?.pending())
    }

    /// Adds the attachments of a message to the outbox. Costs 1 write unit. Idempotent by the message's id.
    pub async fn enqueue(&self, pending: &PendingMedia) -> Result<(), StoreError> {
        let PendingMedia { organization, message, files, at } = pending.clone();
        let key = keys::media(&message);
        self.table.put(key, &PendingRow { org: organization, sk: message, files, at }).await
    }

    /// Removes the entry of a message whose attachments are all queued.
    pub async fn remove(&self, message: &MessageId) -> Result<(), StoreError> {
        self.table.delete(keys::media(message)).await
    }

    /// Returns the messages that have been in the outbox for too long.
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<PendingMedia>, StoreError> {
        let page = self.table.page(KeyRange::all(keys::MEDIA), Order::Ascending, SWEEP_LIMIT, None).await?;
        let pending = page.items.into_iter().map(PendingRow::pending);
        Ok(pending.filter(|pending| pending.at < now - SWEEP_AFTER).collect())
    }

    /// Stores the outcome of copying an attachment: 1 write unit. `false` if it is stored already or does not
    /// exist; a stored attachment stays stored.
    pub async fn resolve(&self, job: &MediaJob, media: &Media) -> Result<bool, StoreError> {
        let MediaJob { organization, message, place } = job;
        let Some(conversation) = message.conversation() else { return Ok(false) };
        let row = attribute(&MediaRow::of(media))?;
        let updated = self.table.update_if(keys::message(organization, &conversation, message), |update| {
            update
                .update_expression(format!("SET media[{place}] = :media"))
                .condition_expression(format!("media[{place}].id = :id AND media[{place}].#state <> :stored"))
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":media", row)
                .expression_attribute_values(":id", text(media.file()))
                .expression_attribute_values(":stored", AttributeValue::S("stored".into()))
        });
        Ok(updated.await?.is_done())
    }
}
