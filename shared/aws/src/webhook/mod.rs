//! Outgoing webhooks: endpoints, and deliveries of events to them.

pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod rows;

pub use self::{
    deliveries::{WaitingDelivery, WebhookDeliveries},
    endpoints::{CreateEndpointOutcome, DueEndpoint, EndpointChange, WebhookEndpoints},
};
