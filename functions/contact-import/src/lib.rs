//! Imports files of contacts into a team's list: import queue → bucket → table. See [`shared_app::import`]
//! for how a slice works and why it is idempotent.
//!
//! The bucket puts a message on the queue for each file that is uploaded. When the time of a slice is up the
//! function puts the import back into the queue. An import whose worker stops repeatedly is marked failed at
//! its last delivery, and its message goes to the dead-letter queue.

use std::time::Duration;

use shared_app::import::{ImportError, ImportWorkflow, SliceLimits, SliceOutcome, load};
use shared_aws::{
    clients::{Aws, Bucket, ImportJob, ImportQueue},
    table::Table,
};
use shared_domain::time::Timestamp;
use shared_lambda::{
    Error,
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

/// How long an import pauses while another import of the team has its turn, and after an unavailable store
/// interrupted it.
const PAUSE: Duration = Duration::from_secs(5);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    imports: ImportWorkflow,
    bucket: Bucket,
    queue: ImportQueue,
    max_receives: u32,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, bucket, queue) =
            (env.required("TABLE_NAME"), env.required("FILES_BUCKET"), env.required("IMPORT_QUEUE_URL"));
        let (time, max_receives) = (env.seconds("SLICE_SECONDS"), env.number("MAX_RECEIVES", 2));
        let units_per_second = env.number("WRITE_UNITS_PER_SECOND", 1);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let (table, bucket) = (Table::of(&aws, name), Bucket::new(&aws, &bucket));
        let limits = SliceLimits { time, units_per_second, ..SliceLimits::default() };
        Ok(Self::new(&table, bucket, ImportQueue::new(&aws, queue), limits, max_receives))
    }

    /// An import is given up at delivery number `max_receives`.
    pub fn new(
        table: &Table,
        bucket: Bucket,
        queue: ImportQueue,
        limits: SliceLimits,
        max_receives: u32,
    ) -> Self {
        Self { imports: ImportWorkflow::new(table, limits), bucket, queue, max_receives }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the import failed too often")]
struct GivenUp;

/// Runs a slice of each import of one batch.
pub async fn handle(
    app: &App,
    clock: impl Fn() -> Timestamp,
    entropy: impl Fn() -> u64,
    event: SqsEvent,
) -> SqsBatchResponse {
    queue::each_record(event, async |record| process(app, &clock, &entropy, record).await).await
}

async fn process(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    entropy: &impl Fn() -> u64,
    record: Record<'_>,
) -> Result<(), RecordError> {
    for job in ImportJob::parse(record.body).map_err(RecordError::unreadable)? {
        if record.receive_count >= app.max_receives {
            give_up(app, clock(), &job).await?;
            continue;
        }
        match run_slice(app, clock, entropy(), &job).await? {
            SliceOutcome::Over => {}
            SliceOutcome::Continue => app.queue.enqueue(&job, Duration::ZERO).await?,
            SliceOutcome::ContinueLater => app.queue.enqueue(&job, PAUSE).await?,
        }
    }
    Ok(())
}

async fn run_slice(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    worker: u64,
    job: &ImportJob,
) -> Result<SliceOutcome, ImportError> {
    let import = app.imports.open_import(&job.organization, &job.team, &job.import).await?;
    let Some(import) = import else { return Ok(SliceOutcome::Over) };
    let file = load(&app.bucket, import.clone(), clock());
    // On the heap: the future of a slice holds its plan.
    Box::pin(app.imports.run_slice(import, file, clock, worker)).await
}

async fn give_up(app: &App, now: Timestamp, job: &ImportJob) -> Result<(), RecordError> {
    let import = app.imports.open_import(&job.organization, &job.team, &job.import).await?;
    let Some(mut import) = import else { return Ok(()) };
    app.imports.give_up(&mut import, now).await?;
    Err(GivenUp.into())
}
