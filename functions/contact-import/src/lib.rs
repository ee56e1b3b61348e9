//! Reads files of contacts into a team's list: import queue → bucket → table, a slice of bounded time at once.
//!
//! A file that is put into the bucket brings itself to the queue. The first slice looks through the whole file before
//! anything is written; then rows are taken in chunks, each in the steps *read → look up → draft → begin → write → settle*
//! ([`shared_aws::import`] says why counts stay exact). When its time is up the slice puts the import back on the queue.
//!
//! Idempotent by the condition of each chunk's beginning, which one worker meets, and by the contacts' ids: those of new
//! ones are made of import and row. A message that comes twice, or while another worker is at the same import, changes
//! nothing. An import whose slice fails again and again is marked failed at its last delivery, and its message ends among
//! the dead letters.

mod drafts;
mod rows;
mod slice;
mod survey;
mod write;

use shared_domain::keys::TeamKey;
use std::time::Duration;

use shared_aws::{
    clients::{Aws, Bucket, BucketError, ImportJob, ImportQueue, NotAJob, QueueError},
    contact::Contacts,
    import::{Imports, object_key},
    opt_out::OptOuts,
    table::{StoreError, Table},
    team::Members,
};
use shared_domain::time::Timestamp;
use shared_lambda::{
    Error,
    config::Environment,
    queue::{self, Record, SqsBatchResponse, SqsEvent},
};

pub use self::{
    slice::{Bytes, Next, Sizes, slice},
    survey::{MAX_FILE_BYTES, MAX_ROWS, NotImported, look},
};

/// After a slice that got on and was then stopped by a busy store, and while another import of the team has its turn.
const PAUSE: Duration = Duration::from_secs(5);

/// What reading a file into the table needs.
#[derive(Debug)]
pub struct Stores {
    imports: Imports,
    contacts: Contacts,
    members: Members,
    opt_outs: OptOuts,
}

impl Stores {
    /// Over this table.
    pub fn new(table: &Table) -> Self {
        Self {
            imports: Imports::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            members: Members::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
        }
    }
}

/// What the function uses.
#[derive(Debug)]
pub struct App {
    stores: Stores,
    bucket: Bucket,
    queue: ImportQueue,
    sizes: Sizes,
    max_receives: u32,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, bucket, queue) =
            (env.required("TABLE_NAME"), env.required("FILES_BUCKET"), env.required("IMPORT_QUEUE_URL"));
        let (time, max_receives) = (env.seconds("SLICE_SECONDS"), env.number("MAX_RECEIVES", 2));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let (table, bucket) = (Table::of(&aws, name), Bucket::new(&aws, &bucket));
        let sizes = Sizes { time, ..Sizes::default() };
        Ok(Self::new(&table, bucket, ImportQueue::new(&aws, queue), sizes, max_receives))
    }

    /// Over this table, bucket and queue; an import is given up at this delivery.
    pub fn new(table: &Table, bucket: Bucket, queue: ImportQueue, sizes: Sizes, max_receives: u32) -> Self {
        Self { stores: Stores::new(table), bucket, queue, sizes, max_receives }
    }
}

/// Why a queue message should come again.
#[derive(Debug, thiserror::Error)]
pub enum Again {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket did not give the file.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The queue did not take the import back.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Another worker got on with the same import.
    #[error("another worker got on with it")]
    Overtaken,
    /// It ends among the dead letters, where a person looks.
    #[error(transparent)]
    NotUnderstood(#[from] NotAJob),
    /// It failed as often as it may, and is marked so.
    #[error("it failed too often")]
    GivenUp,
}

/// Takes up one batch. Each record stands for itself.
pub async fn handle(
    app: &App,
    clock: &(impl Fn() -> Timestamp + Sync),
    entropy: &(impl Fn() -> u64 + Sync),
    event: SqsEvent,
) -> SqsBatchResponse {
    queue::each_record(event, async |record| Ok(one(app, clock, entropy, record).await?)).await
}

async fn one(
    app: &App,
    clock: &(impl Fn() -> Timestamp + Sync),
    entropy: &(impl Fn() -> u64 + Sync),
    record: Record<'_>,
) -> Result<(), Again> {
    for job in ImportJob::parse(record.body)? {
        if record.receive_count >= app.max_receives {
            give_up(app, clock(), &job).await?;
            continue;
        }
        match work(app, clock, entropy(), &job).await? {
            Next::Over => {}
            Next::GoOn => app.queue.enqueue(&job, Duration::ZERO).await?,
            Next::Later => app.queue.enqueue(&job, PAUSE).await?,
        }
    }
    Ok(())
}

async fn work(
    app: &App,
    clock: &(impl Fn() -> Timestamp + Sync),
    worker: u64,
    job: &ImportJob,
) -> Result<Next, Again> {
    let found = app
        .stores
        .imports
        .get(TeamKey { organization: &job.organization, team: &job.team }, &job.import)
        .await?;
    let Some(import) = found.filter(|import| !import.status.is_over()) else { return Ok(Next::Over) };
    let object = object_key(&import);
    let bytes = Bytes {
        head: async || {
            let head = app.bucket.head(&object, clock()).await?.ok_or(BucketError::Absent)?;
            Ok((head.etag, head.size))
        },
        read: async |etag: &str, from, length| {
            app.bucket.read_same(&object, etag, from, length, clock()).await
        },
    };
    slice(&app.stores, import, &bytes, clock, worker, app.sizes).await
}

/// The last delivery marks the import, and tries nothing: what ended the others may have been the end of the process.
async fn give_up(app: &App, now: Timestamp, job: &ImportJob) -> Result<(), Again> {
    let found = app
        .stores
        .imports
        .get(TeamKey { organization: &job.organization, team: &job.team }, &job.import)
        .await?;
    let Some(mut import) = found.filter(|import| !import.status.is_over()) else { return Ok(()) };
    let row = import.done.row;
    let reason = format!(
        "reading broke off again and again after row {row}; what stands before it is done. Import the file once more"
    );
    import.fail(reason, now);
    if !app.stores.imports.advance(&mut import, &[]).await? {
        return Err(Again::Overtaken);
    }
    tracing::error!(event = "import_given_up", team = %job.team, import = %job.import, row, "given up");
    Err(Again::GivenUp)
}
