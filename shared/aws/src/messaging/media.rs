//! Files of messages: their place in the bucket, their state on the message, and inbound texts whose files are still to be
//! copied.
//!
//! A text with files leaves an outbox row under its own id; the relay makes a job of each file and removes the row. What a
//! lost stream record leaves behind, the sweep finds.

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, MediaId, MessageId, OrganizationId},
    media::Media,
    time::Timestamp,
};

use crate::{
    clients::queue::MediaJob,
    messaging::{outbox::SWEEP_AFTER, rows::MediaRow},
    table::{
        error::StoreError,
        item::{attribute, text},
        items::parse_id,
        keys,
        requests::Table,
    },
};

/// Texts taken up in one sweep.
const SWEEP_LIMIT: i32 = 50;

/// Where a file of a message is in the bucket.
pub fn stored_at(organization: &OrganizationId, inbox: &InboxId, media: &MediaId) -> String {
    format!("media/{organization}/{inbox}/{media}")
}

/// Where a file is put that a member wants to send.
pub fn uploaded_at(organization: &OrganizationId, inbox: &InboxId, media: &MediaId) -> String {
    format!("uploads/{organization}/{inbox}/{media}")
}

/// An inbound text whose files are to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMedia {
    /// The tenant.
    pub organization: OrganizationId,
    /// The text.
    pub message: MessageId,
    /// How many files it has.
    pub files: usize,
    /// Since when.
    pub at: Timestamp,
}

impl PendingMedia {
    /// A job for each file.
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
struct WaitingRow {
    org: String,
    sk: String,
    files: usize,
    at: Timestamp,
}

/// Files of messages, as far as the table knows of them.
#[derive(Debug, Clone)]
pub struct MediaFiles {
    table: Table,
}

impl MediaFiles {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The text that a stream record shows in its new image.
    ///
    /// # Errors
    /// [`StoreError`] when the image is no such row.
    pub fn of_image(image: serde_dynamo::Item) -> Result<PendingMedia, StoreError> {
        waiting(serde_dynamo::from_item(image)?)
    }

    /// Leaves a text's files for the relay: 1 write unit. Idempotent by the message's id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enqueue(&self, waiting: &PendingMedia) -> Result<(), StoreError> {
        let row = WaitingRow {
            org: waiting.organization.to_string(),
            sk: waiting.message.to_string(),
            files: waiting.files,
            at: waiting.at,
        };
        self.table.put(keys::media(&waiting.message), &row).await
    }

    /// Removes a text whose files are all in the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, message: &MessageId) -> Result<(), StoreError> {
        let key = keys::media(message).into_item();
        self.table.client.delete_item().table_name(&self.table.name).set_key(Some(key)).send().await?;
        Ok(())
    }

    /// Texts whose files no stream record brought to the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<PendingMedia>, StoreError> {
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :media")
            .expression_attribute_values(":media", text(keys::MEDIA))
            .limit(SWEEP_LIMIT)
            .send()
            .await?;
        let rows: Vec<WaitingRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        let mut texts = rows.into_iter().map(waiting).collect::<Result<Vec<_>, _>>()?;
        texts.retain(|waiting| waiting.at < now - SWEEP_AFTER);
        Ok(texts)
    }

    /// Writes down what became of a file: 1 write unit. `false` when it was stored before, or when there is no such file;
    /// what is stored stays so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resolve(&self, job: &MediaJob, media: &Media) -> Result<bool, StoreError> {
        let MediaJob { organization, message, place } = job;
        let Some(conversation) = message.conversation() else { return Ok(false) };
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::message(organization, &conversation, message).into_item()))
            .update_expression(format!("SET media[{place}] = :file"))
            .condition_expression(format!("media[{place}].id = :id AND media[{place}].#state <> :stored"))
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":file", attribute(&MediaRow::of(media))?)
            .expression_attribute_values(":id", text(&media.id))
            .expression_attribute_values(":stored", AttributeValue::S("stored".into()))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

fn waiting(row: WaitingRow) -> Result<PendingMedia, StoreError> {
    Ok(PendingMedia {
        organization: parse_id(&row.org)?,
        message: parse_id(&row.sk)?,
        files: row.files,
        at: row.at,
    })
}
