//! Every minute: queues the attempts of webhook deliveries that waited in the table.
//!
//! A delivery waits if its next attempt is too far away for the queue, or if the circuit of its endpoint is
//! open. Of an endpoint with an open circuit, one delivery that is due is attempted each minute. The others
//! follow when an attempt succeeds. Each run takes a limited number of deliveries of each endpoint, so a dead
//! endpoint with many deliveries does not delay those of others.
//!
//! Idempotent: the check of an endpoint, and then each delivery, is moved under the condition of its time, so
//! two runs at the same time queue an attempt once. An attempt that is lost is queued again after ten
//! minutes.

use std::time::Duration;

use shared_app::webhook::{ATTEMPT_LEASE, DeliveryQueue, EnqueueError};
use shared_aws::{
    clients::{Aws, WebhookJob, WebhookQueue},
    table::{StoreError, Table},
    webhook::{DueEndpoint, WaitingDelivery, WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    time::Timestamp,
    webhook::{
        delivery::{Answer, AttemptError, Delivery},
        endpoint::WebhookEndpoint,
        health::PROBE_INTERVAL,
    },
};
use shared_lambda::{Error, config::Environment};

/// Maximum number of deliveries of an endpoint in one run.
const MAX_DELIVERIES: u16 = 100;
/// When an endpoint without waiting deliveries is checked again, in case that the index was not current.
const IDLE_INTERVAL: Duration = Duration::from_hours(1);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    queue: DeliveryQueue,
}

/// What one run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that were queued.
    pub queued: usize,
    /// Deliveries of disabled endpoints, which failed.
    pub ended: usize,
    /// Endpoints that could not be checked. The next run tries again.
    pub failed: usize,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("WEBHOOK_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), WebhookQueue::new(&aws, queue)))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, queue: WebhookQueue) -> Self {
        Self {
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            queue: DeliveryQueue::new(table, queue),
        }
    }
}

/// Checks the endpoints that are due. Errors if they cannot be read.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for due in app.endpoints.due(now).await? {
        if let Err(error) = Box::pin(check(app, &due, now, &mut tally)).await {
            tracing::warn!(event = "webhook_check_failed", endpoint = %due.endpoint, %error, "webhook endpoint not checked");
            tally.failed += 1;
        }
    }
    if tally != Tally::default() {
        let Tally { queued, ended, failed } = tally;
        tracing::info!(event = "webhooks_swept", queued, ended, failed, "waiting webhooks queued");
    }
    Ok(tally)
}

async fn check(app: &App, due: &DueEndpoint, now: Timestamp, tally: &mut Tally) -> Result<(), EnqueueError> {
    let next = DueEndpoint { at: now + PROBE_INTERVAL, ..due.clone() };
    if !app.endpoints.move_check(due, next.at).await? {
        return Ok(());
    }
    let Some(endpoint) = app.endpoints.get(&due.organization, &due.endpoint).await? else { return Ok(()) };
    let waiting = app.deliveries.waiting(&due.organization, &due.endpoint, MAX_DELIVERIES).await?;
    let mut ready: Vec<&WaitingDelivery> = waiting.iter().filter(|waiting| waiting.at <= now).collect();
    let probe = endpoint.disabled.is_none() && endpoint.health.circuit_is_open();
    if probe {
        ready.truncate(1);
    }
    let mut jobs = Vec::with_capacity(ready.len());
    for delivery in ready {
        let lease = now + ATTEMPT_LEASE;
        let taken = app.deliveries.take(&due.organization, &due.endpoint, delivery, lease).await?;
        match taken {
            Some(delivery) if endpoint.disabled.is_some() => {
                end(app, &delivery, now).await?;
                tally.ended += 1;
            }
            Some(delivery) => jobs.push(WebhookJob { probe, ..WebhookJob::of(&delivery) }),
            None => {}
        }
    }
    app.queue.enqueue(&jobs, Duration::ZERO).await?;
    tally.queued += jobs.len();
    let later = next_check(&endpoint, &waiting, now);
    if later > next.at {
        app.endpoints.move_check(&next, later).await?;
    }
    Ok(())
}

/// Returns when an endpoint must be checked again.
fn next_check(endpoint: &WebhookEndpoint, waiting: &[WaitingDelivery], now: Timestamp) -> Timestamp {
    let soon = now + PROBE_INTERVAL;
    if waiting.iter().any(|waiting| waiting.at <= now)
        || endpoint.health.circuit_is_open() && !waiting.is_empty()
    {
        return soon;
    }
    let earliest = waiting.iter().map(|waiting| waiting.at).min();
    earliest.map_or(now + IDLE_INTERVAL, |earliest| earliest.min(now + IDLE_INTERVAL).max(soon))
}

/// Ends a delivery of a disabled endpoint.
async fn end(app: &App, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
    let skipped = Answer::error(AttemptError::EndpointDisabled);
    app.deliveries.save(&delivery.after(&skipped, now, Duration::ZERO, 0), None).await.map(drop)
}
