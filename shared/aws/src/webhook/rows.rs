//! Stored endpoints and deliveries.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{EventId, InboxId, OrganizationId, TeamId, UserId, WebhookDeliveryId, WebhookEndpointId},
    time::Timestamp,
    webhook::{
        delivery::{Attempt, DELIVERY_RETENTION, Delivery, DeliveryState},
        endpoint::{DisabledReason, EndpointScope, TypePattern, WebhookEndpoint},
        health::Health,
        signature::EndpointSecrets,
    },
};

use crate::table::error::StoreError;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointRow {
    pub id: WebhookEndpointId,
    pub url: String,
    pub types: Vec<String>,
    /// Absent if the endpoint gets the events of the whole organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<TeamId>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inboxes: Vec<InboxId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    pub secrets: EndpointSecrets,
    #[serde(default)]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    pub created_by: UserId,
    pub created_at: Timestamp,
}

impl EndpointRow {
    pub(crate) fn of(endpoint: &WebhookEndpoint) -> Self {
        let endpoint = endpoint.clone();
        Self {
            id: endpoint.id,
            url: endpoint.url,
            types: endpoint.types.iter().map(ToString::to_string).collect(),
            teams: match endpoint.scope {
                EndpointScope::Organization => None,
                EndpointScope::Teams(teams) => Some(teams),
            },
            inboxes: endpoint.inboxes,
            description: endpoint.description,
            disabled: endpoint.disabled.map(|reason| reason.as_str().to_owned()),
            secrets: endpoint.secrets,
            failures: endpoint.health.failures,
            failing_since: endpoint.health.failing_since,
            created_by: endpoint.created_by,
            created_at: endpoint.created_at,
        }
    }

    /// A pattern that matches no type any more is ignored.
    pub(crate) fn endpoint(self) -> Result<WebhookEndpoint, StoreError> {
        let disabled = self.disabled.map(|name| {
            DisabledReason::parse(&name)
                .ok_or_else(|| StoreError::Corrupt("why an endpoint is disabled".into()))
        });
        Ok(WebhookEndpoint {
            id: self.id,
            url: self.url,
            types: self.types.iter().filter_map(|text| TypePattern::parse(text)).collect(),
            scope: self.teams.map_or(EndpointScope::Organization, EndpointScope::Teams),
            inboxes: self.inboxes,
            description: self.description,
            disabled: disabled.transpose()?,
            secrets: self.secrets,
            health: Health { failures: self.failures, failing_since: self.failing_since },
            created_by: self.created_by,
            created_at: self.created_at,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryRow {
    pub id: WebhookDeliveryId,
    pub org: OrganizationId,
    pub endpoint: WebhookEndpointId,
    pub event: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    pub body: String,
    pub state: DeliveryState,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    pub tries: u32,
    pub version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub ttl: i64,
    /// Set while the delivery waits in the table: a partition and a time of the index `delivery-checks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_at: Option<Timestamp>,
}

impl DeliveryRow {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        let delivery = delivery.clone();
        Self {
            id: delivery.id,
            org: delivery.organization,
            endpoint: delivery.endpoint,
            event: delivery.event,
            kind: delivery.kind,
            body: delivery.body,
            state: delivery.state,
            attempts: delivery.attempts,
            tries: delivery.tries,
            version: delivery.version,
            next_attempt_at: delivery.next_attempt_at,
            created_at: delivery.created_at,
            ttl: (delivery.created_at + DELIVERY_RETENTION).seconds(),
            check_in: None,
            check_at: None,
        }
    }

    pub(crate) fn delivery(self) -> Delivery {
        Delivery {
            id: self.id,
            organization: self.org,
            endpoint: self.endpoint,
            event: self.event,
            kind: self.kind,
            body: self.body,
            state: self.state,
            attempts: self.attempts,
            tries: self.tries,
            version: self.version,
            next_attempt_at: self.next_attempt_at,
            created_at: self.created_at,
        }
    }
}
