//! Copies media files of inbound messages from the carrier to the files bucket, one file per job.
//!
//! Idempotent by message and place: the file's key in the bucket is its id, and a stored file is not fetched
//! again. A file that can never be copied is recorded as refused, with the reason. If the carrier is
//! unavailable the queue retries. After the last delivery the file is recorded as refused and the job goes to
//! the dead-letter queue, from where an operator can redrive it.

use std::time::Duration;

use shared_app::carrier;
use shared_aws::{
    clients::{Aws, Bucket, MediaJob, Secrets},
    messaging::{MediaFiles, Messages, stored_at},
    table::Table,
};
use shared_carriers::twilio::{FetchError, MediaClient};
use shared_domain::{
    keys::InboxKey,
    media::{MAX_INBOUND_BYTES, Media, MediaRefusal, MediaState, stored_type},
    message::Message,
    time::Timestamp,
};
use shared_lambda::{
    Error, clock,
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

/// How long the carrier and its storage may take for a file. The function times out a little later.
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
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, bucket) = (env.required("TABLE_NAME"), env.required("FILES_BUCKET"));
        let (secret, carrier_url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let (hosts, max_receives) = (env.required("CARRIER_MEDIA_HOSTS"), env.number("MAX_RECEIVES", 1));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let credentials = carrier::credentials(&Secrets::of(&aws), &secret, clock::now);
        let hosts = hosts.split(',').map(|host| host.trim().to_ascii_lowercase()).collect();
        let carrier = MediaClient::reading(&carrier_url, hosts, credentials, CARRIER_TIMEOUT)?;
        Ok(Self::new(&Table::of(&aws, name), Bucket::new(&aws, &bucket), carrier, max_receives))
    }

    /// A job is given up at delivery number `max_receives`.
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

/// Copies the files of one batch.
pub async fn handle(app: &App, clock: impl Fn() -> Timestamp, event: SqsEvent) -> SqsBatchResponse {
    queue::each_record(event, async |record| copy(app, &clock, record).await).await
}

async fn copy(app: &App, clock: &impl Fn() -> Timestamp, record: Record<'_>) -> Result<(), RecordError> {
    let job = MediaJob::parse(record.body).map_err(RecordError::unreadable)?;
    let no_file = || RecordError::unreadable(format!("{} has no file {}", job.message, job.place));
    let Some(message) = app.messages.get(&job.organization, &job.message).await? else {
        tracing::info!(event = "media_not_copied", message_id = %job.message, place = job.place, "message of a media file was erased");
        return Ok(());
    };
    let media = message.media.get(job.place).ok_or_else(no_file)?;
    let Some(source) = media.state.to_fetch() else { return Ok(()) };
    let (outcome, retry) = match fetch_and_store(app, clock, &job, &message, media, source).await {
        Ok(stored) => (stored, None),
        Err(NotCopied::Never(reason)) => (refused(media, source, reason), None),
        Err(NotCopied::Later(error)) if record.receive_count >= app.max_receives => {
            (refused(media, source, MediaRefusal::Unavailable), Some(error))
        }
        Err(NotCopied::Later(error)) => return Err(error),
    };
    let recorded = app.files.resolve(&job, &outcome).await?;
    if !recorded && matches!(outcome.state, MediaState::Stored { .. }) {
        erase_without_message(app, clock, &job, &message, &outcome).await?;
    }
    let state = state_name(&outcome.state);
    tracing::info!(event = "media_copied", message_id = %job.message, place = job.place, state, recorded, "media file processed");
    retry.map_or(Ok(()), Err)
}

/// Erases a file whose message was erased while it was fetched: a version of it that stayed could come back
/// with a restore. Another delivery of the job may have stored the same file of a message that is still
/// there.
async fn erase_without_message(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    job: &MediaJob,
    message: &Message,
    media: &Media,
) -> Result<(), RecordError> {
    if app.messages.get(&job.organization, &job.message).await?.is_some() {
        return Ok(());
    }
    let key = stored_at(InboxKey { organization: &job.organization, inbox: &message.inbox }, media);
    app.bucket.erase(&key, clock).await?;
    Ok(())
}

enum NotCopied {
    Never(MediaRefusal),
    Later(RecordError),
}

async fn fetch_and_store(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    job: &MediaJob,
    message: &Message,
    media: &Media,
    source: &str,
) -> Result<Media, NotCopied> {
    let fetched = app.carrier.fetch(source, MAX_INBOUND_BYTES).await.map_err(|error| match error {
        FetchError::UntrustedHost => NotCopied::Never(MediaRefusal::Source),
        FetchError::Gone => NotCopied::Never(MediaRefusal::Gone),
        FetchError::TooLarge => NotCopied::Never(MediaRefusal::TooLarge),
        FetchError::Unavailable(_) => NotCopied::Later(error.into()),
    })?;
    let announced = media.content_type.as_deref().or(fetched.content_type.as_deref()).unwrap_or_default();
    let content_type = stored_type(announced, detected_type(&fetched.content), &fetched.content)
        .map_err(NotCopied::Never)?;
    let size = fetched.content.len() as u64;
    let key = stored_at(InboxKey { organization: &job.organization, inbox: &message.inbox }, media);
    let put = app.bucket.put(&key, &content_type, fetched.content, clock()).await;
    put.map_err(|error| NotCopied::Later(error.into()))?;
    Ok(Media { content_type: Some(content_type), state: MediaState::Stored { size }, ..media.clone() })
}

/// Returns the content type that the first bytes show. Phones still send video in 3GP containers, which
/// `infer` does not recognize in every form.
fn detected_type(content: &[u8]) -> Option<&'static str> {
    let known = infer::get(content).map(|kind| kind.mime_type());
    known.or_else(|| content.get(4..10).filter(|brand| *brand == b"ftyp3g").map(|_| "video/3gpp"))
}

fn refused(media: &Media, source: &str, reason: MediaRefusal) -> Media {
    Media { state: MediaState::Refused { source: source.to_owned(), reason }, ..media.clone() }
}

fn state_name(state: &MediaState) -> &'static str {
    match state {
        MediaState::Stored { .. } => "stored",
        MediaState::Refused { reason, .. } => reason.as_str(),
        MediaState::Pending { .. } | MediaState::Linked { .. } => "untouched",
    }
}
