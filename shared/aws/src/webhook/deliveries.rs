//! The deliveries of events to webhook endpoints. Each change of a delivery has the condition that its
//! version is the one that was read, so an attempt is counted once.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | new delivery | 1 | 1 write for each kilobyte |
//! | outcome of an attempt | 1 | 1 write for each kilobyte; 1 more for its entry in the index, if it waits |
//! | a page of 25 deliveries | 1 | read by size |
//!
//! A delivery whose next attempt is too far away for the queue waits in the table, and so do all others of an
//! endpoint whose circuit is open. A sparse index lists those of one endpoint by time.

use serde::Deserialize;
use shared_domain::{
    ids::{OrganizationId, WebhookDeliveryId, WebhookEndpointId},
    time::Timestamp,
    webhook::delivery::{Delivery, DeliveryState},
};

use crate::{
    table::{
        error::StoreError,
        item::{from_item, number, text},
        keys,
        query::{KeyRange, Order, Page},
        requests::{Conditional, Table},
    },
    webhook::rows::DeliveryRow,
};

/// A delivery that waits in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDelivery {
    pub id: WebhookDeliveryId,
    /// When it is due.
    pub at: Timestamp,
}

/// An entry of the index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WaitingRow {
    sk: WebhookDeliveryId,
    check_at: Timestamp,
}

/// The deliveries of events to webhook endpoints.
#[derive(Debug, Clone)]
pub struct WebhookDeliveries {
    table: Table,
}

impl WebhookDeliveries {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores a new delivery. `false` if it exists.
    pub async fn create(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let key = keys::webhook_delivery(&delivery.organization, &delivery.endpoint, &delivery.id);
        Ok(self.table.put_new(key, &DeliveryRow::of(delivery)).await?.is_done())
    }

    /// Returns a delivery, read consistently.
    pub async fn get(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        delivery: &WebhookDeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let row: Option<DeliveryRow> =
            self.table.get(keys::webhook_delivery(organization, endpoint, delivery), true).await?;
        Ok(row.map(DeliveryRow::delivery))
    }

    /// Returns a page of the deliveries to an endpoint, newest first.
    pub async fn page(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Delivery>, StoreError> {
        let range = KeyRange::all(keys::webhook_deliveries(organization, endpoint));
        let page = self.table.page(range, Order::Descending, limit, after).await?;
        Ok(page.map(DeliveryRow::delivery))
    }

    /// Returns at most `limit` failed deliveries of a time range, the oldest first. Reads all deliveries of
    /// the range until then.
    pub async fn failed(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        since: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let place = |at| WebhookDeliveryId::first_at(at).to_string();
        let partition = keys::webhook_deliveries(organization, endpoint);
        if since >= until {
            return Ok(Vec::new());
        }
        let range = KeyRange::between(partition, place(since), place(until));
        let mut items = self.table.query(&range).consistent_read(true).into_paginator().items().send();
        let mut failed = Vec::new();
        while let Some(item) = items.next().await {
            let row: DeliveryRow = from_item(item?)?;
            if row.state == DeliveryState::Failed {
                failed.push(row.delivery());
            }
            if failed.len() == limit {
                break;
            }
        }
        Ok(failed)
    }

    /// Deletes the deliveries to an endpoint whose body contains one of these texts, also those that wait.
    /// Returns how many there were. Reads all deliveries of the endpoint.
    pub async fn erase(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        texts: &[String],
    ) -> Result<usize, StoreError> {
        let range = KeyRange::all(keys::webhook_deliveries(organization, endpoint));
        let mut rows: Vec<DeliveryRow> = self.table.all(&range).await?;
        rows.retain(|row| texts.iter().any(|text| row.body.contains(text)));
        for row in &rows {
            self.table.delete(keys::webhook_delivery(organization, endpoint, &row.id)).await?;
        }
        Ok(rows.len())
    }

    /// Stores a changed delivery, unless it was changed or removed since the version before. With `waits`,
    /// it waits in the table until then.
    pub async fn save(&self, delivery: &Delivery, waits: Option<Timestamp>) -> Result<bool, StoreError> {
        let key = keys::webhook_delivery(&delivery.organization, &delivery.endpoint, &delivery.id);
        let check_in = waits.map(|_| keys::webhook_deliveries(&delivery.organization, &delivery.endpoint));
        let row = DeliveryRow { check_in, check_at: waits, ..DeliveryRow::of(delivery) };
        let put = self.table.put_if(key, &row, |put| {
            put.condition_expression("version = :before")
                .expression_attribute_values(":before", number(delivery.version.saturating_sub(1)))
        });
        Ok(put.await?.is_done())
    }

    /// Makes a pending delivery wait in the table, unless it was changed since it was read. Its attempts and
    /// its version stay the same.
    pub async fn wait(&self, delivery: &Delivery, until: Timestamp) -> Result<(), StoreError> {
        let Delivery { organization, endpoint, id, version, .. } = delivery;
        let updated = self.table.update_if(keys::webhook_delivery(organization, endpoint, id), |update| {
            update
                .update_expression("SET checkIn = :partition, checkAt = :at")
                .condition_expression("version = :version")
                .expression_attribute_values(
                    ":partition",
                    text(keys::webhook_deliveries(organization, endpoint)),
                )
                .expression_attribute_values(":at", number(until.millis()))
                .expression_attribute_values(":version", number(version))
        });
        updated.await.map(drop)
    }

    /// Returns at most `limit` deliveries to an endpoint that wait, in the order in which they are due.
    pub async fn waiting(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        limit: u16,
    ) -> Result<Vec<WaitingDelivery>, StoreError> {
        let query = self.table.client.query().table_name(&self.table.name);
        let found = query
            .index_name(keys::DELIVERY_CHECKS)
            .key_condition_expression("checkIn = :partition")
            .expression_attribute_values(":partition", text(keys::webhook_deliveries(organization, endpoint)))
            .limit(i32::from(limit))
            .send()
            .await?;
        let rows = found.items.unwrap_or_default().into_iter().map(from_item::<WaitingRow>);
        rows.map(|row| row.map(|WaitingRow { sk, check_at }| WaitingDelivery { id: sk, at: check_at }))
            .collect()
    }

    /// Takes a delivery that waits: it is due again at `lease` only if no attempt is stored until then.
    /// `None` if it does not wait any more.
    pub async fn take(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        waiting: &WaitingDelivery,
        lease: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let updated =
            self.table.update_if(keys::webhook_delivery(organization, endpoint, &waiting.id), |update| {
                update
                    .update_expression("SET checkAt = :lease")
                    .condition_expression("checkAt = :at")
                    .expression_attribute_values(":at", number(waiting.at.millis()))
                    .expression_attribute_values(":lease", number(lease.millis()))
                    .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
            });
        match updated.await? {
            Conditional::Done(item) => Ok(Some(from_item::<DeliveryRow>(item)?.delivery())),
            Conditional::Failed(_) => Ok(None),
        }
    }
}
