//! Looks at registrations anew: registration queue → carrier → table.
//!
//! The carrier's record, read afresh, decides; an event only makes us look, and its own word counts for a suspension
//! alone, which the record may not know of.
//!
//! Idempotent by the event's id, which is the key of its line in the timeline, and by the condition of the turn, which
//! holds only while nothing turned since the registration was read: looking twice changes nothing, and the notice to the
//! admins, written with the turn, is one.

use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use shared_aws::{
    clients::{Aws, NotAJob, RegistrationJob, Secrets},
    registration::{Registrations, Transition},
    table::{StoreError, Table},
    team::TeamMembers,
};
use shared_carriers::twilio::{CallError, Client, Credentials};
use shared_domain::{
    registration::{
        CampaignEvent, CampaignUpdate, CarrierReason, Registration, TimelineStep,
        decision::{self, DecisionInput, DueTransition, RegistrationDecision},
    },
    time::Timestamp,
};
use shared_lambda::config::Environment;

mod carrier;

/// The carrier is given so long to answer: all looks at a registration end within the function's time. The queue asks again.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);
/// A registration that turns under our hands is looked at so often before the queue brings it again.
const LOOKS: u32 = 3;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: Client,
    registrations: Registrations,
    members: TeamMembers,
}

impl App {
    /// Reads settings and secrets, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (carrier_url, messaging_url) =
            (env.required("CARRIER_BASE_URL"), env.required("CARRIER_MESSAGING_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let secret = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = secret.api_login();
        let credentials = Credentials { account_sid: secret.account_sid, username, password };
        let carrier =
            Client::new(&carrier_url, credentials, CARRIER_TIMEOUT)?.with_messaging_url(&messaging_url)?;
        Ok(Self::new(Table::of(&aws, name), carrier))
    }

    /// Over this table and carrier.
    pub fn new(table: Table, carrier: Client) -> Self {
        Self { carrier, registrations: Registrations::new(table.clone()), members: TeamMembers::new(table) }
    }
}

/// Why a queue message should come again.
#[derive(Debug, thiserror::Error)]
pub enum Again {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The carrier did not say how the campaign stands.
    #[error(transparent)]
    Carrier(#[from] CallError),
    /// It turned each time while it was looked at.
    #[error("the registration turned while it was looked at")]
    Turning,
    /// It ends among the dead letters, where a person looks.
    #[error(transparent)]
    NotUnderstood(#[from] NotAJob),
}

/// Looks at one batch. Each record stands for itself: their order does not matter.
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
    let job = RegistrationJob::parse(record.body.as_deref().unwrap_or_default())?;
    for _ in 0..LOOKS {
        if look(app, clock(), &job).await? {
            return Ok(());
        }
    }
    Err(Again::Turning)
}

/// One look; `false` when the registration turned meanwhile, so that all of it has to be looked at again.
async fn look(app: &App, now: Timestamp, job: &RegistrationJob) -> Result<bool, Again> {
    let registration = app.registrations.get(&job.organization, &job.team).await?;
    let timeline = match &job.announcement {
        Some(_) => app.registrations.timeline(&job.organization, &job.team).await?,
        None => Vec::new(),
    };
    let announcement = job.announcement.clone().map(|told| as_told_first(told, &timeline));
    if let Some(told) = &announcement
        && let Some(line) = without_a_look(&registration, told)
    {
        if told.what == CampaignUpdate::NumberFailed {
            let codes = &told.codes;
            tracing::warn!(event = "number_registration_failed", team = %job.team, ?codes, "a number failed");
        }
        return record_event(app, job, &line).await;
    }
    let (Some(service), Some(campaign)) = (&registration.messaging_service, &registration.campaign) else {
        return match &announcement {
            Some(told) => record_event(app, job, &decision::too_early(&registration, told)).await,
            None => Ok(true),
        };
    };
    let record = app.carrier.fetch_campaign(service, campaign).await;
    let record = carrier::record(record.inspect_err(|error| report(job, error))?);
    let codes = announcement.iter().flat_map(|told| told.codes.iter().copied());
    let told: Vec<CarrierReason> = codes.map(carrier::in_our_words).collect();
    let announcement = announcement.as_ref();
    let look = DecisionInput {
        registration: &registration,
        announcement,
        told: &told,
        timeline: &timeline,
        record: &record,
        now,
    };
    match decision::of(look) {
        RegistrationDecision::Transition(due) => transition(app, job, &registration, due).await,
        RegistrationDecision::RecordEvent(line) => record_event(app, job, &line).await,
        RegistrationDecision::Nothing => Ok(true),
    }
}

/// An event that brings no time gets that of its arrival, and keeps the first: its line has one place.
fn as_told_first(told: CampaignEvent, timeline: &[TimelineStep]) -> CampaignEvent {
    let first = timeline.iter().find(|step| step.id == told.id);
    CampaignEvent { at: first.map_or(told.at, |step| step.at), ..told }
}

/// The line of an event for which the carrier need not be asked.
fn without_a_look(registration: &Registration, told: &CampaignEvent) -> Option<TimelineStep> {
    let too_late = || decision::is_old(registration, told).then(|| decision::too_late(registration, told));
    decision::of_number(registration, told).or_else(too_late)
}

async fn record_event(app: &App, job: &RegistrationJob, line: &TimelineStep) -> Result<bool, Again> {
    app.registrations.record_event(&job.organization, &job.team, line).await?;
    tracing::info!(team = %job.team, carrier_event = line.id, status = line.status.as_str(), "noted");
    Ok(true)
}

async fn transition(
    app: &App,
    job: &RegistrationJob,
    from: &Registration,
    due: DueTransition,
) -> Result<bool, Again> {
    let admins = app.members.admins(&job.organization, &job.team).await?;
    let turn = Transition {
        to: due.to,
        as_of: due.as_of,
        reasons: &due.reasons,
        step: &due.step,
        admins: admins.into_iter().map(|admin| admin.user.id).collect(),
    };
    let turned = app.registrations.transition(&job.organization, &job.team, from, turn).await?;
    if turned {
        let (before, now) = (from.status.as_str(), due.to.as_str());
        tracing::info!(event = "registration_turned", team = %job.team, before, now, "turned");
    }
    Ok(turned)
}

fn report(job: &RegistrationJob, error: &CallError) {
    if let CallError::Refused { code, http_status, .. } = error {
        tracing::error!(event = "registration_check_refused", team = %job.team, code, http_status, "refused");
    }
}
