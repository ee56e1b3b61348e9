//! Keys of webhook endpoints and their deliveries.

use shared_domain::ids::{OrganizationId, WebhookDeliveryId, WebhookEndpointId};

use super::{Key, shard_of};

/// Partition of an organization's webhook endpoints.
pub fn webhooks_partition(organization: &OrganizationId) -> String {
    format!("{organization}#WEBHOOKS")
}

pub fn webhook_endpoint(organization: &OrganizationId, endpoint: &WebhookEndpointId) -> Key {
    Key::new(webhooks_partition(organization), endpoint.as_str())
}

/// Partition of the webhook endpoints with deliveries that wait, in the index `delivery-checks`.
pub fn webhook_checks_partition(shard: u64) -> String {
    format!("WEBHOOKS#{shard}")
}

/// The partition of a webhook endpoint among the [`webhook_checks_partition`]s.
pub fn webhook_checks(endpoint: &WebhookEndpointId) -> String {
    webhook_checks_partition(shard_of(endpoint.as_str()))
}

/// Partition of the deliveries to a webhook endpoint. Those that wait have it in the index `delivery-checks`
/// as well.
pub fn webhook_deliveries(organization: &OrganizationId, endpoint: &WebhookEndpointId) -> String {
    format!("{organization}#{endpoint}")
}

pub fn webhook_delivery(
    organization: &OrganizationId,
    endpoint: &WebhookEndpointId,
    delivery: &WebhookDeliveryId,
) -> Key {
    Key::new(webhook_deliveries(organization, endpoint), delivery.as_str())
}
