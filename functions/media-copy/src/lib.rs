//! Copies files of inbound texts from the carrier into our bucket, one a job.
//!
//! Idempotent by message and place: the file's name in the bucket is its id, what is stored is not fetched again, and what
//! is stored stays so. What can never be taken over is written down as refused, with the reason. What the carrier does not
//! give comes again; after the last try it is shown as refused, and the job lies among the dead letters, from where it can
//! be taken up once the carrier gives it.

use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use shared_aws::{
    clients::{Aws, Bucket, BucketError, MediaJob, Secrets},
    messaging::{MediaFiles, Messages, stored_at},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{Credentials, FetchError, MediaClient};
use shared_domain::{
    media::{MAX_INBOUND_BYTES, Media, MediaRefusal, MediaState, judge},
    message::Message,
    time::Timestamp,
};
use shared_lambda::config::Environment;

/// The carrier and its storage are given so long for a file; the function lives a little longer.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(20);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: MediaClient,
    bucket: Bucket,
    messages: Messages,
    files: MediaFiles,
    max_receives: u32,
}

impl App {
    /// Reads settings and the carrier's secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let mut env = Environment::default();
        let (name, bucket) = (env.required("TABLE_NAME"), env.required("FILES_BUCKET"));
        let (secret, carrier_url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let (hosts, max_receives) = (env.required("CARRIER_MEDIA_HOSTS"), env.number("MAX_RECEIVES", 1));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secret = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = secret.api_login();
        let credentials = Credentials { account_sid: secret.account_sid, username, password };
        let hosts = hosts.split(',').map(|host| host.trim().to_ascii_lowercase()).collect();
        let carrier = MediaClient::new(&carrier_url, hosts, credentials, CARRIER_TIMEOUT)?;
        Ok(Self::new(&Table::of(&aws, name), Bucket::new(&aws, &bucket), carrier, max_receives))
    }

    /// Over this table, bucket and carrier.
    pub fn new(table: &Table, bucket: Bucket, carrier: MediaClient, max_receives: u32) -> Self {
        Self {
            carrier,
            bucket,
            messages: Messages::new(table.clone()),
            files: MediaFiles::new(table.clone()),
            max_receives,
        }
    }
}

/// Why a job should come again.
#[derive(Debug, thiserror::Error)]
pub enum Again {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket did not take it.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The carrier did not give it.
    #[error(transparent)]
    Carrier(#[from] FetchError),
    /// Not a job, or a job for a file that is not there: it ends among the dead letters, where a person looks.
    #[error("not understood: {0}")]
    NotUnderstood(String),
}

/// Copies the files of one batch, each for itself.
pub async fn handle(app: &App, clock: impl Fn() -> Timestamp, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        if let Err(again) = one(app, &clock, &record).await {
            tracing::warn!(queue_message = record.message_id, %again, "comes again");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

async fn one(app: &App, clock: &impl Fn() -> Timestamp, record: &SqsMessage) -> Result<(), Again> {
    let job = MediaJob::parse(record.body.as_deref().unwrap_or_default())
        .map_err(|error| Again::NotUnderstood(error.to_string()))?;
    let not_there = || Again::NotUnderstood(format!("{} has no file {}", job.message, job.place));
    let message = app.messages.get(&job.organization, &job.message).await?.ok_or_else(not_there)?;
    let media = message.media.get(job.place).ok_or_else(not_there)?;
    let Some(source) = media.state.to_fetch() else { return Ok(()) };
    let copied = copy(app, clock, &job, &message, media, source).await;
    let (outcome, again) = match copied {
        Ok(stored) => (stored, None),
        Err(NotCopied::Never(reason)) => (refused(media, source, reason), None),
        Err(NotCopied::Later(again)) if receives(record) >= app.max_receives => {
            (refused(media, source, MediaRefusal::Unavailable), Some(again))
        }
        Err(NotCopied::Later(again)) => return Err(again),
    };
    let settled = app.files.resolve(&job, &outcome).await?;
    tracing::info!(message_id = %job.message, place = job.place, state = told(&outcome.state), settled, "copied");
    again.map_or(Ok(()), Err)
}

enum NotCopied {
    Never(MediaRefusal),
    Later(Again),
}

async fn copy(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    job: &MediaJob,
    message: &Message,
    media: &Media,
    source: &str,
) -> Result<Media, NotCopied> {
    let fetched = app.carrier.fetch(source, MAX_INBOUND_BYTES).await.map_err(|error| match error {
        FetchError::Foreign => NotCopied::Never(MediaRefusal::Source),
        FetchError::Gone => NotCopied::Never(MediaRefusal::Gone),
        FetchError::TooLarge => NotCopied::Never(MediaRefusal::TooLarge),
        FetchError::Unavailable(_) => NotCopied::Later(error.into()),
    })?;
    let announced = media.content_type.as_deref().or(fetched.content_type.as_deref()).unwrap_or_default();
    let content_type =
        judge(announced, found(&fetched.content), &fetched.content).map_err(NotCopied::Never)?;
    let size = fetched.content.len() as u64;
    let key = stored_at(&job.organization, &message.inbox, &media.id);
    let put = app.bucket.put(&key, &content_type, fetched.content, clock()).await;
    put.map_err(|error| NotCopied::Later(error.into()))?;
    Ok(Media { content_type: Some(content_type), state: MediaState::Stored { size }, ..media.clone() })
}

/// What the first bytes say. Phones still send films in the container of the third generation, which the library passes
/// over.
fn found(content: &[u8]) -> Option<&'static str> {
    let known = infer::get(content).map(|kind| kind.mime_type());
    known.or_else(|| content.get(4..10).filter(|brand| *brand == b"ftyp3g").map(|_| "video/3gpp"))
}

fn refused(media: &Media, source: &str, reason: MediaRefusal) -> Media {
    Media { state: MediaState::Refused { source: source.to_owned(), reason }, ..media.clone() }
}

fn told(state: &MediaState) -> &'static str {
    match state {
        MediaState::Stored { .. } => "stored",
        MediaState::Refused { reason, .. } => reason.as_str(),
        MediaState::Pending { .. } | MediaState::Linked { .. } => "untouched",
    }
}

fn receives(record: &SqsMessage) -> u32 {
    let count = record.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}
