//! Sends accepted texts: send queue → carrier.
//!
//! Idempotent by the claim on the message: of all deliveries of a queue message one calls the carrier. The carrier's
//! answer is one of three:
//!
//! | answer | what follows |
//! |---|---|
//! | accepted | `sent`, with the carrier's id |
//! | not asked: the contact opted out since | `failed` |
//! | surely not sent, may work later (429, no connection) | the claim is given back and the queue repeats; `failed` on the last try |
//! | surely not sent, never will be | `failed`, with the carrier's code |
//! | lost (time-out, reset, 5xx) | `unknown`; `send-reconcile` asks the carrier; never sent again |
//!
//! A claim without an outcome is an attempt that died: `unknown` as well, since the carrier may have the text.

use std::{collections::HashSet, time::Duration};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use shared_aws::{
    clients::{Aws, Bucket, BucketError, Secrets, SendJob, Shown},
    contact::Contacts,
    messaging::{Claim, Deliveries, Messages, Outbox, stored_at},
    opt_out::{OptOutWrite, OptOuts},
    table::{StoreError, Table},
};
use shared_carriers::{
    callback::StatusCallbacks,
    twilio::{Client, Credentials, Refusal, SendMessage, SendOutcome},
};
use shared_domain::{
    media::{Media, MediaState},
    message::{DeliveryState, Message, Report},
    opt_out::{self, OptOutSubject, Scope},
    time::Timestamp,
};
use shared_lambda::config::Environment;

/// The carrier is given so long to answer; the queue's visibility time-out is longer than a batch of such waits.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// So long the carrier may fetch a file that a text names.
const MEDIA_URL_TTL: Duration = Duration::from_hours(1);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: Client,
    callbacks: StatusCallbacks,
    messages: Messages,
    deliveries: Deliveries,
    outbox: Outbox,
    contacts: Contacts,
    opt_outs: OptOuts,
    bucket: Bucket,
    max_receives: u32,
}

impl App {
    /// Reads settings and secrets, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (carrier, signing) = (env.required("CARRIER_SECRET"), env.required("SIGNING_SECRET"));
        let (carrier_url, max_receives) = (env.required("CARRIER_BASE_URL"), env.number("MAX_RECEIVES", 1));
        let bucket = env.required("FILES_BUCKET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secrets = Secrets::of(&aws);
        let secret = secrets.carrier(&carrier).await?;
        let (username, password) = secret.api_login();
        let credentials = Credentials { account_sid: secret.account_sid, username, password };
        let callbacks = StatusCallbacks::new(base, &secrets.text(&signing).await?);
        let carrier = Client::new(&carrier_url, credentials, CARRIER_TIMEOUT)?;
        Ok(Self::new(Table::of(&aws, name), Bucket::new(&aws, &bucket), carrier, callbacks, max_receives))
    }

    /// Over this table, bucket and carrier.
    pub fn new(
        table: Table,
        bucket: Bucket,
        carrier: Client,
        callbacks: StatusCallbacks,
        max_receives: u32,
    ) -> Self {
        Self {
            bucket,
            carrier,
            callbacks,
            messages: Messages::new(table.clone()),
            deliveries: Deliveries::new(table.clone()),
            outbox: Outbox::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            opt_outs: OptOuts::new(table),
            max_receives,
        }
    }
}

/// Why a queue message should come again.
#[derive(Debug, thiserror::Error)]
pub enum Again {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The carrier surely did not take it and may later.
    #[error("the carrier did not take it")]
    Carrier,
    /// Not a job, or a job for a message that is not there: it ends among the dead letters, where a person looks.
    #[error("not understood: {0}")]
    NotUnderstood(String),
}

/// Sends one batch. A failure is reported with all that follow it in its conversation, so that their order is kept;
/// other conversations go on.
pub async fn handle(
    app: &App,
    clock: impl Fn() -> Timestamp,
    entropy: impl Fn() -> u64,
    event: SqsEvent,
) -> SqsBatchResponse {
    let mut held_up: HashSet<String> = HashSet::new();
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let group = attribute(&record, "MessageGroupId").unwrap_or_default().to_owned();
        let answer = if held_up.contains(&group) {
            Err(Again::Carrier)
        } else {
            one(app, &clock, entropy(), &record).await
        };
        if let Err(again) = answer {
            tracing::warn!(queue_message = record.message_id, %again, "comes again");
            held_up.insert(group);
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

fn attribute<'a>(record: &'a SqsMessage, name: &str) -> Option<&'a str> {
    record.attributes.get(name).map(String::as_str)
}

async fn one(
    app: &App,
    clock: &impl Fn() -> Timestamp,
    attempt: u64,
    record: &SqsMessage,
) -> Result<(), Again> {
    let job = SendJob::parse(record.body.as_deref().unwrap_or_default())
        .map_err(|error| Again::NotUnderstood(error.to_string()))?;
    match app.messages.claim(&job.organization, &job.message, attempt, clock()).await? {
        Claim::Yours(message) => {
            if !message.bypass_opt_out && opted_out_since(app, &job, &message).await? {
                return fail(app, clock(), &job, &message, lost_to_an_opt_out()).await;
            }
            let answer = match wire(app, clock(), &job, &message) {
                Ok(wire) => app.carrier.send(&wire).await,
                Err(error) => SendOutcome::Refused(without_its_files(&error)),
            };
            let last_try = receives(record) >= app.max_receives;
            record_answer(app, clock(), attempt, &job, &message, answer, last_try).await
        }
        Claim::Interrupted(_) => ask_the_carrier(app, clock(), &job, "an attempt to send it broke off").await,
        // Also what a worker that died after its report has not shown.
        Claim::Settled(message) => {
            Ok(app.deliveries.update_conversation(&job.organization, &message).await?)
        }
        Claim::NoMessage => Err(Again::NotUnderstood(format!("{} is not there", job.message))),
    }
}

/// Whether the contact opted out since the text was accepted: then the text loses.
async fn opted_out_since(app: &App, job: &SendJob, message: &Message) -> Result<bool, StoreError> {
    let number = &message.contact_number;
    let mut subjects = vec![OptOutSubject::of_team(&job.organization, &message.team, number)];
    if message.personal {
        let scope = Scope::Personal;
        subjects.push(OptOutSubject {
            organization: job.organization.clone(),
            scope,
            number: number.clone(),
        });
    }
    app.opt_outs.any_out(&subjects).await
}

fn receives(record: &SqsMessage) -> u32 {
    attribute(record, "ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn wire(app: &App, now: Timestamp, job: &SendJob, message: &Message) -> Result<SendMessage, BucketError> {
    let address = |media: &Media| match &media.state {
        MediaState::Linked { url } => Ok(url.clone()),
        MediaState::Stored { .. } | MediaState::Pending { .. } | MediaState::Refused { .. } => {
            let key = stored_at(&job.organization, &message.inbox, &media.id);
            app.bucket.presigned_get(&key, Shown::Inline, MEDIA_URL_TTL, now)
        }
    };
    Ok(SendMessage {
        to: message.contact_number.as_str().to_owned(),
        from: message.inbox_number.as_str().to_owned(),
        body: message.text.clone(),
        media_urls: message.media.iter().map(address).collect::<Result<_, _>>()?,
        status_callback: app.callbacks.url(job.organization.as_str(), job.message.as_str()),
        messaging_service_sid: message.messaging_service.clone(),
    })
}

async fn record_answer(
    app: &App,
    now: Timestamp,
    attempt: u64,
    job: &SendJob,
    message: &Message,
    answer: SendOutcome,
    last_try: bool,
) -> Result<(), Again> {
    match answer {
        SendOutcome::Accepted { sid, .. } => {
            let report = Report::at(now);
            app.deliveries
                .report(&job.organization, &job.message, DeliveryState::Sent, &report, Some(&sid))
                .await?;
            tracing::info!(message_id = %job.message, carrier_id = sid, "sent");
            Ok(())
        }
        SendOutcome::Refused(refusal) if refusal.retryable && !last_try => {
            app.messages.unclaim(&job.organization, &job.message, attempt).await?;
            Err(Again::Carrier)
        }
        SendOutcome::Refused(refusal) => fail(app, now, job, message, refusal).await,
        SendOutcome::Unknown { why } => ask_the_carrier(app, now, job, &why.to_string()).await,
    }
}

/// What stands in the history of a text whose files cannot be named to the carrier: better failed than sent without them.
fn without_its_files(error: &BucketError) -> Refusal {
    tracing::error!(%error, "no address for a file");
    Refusal {
        code: None,
        http_status: None,
        reason: "The files of this text are not within reach; it was not sent.".into(),
        retryable: true,
        opted_out: false,
        account_fault: false,
    }
}

/// What stands in the history of a text that a STOP overtook.
fn lost_to_an_opt_out() -> Refusal {
    Refusal {
        code: None,
        http_status: None,
        reason: "The contact opted out before the text left; it was not sent.".into(),
        retryable: false,
        opted_out: false,
        account_fault: false,
    }
}

/// The carrier knows of an opt-out that we do not: it counts as one. A change that meets another is left to the next
/// refusal.
async fn carrier_says_opted_out(
    app: &App,
    now: Timestamp,
    job: &SendJob,
    message: &Message,
) -> Result<(), Again> {
    let number = &message.contact_number;
    let subject = OptOutSubject::of_team(&job.organization, &message.team, number);
    let standing = app.opt_outs.get(&subject).await?;
    let Some(change) = opt_out::after_carrier_refusal(&standing.state) else { return Ok(()) };
    let contact = app.contacts.by_number_or_provisional(&job.organization, &message.team, number).await?;
    let entry = change.entry(&subject, contact.id.clone(), Some(job.message.clone()), None, now);
    let recorded = OptOutWrite {
        team: &message.team,
        contact: &contact,
        entry: &entry,
        inbox: None,
        confirmation: None,
        told: false,
    };
    if app.opt_outs.record(&subject, &standing, &change, recorded).await? {
        app.opt_outs.sync_copies(&job.organization, &message.team, number).await?;
    }
    Ok(())
}

async fn fail(
    app: &App,
    now: Timestamp,
    job: &SendJob,
    message: &Message,
    refusal: Refusal,
) -> Result<(), Again> {
    if refusal.account_fault {
        tracing::error!(
            event = "carrier_account_fault",
            code = refusal.code,
            "the carrier refuses our account"
        );
    }
    tracing::warn!(message_id = %job.message, code = refusal.code, "failed");
    if refusal.opted_out {
        carrier_says_opted_out(app, now, job, message).await?;
    }
    let report =
        Report { at: now, code: refusal.code.map(|code| code.to_string()), detail: Some(refusal.reason) };
    app.deliveries.report(&job.organization, &job.message, DeliveryState::Failed, &report, None).await?;
    Ok(())
}

/// First the row that makes the reconciler ask, then the state that people see: a crash between both asks once too often.
async fn ask_the_carrier(app: &App, now: Timestamp, job: &SendJob, why: &str) -> Result<(), Again> {
    tracing::warn!(message_id = %job.message, why, event = "send_unknown", "nobody knows whether the carrier has it");
    app.outbox.mark_unknown(&job.organization, &job.message, now).await?;
    let detail = "The carrier's answer was lost; we are asking it whether it has the text.";
    let report = Report { at: now, code: None, detail: Some(detail.into()) };
    app.deliveries.report(&job.organization, &job.message, DeliveryState::Unknown, &report, None).await?;
    Ok(())
}
