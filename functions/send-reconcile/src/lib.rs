//! Every minute: queue what the stream left behind, and ask the carrier about sends whose answer was lost.
//!
//! A text that the carrier has is `sent`, or further. One that the carrier does not know stays `unknown` for the grace
//! time, since lists lag behind, and is then `failed`: a person may send it again, we never do. Idempotent by message:
//! queueing twice is once, and a report that is repeated changes nothing.

use std::time::Duration;

use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue, Secrets, SendQueue},
    messaging::{Deliveries, MediaFiles, Messages, Outbox, OutboxEntry},
    notification::Notices,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{
    CarrierMessage, CarrierState, Client, Credentials, Direction, LookupError, error_code,
};
use shared_domain::{
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};
use shared_lambda::config::Environment;

const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);
/// Carriers stamp whole seconds, by their own clock.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: Client,
    queues: Queues,
    outbox: Outbox,
    notices: Notices,
    files: MediaFiles,
    messages: Messages,
    deliveries: Deliveries,
    grace: Duration,
}

/// Where the sweep takes what was left behind.
#[derive(Debug)]
pub struct Queues {
    /// Texts to be sent.
    pub texts: SendQueue,
    /// Notices to be told.
    pub mail: MailQueue,
    /// Files to be copied.
    pub media: MediaQueue,
}

/// What one run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Outbox rows that were queued.
    pub queued: usize,
    /// Unknown sends that have their outcome now.
    pub settled: usize,
    /// Unknown sends that stay so for now.
    pub open: usize,
    /// What could not be done this time.
    pub failed: usize,
}

impl App {
    /// Reads settings and secrets, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("SEND_QUEUE_URL"));
        let (mail, media) = (env.required("MAIL_QUEUE_URL"), env.required("MEDIA_QUEUE_URL"));
        let (secret, carrier_url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let grace = env.seconds("RECONCILE_GRACE_SECONDS");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secret = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = secret.api_login();
        let credentials = Credentials { account_sid: secret.account_sid, username, password };
        let carrier = Client::new(&carrier_url, credentials, CARRIER_TIMEOUT)?;
        let queues = Queues {
            texts: SendQueue::new(&aws, queue),
            mail: MailQueue::new(&aws, mail),
            media: MediaQueue::new(&aws, media),
        };
        Ok(Self::new(Table::of(&aws, name), carrier, queues, grace))
    }

    /// Over this table, carrier and queues.
    pub fn new(table: Table, carrier: Client, queues: Queues, grace: Duration) -> Self {
        Self {
            carrier,
            queues,
            files: MediaFiles::new(table.clone()),
            notices: Notices::new(table.clone()),
            outbox: Outbox::new(table.clone()),
            messages: Messages::new(table.clone()),
            deliveries: Deliveries::new(table),
            grace,
        }
    }
}

/// One run.
///
/// # Errors
/// [`StoreError`] when the rows themselves cannot be read; a single row that fails is counted and comes again.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    sweep(app, now, &mut tally).await?;
    for entry in app.outbox.unknown().await? {
        match settle(app, now, &entry).await {
            Ok(true) => tally.settled += 1,
            Ok(false) => tally.open += 1,
            Err(error) => {
                tally.failed += 1;
                tracing::warn!(message_id = %entry.message, %error, "asked in vain");
            }
        }
    }
    tracing::info!(?tally, "reconciled");
    Ok(tally)
}

async fn sweep(app: &App, now: Timestamp, tally: &mut Tally) -> Result<(), StoreError> {
    let overdue = app.outbox.overdue(now).await?;
    let answers = app.queues.texts.enqueue(&overdue).await;
    for (entry, answer) in overdue.iter().zip(answers) {
        match answer {
            Ok(()) => {
                app.outbox.remove(entry).await?;
                tally.queued += 1;
            }
            Err(error) => {
                tally.failed += 1;
                tracing::error!(message_id = %entry.message, %error, "not queued");
            }
        }
    }
    let notices = app.notices.overdue(now).await?;
    for (notice, answer) in notices.iter().zip(app.queues.mail.enqueue(&notices).await) {
        match answer {
            Ok(()) => {
                app.notices.remove(&notice.id).await?;
                tally.queued += 1;
            }
            Err(error) => {
                tally.failed += 1;
                tracing::error!(notice = notice.id, %error, "not queued");
            }
        }
    }
    for waiting in app.files.overdue(now).await? {
        let answers = app.queues.media.enqueue(&waiting.jobs()).await;
        match answers.into_iter().find_map(Result::err) {
            None => {
                app.files.remove(&waiting.message).await?;
                tally.queued += 1;
            }
            Some(error) => {
                tally.failed += 1;
                tracing::error!(message_id = %waiting.message, %error, "files not queued");
            }
        }
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum NotSettled {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] LookupError),
}

/// Whether the message has its outcome now.
async fn settle(app: &App, now: Timestamp, entry: &OutboxEntry) -> Result<bool, NotSettled> {
    let Some(message) = app.messages.get(&entry.organization, &entry.message).await? else {
        app.outbox.mark_resolved(&entry.message).await?;
        return Ok(true);
    };
    if message.delivery.state().is_settled() {
        app.deliveries.update_conversation(&entry.organization, &message).await?; // of a run that died after its report, too
        app.outbox.mark_resolved(&entry.message).await?;
        return Ok(true);
    }
    match at_the_carrier(app, entry, &message).await? {
        Some(found) => taken(app, now, entry, &found).await?,
        None if now < entry.at + app.grace => return Ok(false),
        None => never_taken(app, now, entry).await?,
    }
    app.outbox.mark_resolved(&entry.message).await?;
    Ok(true)
}

/// The carrier's copy of this message: same numbers, same text, made when we tried, and not known to be another's.
async fn at_the_carrier(
    app: &App,
    entry: &OutboxEntry,
    message: &Message,
) -> Result<Option<CarrierMessage>, NotSettled> {
    let tried =
        message.delivery.report(DeliveryState::Sending).map_or(message.created_at, |report| report.at);
    let since = tried - CLOCK_MARGIN;
    let since = jiff::Timestamp::from_millisecond(since.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let (to, from) = (message.contact_number.as_str(), message.inbox_number.as_str());
    for candidate in app.carrier.find_messages(to, from, since).await? {
        let alike = candidate.body == message.text && candidate.direction != Direction::Inbound;
        if alike && !belongs_to_another(app, entry, message, &candidate).await? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

async fn belongs_to_another(
    app: &App,
    entry: &OutboxEntry,
    message: &Message,
    candidate: &CarrierMessage,
) -> Result<bool, StoreError> {
    let owner =
        app.messages.by_carrier_id(&entry.organization, &message.conversation, &candidate.sid).await?;
    Ok(owner.is_some_and(|owner| owner.id != message.id))
}

async fn taken(
    app: &App,
    now: Timestamp,
    entry: &OutboxEntry,
    found: &CarrierMessage,
) -> Result<(), StoreError> {
    let state = match found.status.carrier_state() {
        Some(CarrierState::Delivered) => DeliveryState::Delivered,
        Some(CarrierState::Undelivered) => DeliveryState::Undelivered,
        Some(CarrierState::Failed) => DeliveryState::Failed,
        Some(CarrierState::Queued | CarrierState::Sending | CarrierState::Sent) | None => DeliveryState::Sent,
    };
    let report = Report {
        at: now,
        code: found.error_code.map(|code| code.to_string()),
        detail: found.error_code.map(|code| error_code::sentence(code).into_owned()),
    };
    app.deliveries.report(&entry.organization, &entry.message, state, &report, Some(&found.sid)).await?;
    tracing::info!(message_id = %entry.message, carrier_id = found.sid, "found at the carrier");
    Ok(())
}

async fn never_taken(app: &App, now: Timestamp, entry: &OutboxEntry) -> Result<(), StoreError> {
    let detail = "The carrier has no record of this text, so it was not sent. You may send it again.";
    let report = Report { at: now, code: Some("not_accepted".into()), detail: Some(detail.into()) };
    app.deliveries.report(&entry.organization, &entry.message, DeliveryState::Failed, &report, None).await?;
    tracing::warn!(message_id = %entry.message, "unknown to the carrier");
    Ok(())
}
