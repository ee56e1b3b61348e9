//! Checks registrations: registration queue → carrier → table.
//!
//! The carrier's current record decides. An event only triggers the check; its own content counts for
//! suspensions, which the record does not show.
//!
//! Idempotent by the event's id, which is the key of its step in the timeline, and by the condition of the
//! transition, which fails if the registration changed since it was read. Checking twice changes nothing, and
//! the notification of the admins is written in the transaction of the transition, so there is one.

use std::time::Duration;

use shared_app::carrier as carrier_setup;
use shared_aws::{
    clients::{Aws, RegistrationJob, Secrets},
    notification::Notifications,
    registration::{RefusedNumber, Registrations, Transition},
    table::{StoreError, Table},
    team::{TeamMembers, Teams},
};
use shared_carriers::twilio::{CallError, Client};
use shared_domain::{
    keys::TeamKey,
    notification::{Notification, NotificationKind},
    registration::{
        CampaignEvent, CampaignState, CampaignUpdate, CarrierReason, Registration, RegistrationStatus,
        TimelineStep,
        decision::{self, DecisionInput, DueTransition, RegistrationDecision},
    },
    time::Timestamp,
};
use shared_lambda::{
    Error, clock,
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

mod carrier;

/// How long the carrier may take to answer. All attempts fit into the function's timeout.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of attempts while the registration changes. After that, the queue delivers the job again.
const MAX_ATTEMPTS: u32 = 3;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: Client,
    registrations: Registrations,
    members: TeamMembers,
    notifications: Notifications,
    teams: Teams,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (carrier_url, messaging_url) =
            (env.required("CARRIER_BASE_URL"), env.required("CARRIER_MESSAGING_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier =
            carrier_setup::client(&Secrets::of(&aws), &secret, &carrier_url, CARRIER_TIMEOUT, clock::now)?;
        let carrier = carrier.with_messaging_url(&messaging_url)?;
        Ok(Self::new(Table::of(&aws, name), carrier))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: Table, carrier: Client) -> Self {
        Self {
            carrier,
            registrations: Registrations::new(table.clone()),
            members: TeamMembers::new(table.clone()),
            notifications: Notifications::new(table.clone()),
            teams: Teams::new(table),
        }
    }
}

/// Why a registration was not checked. The queue delivers the job again.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] CallError),
    #[error("the registration changed in every attempt")]
    Contended,
}

/// Checks the registrations of one batch. Their order does not matter.
pub async fn handle(app: &App, clock: impl Fn() -> Timestamp, event: SqsEvent) -> SqsBatchResponse {
    let check = async |record: Record<'_>| {
        let job = RegistrationJob::parse(record.body).map_err(RecordError::unreadable)?;
        Ok(check(app, &clock, &job).await?)
    };
    queue::each_record(event, check).await
}

async fn check(app: &App, clock: &impl Fn() -> Timestamp, job: &RegistrationJob) -> Result<(), CheckError> {
    for _ in 0..MAX_ATTEMPTS {
        if attempt(app, clock(), job).await? {
            return Ok(());
        }
    }
    Err(CheckError::Contended)
}

/// Makes one attempt. `false` if the registration changed since it was read.
async fn attempt(app: &App, now: Timestamp, job: &RegistrationJob) -> Result<bool, CheckError> {
    let registration =
        app.registrations.get(TeamKey { organization: &job.organization, team: &job.team }).await?;
    let timeline = match &job.announcement {
        Some(_) => {
            app.registrations.timeline(TeamKey { organization: &job.organization, team: &job.team }).await?
        }
        None => Vec::new(),
    };
    let announcement = job.announcement.clone().map(|event| with_first_time(event, &timeline));
    if let Some(event) = &announcement
        && let Some(step) = step_without_check(&registration, event)
    {
        if event.what == CampaignUpdate::NumberFailed {
            let codes = &event.codes;
            tracing::warn!(event = "number_registration_failed", team = %job.team, ?codes, "number registration failed");
        }
        return record_event(app, job, &step).await;
    }
    let (Some(service), Some(campaign)) = (&registration.messaging_service, &registration.campaign) else {
        return match &announcement {
            Some(event) => record_event(app, job, &decision::premature_step(&registration, event)).await,
            None => Ok(true),
        };
    };
    let record = app.carrier.fetch_campaign(service, campaign).await;
    let record = carrier::record(record.inspect_err(|error| log_refusal(job, error))?);
    // Before the approval, so that the team's first messages already go out at this rate.
    if let (CampaignState::Verified, Some(rate)) = (record.state, record.segments_per_second) {
        let team = TeamKey { organization: &job.organization, team: &job.team };
        app.teams.set_segments_per_second(team, rate).await?;
    }
    let codes = announcement.iter().flat_map(|event| event.codes.iter().copied());
    let event_reasons: Vec<CarrierReason> = codes.map(carrier::known_reason).collect();
    let input = DecisionInput {
        registration: &registration,
        event: announcement.as_ref(),
        event_reasons: &event_reasons,
        timeline: &timeline,
        record: &record,
        now,
    };
    match decision::decide(input) {
        RegistrationDecision::Transition(due) => transition(app, job, &registration, due).await,
        RegistrationDecision::RecordEvent(step) => record_event(app, job, &step).await,
        RegistrationDecision::Nothing => {
            if registration.status == RegistrationStatus::Approved {
                let refused = notify_of_refused_numbers(app, job).await?;
                let team = TeamKey { organization: &job.organization, team: &job.team };
                app.registrations.end_polling(team, &refused).await?;
            }
            Ok(true)
        }
    }
}

/// Notifies the admins of the numbers that the carrier refused although the campaign is approved. There is
/// one notification for each hold of a number, however often it is checked.
async fn notify_of_refused_numbers(
    app: &App,
    job: &RegistrationJob,
) -> Result<Vec<RefusedNumber>, CheckError> {
    let team = TeamKey { organization: &job.organization, team: &job.team };
    let refused = app.registrations.refused_numbers(team).await?;
    if refused.is_empty() {
        return Ok(refused);
    }
    let admins = app.members.admins(team).await?;
    for RefusedNumber { inbox, held_since } in &refused {
        let notification = Notification {
            id: format!("{inbox}-{}-not-registered", held_since.millis()),
            organization: job.organization.clone(),
            team: Some(job.team.clone()),
            subject: NotificationKind::NumberNotRegistered(inbox.clone()),
            at: *held_since,
            admins: admins.iter().map(|admin| admin.user.id.clone()).collect(),
        };
        app.notifications.enqueue(&notification).await?;
        tracing::warn!(event = "number_not_registered", team = %job.team, %inbox, "number is missing in the campaign");
    }
    Ok(refused)
}

/// An event without a time gets the time of its arrival. If it arrives again it keeps the first time, so that
/// its step has one place in the timeline.
fn with_first_time(event: CampaignEvent, timeline: &[TimelineStep]) -> CampaignEvent {
    let first = timeline.iter().find(|step| step.id == event.id);
    CampaignEvent { at: first.map_or(event.at, |step| step.at), ..event }
}

/// Returns the step of an event for which the carrier need not be asked.
fn step_without_check(registration: &Registration, event: &CampaignEvent) -> Option<TimelineStep> {
    let outdated =
        || decision::is_outdated(registration, event).then(|| decision::outdated_step(registration, event));
    decision::number_step(registration, event).or_else(outdated)
}

async fn record_event(app: &App, job: &RegistrationJob, step: &TimelineStep) -> Result<bool, CheckError> {
    app.registrations
        .record_event(TeamKey { organization: &job.organization, team: &job.team }, step)
        .await?;
    tracing::info!(event = "registration_event_recorded", team = %job.team, carrier_event = step.id, status = step.status.as_str(), "registration event recorded");
    Ok(true)
}

async fn transition(
    app: &App,
    job: &RegistrationJob,
    from: &Registration,
    due: DueTransition,
) -> Result<bool, CheckError> {
    let admins = app.members.admins(TeamKey { organization: &job.organization, team: &job.team }).await?;
    let transition = Transition {
        to: due.to,
        as_of: due.as_of,
        reasons: &due.reasons,
        step: &due.step,
        admins: admins.into_iter().map(|admin| admin.user.id).collect(),
    };
    let changed = app
        .registrations
        .transition(TeamKey { organization: &job.organization, team: &job.team }, from, transition)
        .await?;
    if changed {
        let (before, now) = (from.status.as_str(), due.to.as_str());
        tracing::info!(event = "registration_status_changed", team = %job.team, before, now, "registration status changed");
    }
    Ok(changed)
}

fn log_refusal(job: &RegistrationJob, error: &CallError) {
    if let CallError::Refused { code, http_status, .. } = error {
        tracing::error!(event = "registration_check_refused", team = %job.team, code, http_status, "carrier refused the registration check");
    }
}
