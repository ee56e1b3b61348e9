//! Endpoints of outgoing webhooks, and their deliveries.

use serde::{Deserialize, Serialize};
use shared_domain::webhook::{
    delivery::{Attempt, AttemptError, Delivery},
    endpoint::{DisabledReason, EndpointScope, WebhookEndpoint},
};
use utoipa::ToSchema;

use super::values::{DeliveryError, DisabledReasonName, WebhookDeliveryState, WebhookEndpointStatus};

/// An endpoint that gets events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointView {
    /// ID of the endpoint.
    pub endpoint_id: String,
    /// URL that events are sent to.
    pub url: String,
    /// Types that it gets: one type, all types with a first part (`message.*`), or all (`*`).
    pub types: Vec<String>,
    /// IDs of the inboxes whose events it gets. Empty for all, and for the events of teams.
    pub inbox_ids: Vec<String>,
    /// IDs of the teams whose events it gets. Absent for all teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_ids: Option<Vec<String>>,
    /// Your description.
    #[schema(required)]
    pub description: Option<String>,
    #[schema(value_type = WebhookEndpointStatus)]
    pub status: &'static str,
    /// Why it is disabled. Absent if it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DisabledReasonName>)]
    pub disabled_reason: Option<&'static str>,
    /// Time of the first failure since the latest success. `null` if the latest delivery succeeded.
    #[schema(required, format = DateTime)]
    pub failing_since: Option<String>,
    /// Time when the endpoint was created.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl WebhookEndpointView {
    pub fn of(endpoint: &WebhookEndpoint) -> Self {
        Self {
            endpoint_id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            types: endpoint.types.iter().map(ToString::to_string).collect(),
            inbox_ids: endpoint.inboxes.iter().map(ToString::to_string).collect(),
            team_ids: match &endpoint.scope {
                EndpointScope::Organization => None,
                EndpointScope::Teams(teams) => Some(teams.iter().map(ToString::to_string).collect()),
            },
            description: endpoint.description.clone(),
            status: if endpoint.disabled.is_some() { "disabled" } else { "enabled" },
            disabled_reason: endpoint.disabled.map(DisabledReason::as_str),
            failing_since: endpoint.health.failing_since.map(|since| since.to_string()),
            created_at: endpoint.created_at.to_string(),
        }
    }
}

/// An endpoint with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookEndpointWithSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: WebhookEndpointView,
    /// Secret that verifies signatures, in this response only. Absent if the request is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An endpoint to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewWebhookEndpoint {
    /// An `https` URL at port 443 or 8443 of a host on the public internet.
    pub url: String,
    /// 1 to 20 types: one type, all types with a first part (`message.*`), or all (`*`). Events of locks are
    /// not sent.
    pub types: Vec<String>,
    /// At most 100 inboxes whose events it gets. Without it, the endpoint gets the events of all your
    /// inboxes, and those of teams.
    pub inbox_ids: Option<Vec<String>>,
    /// At most 200 characters.
    pub description: Option<String>,
}

/// Changes of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointChanges {
    /// An `https` URL at port 443 or 8443 of a host on the public internet.
    pub url: Option<String>,
    /// 1 to 20 types.
    pub types: Option<Vec<String>>,
    /// At most 100 inboxes. An empty list means all.
    pub inbox_ids: Option<Vec<String>>,
    /// At most 200 characters. An empty text removes it.
    pub description: Option<String>,
    /// `enabled` forgets earlier failures. A disabled endpoint gets no events.
    #[schema(value_type = Option<WebhookEndpointStatus>)]
    pub status: Option<String>,
}

/// An attempt to deliver an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    /// Time when the attempt began.
    #[schema(format = DateTime)]
    pub at: String,
    /// HTTP status of the response. `null` if there was none.
    #[schema(required)]
    pub status: Option<u16>,
    /// Time until the response, in milliseconds.
    pub ms: u64,
    /// Why there was no response, or why it was not accepted. `null` if the status says it.
    #[schema(required, value_type = Option<DeliveryError>)]
    pub error: Option<&'static str>,
}

impl AttemptView {
    fn of(attempt: &Attempt) -> Self {
        Self {
            at: attempt.at.to_string(),
            status: attempt.status,
            ms: attempt.ms,
            error: attempt.error.map(AttemptError::as_str),
        }
    }
}

/// A delivery of an event to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeliveryView {
    /// ID of the delivery.
    pub delivery_id: String,
    /// The header `webhook-id` of all attempts, also of replays: the ID of the event.
    pub webhook_id: String,
    /// Type of the event, or `test`.
    #[serde(rename = "type")]
    pub kind: String,
    #[schema(value_type = WebhookDeliveryState)]
    pub state: &'static str,
    /// The latest attempts, at most 20, in their order.
    pub attempts: Vec<AttemptView>,
    /// Planned time of the next attempt. `null` if none is planned.
    #[schema(required, format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// Time of the event.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl WebhookDeliveryView {
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            delivery_id: delivery.id.to_string(),
            webhook_id: delivery.event.to_string(),
            kind: delivery.kind.clone(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts.iter().map(AttemptView::of).collect(),
            next_attempt_at: delivery.next_attempt_at.map(|at| at.to_string()),
            created_at: delivery.created_at.to_string(),
        }
    }
}

/// Failed deliveries to send again.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RecoverDeliveries {
    /// Time of the first events, in RFC 3339. Deliveries are kept for 14 days.
    #[schema(format = DateTime)]
    pub since: String,
    /// Time after the last events. Without it, the time of the request.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// Deliveries that are sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveredDeliveries {
    /// Number of deliveries, at most 1,000. Repeat the request until it is 0.
    pub queued: u64,
}
