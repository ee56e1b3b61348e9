//! Prepares broadcasts and releases their texts: broadcast queue → table. See [`shared_app::broadcast`] for
//! what a slice does.
//!
//! Idempotent by the lease of a broadcast and by the states of its recipients: a repeated message finds
//! another worker, or nothing to do. When there is more to do, the function puts the broadcast back into the
//! queue. A message that is lost is replaced by the sweep of `send-reconcile`, which finds broadcasts that
//! are due.

use std::time::Duration;

use shared_app::broadcast::{BroadcastWorkflow, Slice};
use shared_aws::{
    clients::{Aws, BroadcastJob, BroadcastQueue},
    table::Table,
};
use shared_domain::time::Timestamp;
use shared_lambda::{
    Error,
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

/// A broadcast that waits for longer is found by the sweep, so no message has to wait for it.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    workflow: BroadcastWorkflow,
    queue: BroadcastQueue,
    time: Duration,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("BROADCAST_QUEUE_URL"));
        let time = env.seconds("SLICE_SECONDS");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), BroadcastQueue::new(&aws, queue), time))
    }

    /// A broadcast is put back into the queue after this `time`.
    pub fn new(table: &Table, queue: BroadcastQueue, time: Duration) -> Self {
        Self { workflow: BroadcastWorkflow::new(table, None), queue, time }
    }
}

/// Continues each broadcast of one batch.
pub async fn handle(
    app: &App,
    clock: impl Fn() -> Timestamp,
    entropy: impl Fn() -> u64,
    event: SqsEvent,
) -> SqsBatchResponse {
    queue::each_record(event, async |record| process(app, &clock, entropy(), record).await).await
}

async fn process(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    worker: u64,
    record: Record<'_>,
) -> Result<(), RecordError> {
    let job = BroadcastJob::parse(record.body).map_err(RecordError::unreadable)?;
    let end = clock() + app.time;
    let wait = loop {
        // On the heap: the future of a slice is large.
        match Box::pin(app.workflow.run_slice(clock, worker, &job)).await? {
            Slice::Continue if clock() < end => {}
            Slice::Continue => break Duration::ZERO,
            Slice::ContinueAfter(wait) if wait <= MAX_WAIT => break wait,
            Slice::Over | Slice::ContinueAfter(_) => return Ok(()),
        }
    };
    let job = BroadcastJob { continues: true, ..job };
    for queued in app.queue.enqueue(&[job], wait).await {
        queued?;
    }
    Ok(())
}
