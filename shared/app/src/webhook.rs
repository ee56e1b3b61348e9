//! Outgoing webhooks: the addresses of a URL's host, and the order in which a delivery is stored and queued.

use std::{fmt, io, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use shared_aws::{
    clients::{QueueError, WebhookJob, WebhookQueue},
    table::{StoreError, Table},
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    ids::{OrganizationId, WebhookEndpointId},
    time::Timestamp,
    webhook::{delivery::Delivery, url::WebhookUrl},
};

/// How long a queued attempt may take until it is queued again.
pub const ATTEMPT_LEASE: Duration = Duration::from_mins(10);
/// Maximum number of concurrent writes.
const MAX_CONCURRENCY: usize = 8;

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks up the addresses of names.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String) -> Lookup + Send + Sync>);

impl Resolver {
    /// The resolver of the operating system.
    pub fn system() -> Self {
        Self::with(|name| async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// Looks names up with a function, for tests.
    pub fn with<F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static>(
        lookup: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |name| Box::pin(lookup(name))))
    }

    /// Returns the addresses of the URL's host. Empty if it is a name without an address.
    pub async fn addresses(&self, url: &WebhookUrl) -> io::Result<Vec<IpAddr>> {
        match url.name() {
            Some(name) => (self.0)(name.to_owned()).await,
            None => Ok(url.address().into_iter().collect()),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

/// A delivery was not queued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Stores deliveries and queues their attempts.
#[derive(Debug, Clone)]
pub struct DeliveryQueue {
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    queue: WebhookQueue,
}

impl DeliveryQueue {
    pub fn new(table: &Table, queue: WebhookQueue) -> Self {
        Self {
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            queue,
        }
    }

    /// Queues attempts to be made after a delay of at most 15 minutes.
    pub async fn enqueue(&self, jobs: &[WebhookJob], delay: Duration) -> Result<(), QueueError> {
        self.queue.enqueue(jobs, delay).await.into_iter().collect()
    }

    /// Sends deliveries of an endpoint again. Returns those that were not changed by another request in the
    /// meantime. They are attempted at once or, if the queue does not accept them, within minutes.
    pub async fn replay(
        &self,
        organization: &OrganizationId,
        endpoint: &WebhookEndpointId,
        deliveries: &[Delivery],
        probe: bool,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, EnqueueError> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let lease = now + ATTEMPT_LEASE;
        self.endpoints.check_at(organization, endpoint, lease).await?;
        let replayed: Vec<Delivery> = deliveries.iter().map(|delivery| delivery.replayed(now)).collect();
        let saves = replayed.into_iter().map(|delivery| async move {
            let saved = self.deliveries.save(&delivery, Some(lease)).await?;
            Ok::<_, StoreError>(saved.then_some(delivery))
        });
        let saved: Vec<_> = stream::iter(saves).buffered(MAX_CONCURRENCY).collect().await;
        let saved = saved.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        let jobs: Vec<_> =
            saved.iter().map(|delivery| WebhookJob { probe, ..WebhookJob::of(delivery) }).collect();
        self.enqueue(&jobs, Duration::ZERO).await?;
        Ok(saved)
    }
}
