//! Finds broadcasts that are due: scheduled ones whose time has come, and those whose worker died.

use std::time::Duration;

use shared_aws::{
    broadcast::Broadcasts,
    clients::{BroadcastJob, BroadcastQueue},
    table::{StoreError, Table},
};
use shared_domain::time::Timestamp;

/// What a sweep did.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct SweptBroadcasts {
    pub queued: usize,
    pub failed: usize,
}

/// Queues broadcasts that are due.
#[derive(Debug, Clone)]
pub struct BroadcastSweep {
    broadcasts: Broadcasts,
    queue: BroadcastQueue,
}

impl BroadcastSweep {
    pub fn new(table: &Table, queue: BroadcastQueue) -> Self {
        Self { broadcasts: Broadcasts::new(table.clone()), queue }
    }

    /// Does one sweep. Errors if the list of broadcasts cannot be read.
    ///
    /// A broadcast is due until a worker takes it, so it is queued again if the queue lost it.
    pub async fn run(&self, now: Timestamp) -> Result<SweptBroadcasts, StoreError> {
        let jobs: Vec<BroadcastJob> =
            self.broadcasts.due(now).await?.into_iter().map(BroadcastJob::from).collect();
        let mut swept = SweptBroadcasts::default();
        for (job, queued) in jobs.iter().zip(self.queue.enqueue(&jobs, Duration::ZERO).await) {
            match queued {
                Ok(()) => swept.queued += 1,
                Err(error) => {
                    swept.failed += 1;
                    tracing::error!(event = "broadcast_not_queued", broadcast = %job.broadcast, %error, "broadcast not queued");
                }
            }
        }
        Ok(swept)
    }
}
