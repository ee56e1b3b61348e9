//! The webhook endpoints of organizations. All endpoints of an organization are in one partition, so one
//! query finds those that get an event.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | endpoints that get an event | 1 | read by size, eventually consistent: 0.5 for about 8 |
//! | first failure after a success, and each further one | 1 | 1 write |
//! | success while nothing failed | 0 | 0 |
//! | success after a failure | 1 | 1 write |
//! | endpoints that are due | 1 for each of four partitions | read by size: 0.5 each if there are none |
//!
//! An endpoint with deliveries that wait has an entry in a sparse index with the time of its next check. A
//! dead endpoint with many deliveries is therefore one entry, and does not delay the checks of others.

use serde::Deserialize;
use shared_domain::{
    event::{EventScope, EventType},
    ids::{InboxId, OrganizationId, TeamId, WebhookEndpointId},
    keys::TeamKey,
    time::Timestamp,
    webhook::{
        endpoint::{DisabledReason, EndpointScope, TypePattern, WebhookEndpoint},
        health::Health,
        signature::EndpointSecrets,
    },
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{attribute, from_item, number, text},
        keys,
        query::KeyRange,
        requests::{Conditional, EXISTS, Table},
        transaction::Transaction,
    },
    team::audit::AuditEvent,
    webhook::rows::EndpointRow,
};

/// Maximum number of endpoints of an index partition in a sweep.
const SWEEP_LIMIT: i32 = 100;

/// The outcome of [`WebhookEndpoints::create`] and [`WebhookEndpoints::rotate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateEndpointOutcome {
    Done,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
    /// Another request changed or removed the endpoint in the meantime.
    Changed,
}

/// New values of an endpoint. `None` keeps the present one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub types: Option<Vec<TypePattern>>,
    pub inboxes: Option<Vec<InboxId>>,
    pub description: Option<Option<String>>,
    /// Enabling forgets earlier failures.
    pub enabled: Option<bool>,
}

/// An endpoint whose deliveries must be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEndpoint {
    pub organization: OrganizationId,
    pub endpoint: WebhookEndpointId,
    /// When it was due.
    pub at: Timestamp,
}

/// An entry of the index.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueRow {
    /// `org_#WEBHOOKS`
    pk: String,
    sk: WebhookEndpointId,
    check_at: Timestamp,
}

/// The webhook endpoints of organizations.
#[derive(Debug, Clone)]
pub struct WebhookEndpoints {
    table: Table,
}

impl WebhookEndpoints {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns all endpoints of an organization, the oldest first.
    pub async fn list(&self, organization: &OrganizationId) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let rows: Vec<EndpointRow> =
            self.table.all(&KeyRange::all(keys::webhooks_partition(organization))).await?;
        rows.into_iter().map(EndpointRow::endpoint).collect()
    }

    /// Returns the enabled endpoints that get an event, see [`WebhookEndpoint::gets`].
    pub async fn for_event(
        &self,
        kind: EventType,
        scope: &EventScope,
        team: Option<&TeamId>,
    ) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let range = KeyRange::all(keys::webhooks_partition(scope.organization()));
        let mut items = self.table.query(&range).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = items.next().await {
            let endpoint = from_item::<EndpointRow>(item?)?.endpoint()?;
            if endpoint.gets(kind, scope, team) {
                found.push(endpoint);
            }
        }
        Ok(found)
    }

    /// Returns an endpoint, read consistently.
    pub async fn get(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let row: Option<EndpointRow> =
            self.table.get(keys::webhook_endpoint(organization, endpoint), true).await?;
        row.map(EndpointRow::endpoint).transpose()
    }

    /// Adds an endpoint, with an entry in the audit trail of each of its teams, or of the organization.
    pub async fn create(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpoint,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<CreateEndpointOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction
            .put_new(keys::webhook_endpoint(organization, &endpoint.id), &EndpointRow::of(endpoint))?;
        self.commit(transaction, organization, endpoint, event, key).await
    }

    /// Replaces the secrets of an endpoint, unless they changed since `endpoint` was read.
    pub async fn rotate(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpoint,
        secrets: &EndpointSecrets,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<CreateEndpointOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let (before, after) = (attribute(&endpoint.secrets)?, attribute(secrets)?);
        transaction.update(keys::webhook_endpoint(organization, &endpoint.id), |update| {
            update
                .update_expression("SET secrets = :after")
                .condition_expression("secrets = :before")
                .expression_attribute_values(":before", before)
                .expression_attribute_values(":after", after)
        })?;
        self.commit(transaction, organization, endpoint, event, key).await
    }

    /// Changes an endpoint. `false` if it does not exist.
    pub async fn update(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpoint,
        change: &EndpointChange,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut set = vec!["id = id"];
        let mut remove = Vec::new();
        let mut values = Vec::new();
        if let Some(url) = &change.url {
            set.push("#url = :url");
            values.push((":url", text(url)));
        }
        if let Some(types) = &change.types {
            set.push("types = :types");
            values.push((":types", attribute(&types.iter().map(TypePattern::as_str).collect::<Vec<_>>())?));
        }
        if let Some(inboxes) = &change.inboxes {
            set.push("inboxes = :inboxes");
            values.push((":inboxes", attribute(inboxes)?));
        }
        match &change.description {
            Some(Some(description)) => {
                set.push("description = :description");
                values.push((":description", text(description)));
            }
            Some(None) => remove.push("description"),
            None => {}
        }
        match change.enabled {
            Some(true) => {
                remove.extend(["disabled", "failingSince"]);
                set.push("failures = :zero");
                values.push((":zero", number(0)));
            }
            Some(false) => {
                set.push("disabled = if_not_exists(disabled, :disabled)");
                values.push((":disabled", text(DisabledReason::ByUser.as_str())));
            }
            None => {}
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE {}", remove.join(", "));
        }
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::webhook_endpoint(organization, &endpoint.id), |update| {
            let update = update.update_expression(expression).condition_expression(EXISTS);
            let update =
                if change.url.is_some() { update.expression_attribute_names("#url", "url") } else { update };
            values
                .into_iter()
                .fold(update, |update, (name, value)| update.expression_attribute_values(name, value))
        })?;
        Ok(self.commit(transaction, organization, endpoint, event, None).await?
            == CreateEndpointOutcome::Done)
    }

    /// Removes an endpoint. `false` if it does not exist. Its deliveries are kept until they expire.
    pub async fn remove(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpoint,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let key = keys::webhook_endpoint(organization, &endpoint.id);
        transaction.delete_if(key, |delete| delete.condition_expression(EXISTS))?;
        Ok(self.commit(transaction, organization, endpoint, event, None).await?
            == CreateEndpointOutcome::Done)
    }

    async fn commit(
        &self,
        mut transaction: Transaction<'_>,
        organization: &OrganizationId,
        endpoint: &WebhookEndpoint,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<CreateEndpointOutcome, StoreError> {
        match &endpoint.scope {
            EndpointScope::Organization => {
                event.write_for_organization(&mut transaction, organization)?;
            }
            EndpointScope::Teams(teams) => {
                for team in teams {
                    event.write(&mut transaction, TeamKey { organization, team })?;
                }
            }
        }
        let used_key = match key {
            Some(key) => Some(key.write(&mut transaction, organization, endpoint.id.as_str(), event.at)?),
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            CreateEndpointOutcome::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            CreateEndpointOutcome::KeyTaken
        } else {
            CreateEndpointOutcome::Changed
        })
    }

    /// Counts a failure. Returns the health after it. `None` if the endpoint does not exist.
    pub async fn record_failure(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        now: Timestamp,
    ) -> Result<Option<Health>, StoreError> {
        let updated = self.table.update_if(keys::webhook_endpoint(organization, endpoint), |update| {
            update
                .update_expression("SET failingSince = if_not_exists(failingSince, :now) ADD failures :one")
                .condition_expression(EXISTS)
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":one", number(1))
                .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
        });
        match updated.await? {
            Conditional::Done(item) => Ok(Some(from_item::<EndpointRow>(item)?.endpoint()?.health)),
            Conditional::Failed(_) => Ok(None),
        }
    }

    /// Forgets earlier failures.
    pub async fn record_success(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::webhook_endpoint(organization, endpoint), |update| {
            update
                .update_expression("SET failures = :zero REMOVE failingSince")
                .condition_expression(EXISTS)
                .expression_attribute_values(":zero", number(0))
        });
        updated.await.map(drop)
    }

    /// Disables an endpoint, unless it is disabled.
    pub async fn disable(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        reason: DisabledReason,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::webhook_endpoint(organization, endpoint), |update| {
            update
                .update_expression("SET disabled = :reason")
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(disabled)")
                .expression_attribute_values(":reason", text(reason.as_str()))
        });
        updated.await.map(drop)
    }

    /// Makes an endpoint due at a time, unless it is due earlier. Costs 1 write unit, or 2 if it is changed.
    pub async fn check_at(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::webhook_endpoint(organization, endpoint), |update| {
            update
                .update_expression("SET checkIn = :partition, checkAt = :at")
                .condition_expression(
                    "attribute_exists(pk) AND (attribute_not_exists(checkAt) OR checkAt > :at)",
                )
                .expression_attribute_values(":partition", text(keys::webhook_checks(endpoint)))
                .expression_attribute_values(":at", number(at.millis()))
        });
        updated.await.map(drop)
    }

    /// Returns the endpoints that were due at `until` or earlier.
    pub async fn due(&self, until: Timestamp) -> Result<Vec<DueEndpoint>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..keys::OUTBOX_SHARDS {
            let query = self.table.client.query().table_name(&self.table.name);
            let found = query
                .index_name(keys::DELIVERY_CHECKS)
                .key_condition_expression("checkIn = :partition AND checkAt <= :until")
                .expression_attribute_values(":partition", text(keys::webhook_checks_partition(shard)))
                .expression_attribute_values(":until", number(until.millis()))
                .limit(SWEEP_LIMIT)
                .send()
                .await?;
            for item in found.items.unwrap_or_default() {
                let DueRow { pk, sk, check_at } = from_item(item)?;
                let organization = OrganizationId::parse(pk.split('#').next().unwrap_or_default())?;
                due.push(DueEndpoint { organization, endpoint: sk, at: check_at });
            }
        }
        due.sort_by_key(|due| due.at);
        Ok(due)
    }

    /// Moves the check of an endpoint. `false` if it was moved since it was read, or the endpoint is removed.
    pub async fn move_check(&self, due: &DueEndpoint, next: Timestamp) -> Result<bool, StoreError> {
        let updated =
            self.table.update_if(keys::webhook_endpoint(&due.organization, &due.endpoint), |update| {
                update
                    .update_expression("SET checkAt = :next")
                    .condition_expression("checkAt = :at")
                    .expression_attribute_values(":at", number(due.at.millis()))
                    .expression_attribute_values(":next", number(next.millis()))
            });
        Ok(updated.await?.is_done())
    }
}
