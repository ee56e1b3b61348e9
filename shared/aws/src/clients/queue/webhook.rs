//! The webhook queue: attempts to deliver an event to a webhook endpoint. Standard, with one message group
//! per endpoint: SQS delivers the messages of other endpoints first while one endpoint has many (fair
//! queues). The version of a delivery makes a repeated message harmless.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, WebhookDeliveryId, WebhookEndpointId},
    webhook::delivery::Delivery,
};

use super::{InvalidJob, Queue, QueueError};
use crate::clients::client::Aws;

/// An attempt to make: `{"organizationId", "endpointId", "deliveryId", "version", "probe"?}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookJob {
    #[serde(rename = "organizationId")]
    pub organization: OrganizationId,
    #[serde(rename = "endpointId")]
    pub endpoint: WebhookEndpointId,
    #[serde(rename = "deliveryId")]
    pub delivery: WebhookDeliveryId,
    /// The version of the delivery when the attempt was planned.
    pub version: u32,
    /// Whether the attempt is made although the endpoint's circuit is open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
}

impl WebhookJob {
    /// The next attempt of a delivery.
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            organization: delivery.organization.clone(),
            endpoint: delivery.endpoint.clone(),
            delivery: delivery.id.clone(),
            version: delivery.version,
            probe: false,
        }
    }

    /// Parses the body of a queue message. The error does not contain the body.
    pub fn parse(body: &str) -> Result<Self, InvalidJob> {
        super::parse(body)
    }

    /// Returns the body of a queue message.
    pub fn body(&self) -> String {
        super::body(self)
    }
}

#[derive(Debug, Clone)]
pub struct WebhookQueue(Queue);

impl WebhookQueue {
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self(Queue::new(aws, url))
    }

    /// Adds messages that the queue delivers after `delay` (whole seconds, at most 900).
    pub async fn enqueue(&self, jobs: &[WebhookJob], delay: Duration) -> Vec<Result<(), QueueError>> {
        let delay = i32::try_from(delay.as_secs()).unwrap_or(900).min(900);
        let request = |job: &WebhookJob| {
            SendMessageBatchRequestEntry::builder()
                .message_body(job.body())
                .message_group_id(job.endpoint.to_string())
                .delay_seconds(delay)
        };
        let requests: Vec<_> = jobs.iter().map(request).collect();
        self.0.put_in_any_order(&requests).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_round_trips_and_other_bodies_are_refused() {
        let body = r#"{"organizationId":"org_1","endpointId":"wep_1","deliveryId":"del_1","version":3}"#;
        let job = WebhookJob::parse(body).unwrap();
        assert_eq!((job.version, job.probe, job.body().as_str()), (3, false, body));
        let probe = WebhookJob { probe: true, ..job };
        assert_eq!(WebhookJob::parse(&probe.body()).unwrap(), probe);
        for body in ["", "{}", "[]", r#"{"organizationId":"org_1","endpointId":"del_1"}"#] {
            assert!(WebhookJob::parse(body).is_err(), "{body}");
        }
    }
}
