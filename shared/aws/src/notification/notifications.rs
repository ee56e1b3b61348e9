//! Notifications on their way: in the outbox until they are in the mail queue, and which recipients were notified.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, notice::Notification, time::Timestamp};
use shared_lambda::clock;

use crate::{
    messaging::outbox::SWEEP_AFTER,
    notification::rows::NotificationRow,
    table::{
        error::StoreError,
        item::number,
        keys,
        query::{KeyRange, Order},
        requests::Table,
    },
};

/// How long a recipient's claim is remembered. A queue message lives for days.
const DEDUP_TTL: Duration = Duration::from_hours(90 * 24);
/// The most notifications in one sweep.
const SWEEP_LIMIT: u16 = 50;

/// Notifications that wait for the mail queue, and the claims of their recipients.
#[derive(Debug, Clone)]
pub struct Notifications {
    table: Table,
}

/// The claim of one recipient of a notification.
#[derive(Debug, Serialize, Deserialize)]
struct RecipientRow {
    /// The call that claimed it. If the SDK retries the call after a lost answer, the call finds its own claim.
    by: u64,
    at: Timestamp,
    ttl: i64,
}

impl Notifications {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The notification in the new image of a stream record. Corrupt if the image is not a notification.
    pub fn of_image(image: serde_dynamo::Item) -> Result<Notification, StoreError> {
        Ok(serde_dynamo::from_item::<_, NotificationRow>(image)?.notification())
    }

    /// Reads a notification from the body of a queue message. The error does not contain the content.
    pub fn of_text(body: &str) -> Result<Notification, StoreError> {
        let row: NotificationRow = serde_json::from_str(body)
            .map_err(|error| StoreError::Corrupt(format!("JSON, {:?}", error.classify())))?;
        Ok(row.notification())
    }

    /// The body of a queue message, as [`Notifications::of_text`] reads it.
    ///
    /// # Panics
    /// Never: ids, texts and numbers can always be written as JSON.
    pub fn to_text(notification: &Notification) -> String {
        serde_json::to_string(&NotificationRow::of(notification)).expect("a notification is always JSON")
    }

    /// Leaves a notification for the relay: 1 write unit. Idempotent by the notification's id.
    pub async fn enqueue(&self, notification: &Notification) -> Result<(), StoreError> {
        self.table.put(keys::notification(&notification.id), &NotificationRow::of(notification)).await
    }

    /// Removes a notification that is in the queue.
    pub async fn remove(&self, id: &str) -> Result<(), StoreError> {
        self.table.delete(keys::notification(id)).await
    }

    /// Notifications that the relay missed.
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<Notification>, StoreError> {
        let range = KeyRange::all(keys::NOTIFICATIONS);
        let page = self.table.page(range, Order::Ascending, SWEEP_LIMIT, None).await?;
        let notifications = page.items.into_iter().map(NotificationRow::notification);
        Ok(notifications.filter(|notification| notification.at < now - SWEEP_AFTER).collect())
    }

    /// Claims one recipient of a notification before the e-mail is sent. `false` if the recipient was claimed before.
    pub async fn claim(
        &self,
        organization: &OrganizationId,
        notification: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = clock::entropy();
        let claim = RecipientRow { by, at: now, ttl: (now + DEDUP_TTL).seconds() };
        let key = keys::notified(organization, notification, address);
        let put = self.table.put_if(key, &claim, |put| {
            put.condition_expression("attribute_not_exists(pk) OR #by = :by")
                .expression_attribute_names("#by", "by")
                .expression_attribute_values(":by", number(by))
        });
        Ok(put.await?.is_done())
    }

    /// Removes a claim after the e-mail was certainly not sent.
    pub async fn unclaim(
        &self,
        organization: &OrganizationId,
        notification: &str,
        address: &str,
    ) -> Result<(), StoreError> {
        self.table.delete(keys::notified(organization, notification, address)).await
    }
}
