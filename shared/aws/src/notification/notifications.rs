//! Notices on their way: in the outbox until they are in the mail queue, and who was told of each.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, notice::Notification, time::Timestamp};

use crate::{
    messaging::outbox::SWEEP_AFTER,
    notification::rows::NotificationRow,
    table::{
        error::StoreError,
        item::{number, text},
        keys,
        requests::{Table, row},
    },
};

/// How long it is remembered who was told. A queue message lives for days.
const DEDUP_TTL: Duration = Duration::from_hours(90 * 24);
/// Notices taken up in one sweep.
const SWEEP_LIMIT: i32 = 50;

/// Notices.
#[derive(Debug, Clone)]
pub struct Notices {
    table: Table,
}

/// That one recipient was told.
#[derive(Debug, Serialize, Deserialize)]
struct ToldRow {
    /// Which call claimed it: a repetition of that call by the SDK, after a lost answer, finds its own claim.
    by: u64,
    at: Timestamp,
    ttl: i64,
}

impl Notices {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The notice that a stream record shows in its new image.
    ///
    /// # Errors
    /// [`StoreError`] when the image is no notice.
    pub fn of_image(image: serde_dynamo::Item) -> Result<Notification, StoreError> {
        let row: NotificationRow = serde_dynamo::from_item(image)?;
        Ok(row.notice()?)
    }

    /// A notice as it travels through the queue.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], without the content.
    pub fn of_text(body: &str) -> Result<Notification, StoreError> {
        let row: NotificationRow = serde_json::from_str(body)
            .map_err(|error| StoreError::Unreadable(format!("JSON, {:?}", error.classify())))?;
        Ok(row.notice()?)
    }

    /// What [`Notices::of_text`] reads.
    ///
    /// # Panics
    /// Never: ids, texts and numbers are always JSON.
    pub fn to_text(notice: &Notification) -> String {
        serde_json::to_string(&NotificationRow::of(notice)).expect("a notice is always JSON")
    }

    /// Leaves a notice for the relay: 1 write unit. Idempotent by the notice's id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enqueue(&self, notice: &Notification) -> Result<(), StoreError> {
        self.table.put(keys::notice(&notice.id), &NotificationRow::of(notice)).await
    }

    /// Removes a notice that is in the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, id: &str) -> Result<(), StoreError> {
        let key = keys::notice(id).into_item();
        self.table.client.delete_item().table_name(&self.table.name).set_key(Some(key)).send().await?;
        Ok(())
    }

    /// Notices that no stream record brought to the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<Notification>, StoreError> {
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :notices")
            .expression_attribute_values(":notices", text(keys::NOTICES))
            .limit(SWEEP_LIMIT)
            .send()
            .await?;
        let rows: Vec<NotificationRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        let mut notices = rows.into_iter().map(NotificationRow::notice).collect::<Result<Vec<_>, _>>()?;
        notices.retain(|notice| notice.at < now - SWEEP_AFTER);
        Ok(notices)
    }

    /// Claims one recipient of a notice before the e-mail goes out; `false` when it was claimed before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(
        &self,
        organization: &OrganizationId,
        notice: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = shared_lambda::clock::entropy();
        let claim = ToldRow { by, at: now, ttl: (now + DEDUP_TTL).seconds() };
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row(keys::told(organization, notice, address), &claim)?))
            .condition_expression("attribute_not_exists(pk) OR #by = :by")
            .expression_attribute_names("#by", "by")
            .expression_attribute_values(":by", number(by))
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// Gives a claim back: the e-mail surely did not go out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_back(
        &self,
        organization: &OrganizationId,
        notice: &str,
        address: &str,
    ) -> Result<(), StoreError> {
        let key = keys::told(organization, notice, address).into_item();
        self.table.client.delete_item().table_name(&self.table.name).set_key(Some(key)).send().await?;
        Ok(())
    }
}
