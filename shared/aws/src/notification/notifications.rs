//! Notifications wait in the outbox until they are in the mail queue. Each recipient is then claimed before
//! the e-mail is sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, notification::Notification, time::Timestamp};
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

/// How long a claim is kept. Much longer than a queue message, which lives for days.
const DEDUP_TTL: Duration = Duration::from_hours(90 * 24);
/// Maximum number of notifications in a sweep.
const SWEEP_LIMIT: u16 = 50;

/// Notifications that wait for the mail queue, and the claims of their recipients.
#[derive(Debug, Clone)]
pub struct Notifications {
    table: Table,
}

/// The claim of one recipient of a notification.
#[derive(Debug, Serialize, Deserialize)]
struct RecipientRow {
    /// Identifies the call. If the SDK retries it after a lost response, the call finds its own claim.
    by: u64,
    at: Timestamp,
    ttl: i64,
}

impl Notifications {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Parses the new image of a stream record. Errors with `Corrupt` if it is not a notification.
    pub fn of_image(image: serde_dynamo::Item) -> Result<Notification, StoreError> {
        Ok(serde_dynamo::from_item::<_, NotificationRow>(image)?.notification())
    }

    /// Parses the body of a queue message. The error does not contain the body.
    pub fn of_text(body: &str) -> Result<Notification, StoreError> {
        let row: NotificationRow = serde_json::from_str(body)
            .map_err(|error| StoreError::Corrupt(format!("JSON, {:?}", error.classify())))?;
        Ok(row.notification())
    }

    /// Returns the body of a queue message, in the format of [`Notifications::of_text`].
    ///
    /// # Panics
    /// Never: ids, texts and numbers can always be written as JSON.
    pub fn to_text(notification: &Notification) -> String {
        serde_json::to_string(&NotificationRow::of(notification)).expect("a notification is always JSON")
    }

    /// Adds a notification to the outbox. Costs 1 write unit. Idempotent by the notification's id.
    pub async fn enqueue(&self, notification: &Notification) -> Result<(), StoreError> {
        self.table.put(keys::notification(&notification.id), &NotificationRow::of(notification)).await
    }

    /// Removes a notification from the outbox.
    pub async fn remove(&self, id: &str) -> Result<(), StoreError> {
        self.table.delete(keys::notification(id)).await
    }

    /// Returns the notifications that have been in the outbox for too long.
    pub async fn overdue(&self, now: Timestamp) -> Result<Vec<Notification>, StoreError> {
        let range = KeyRange::all(keys::NOTIFICATIONS);
        let page = self.table.page(range, Order::Ascending, SWEEP_LIMIT, None).await?;
        let notifications = page.items.into_iter().map(NotificationRow::notification);
        Ok(notifications.filter(|notification| notification.at < now - SWEEP_AFTER).collect())
    }

    /// Claims a recipient of a notification. `false` if the recipient is already claimed.
    pub async fn claim(
        &self,
        organization: &OrganizationId,
        notification: &str,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = clock::entropy();
        let claim = RecipientRow { by, at: now, ttl: (now + DEDUP_TTL).seconds() };
        let key = keys::recipient_claim(organization, notification, address);
        let put = self.table.put_if(key, &claim, |put| {
            put.condition_expression("attribute_not_exists(pk) OR #by = :by")
                .expression_attribute_names("#by", "by")
                .expression_attribute_values(":by", number(by))
        });
        Ok(put.await?.is_done())
    }

    /// Removes a claim. Call it only if the e-mail was certainly not sent.
    pub async fn release_claim(
        &self,
        organization: &OrganizationId,
        notification: &str,
        address: &str,
    ) -> Result<(), StoreError> {
        self.table.delete(keys::recipient_claim(organization, notification, address)).await
    }
}
