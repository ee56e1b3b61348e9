//! Registration events from Twilio's Event Streams: verify, parse, find the teams, queue, acknowledge.
//! `registration-check` reads the queue and decides what an event means.
//!
//! Idempotent by the event's ID, which travels with the job: an event that is delivered twice is queued twice
//! and is one step of the timeline. `503` makes the carrier deliver the whole batch again, which it does for
//! hours.

use std::collections::HashMap;

use lambda_http::{Body, Request, Response};
use shared_app::carrier::{WebhookAccounts, webhook_accounts};
use shared_aws::{
    clients::{Aws, RegistrationJob, RegistrationQueue, Secrets},
    registration::Registrations,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{ComplianceEvent, EventKind, EventsError, parse_events};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    registration::{CampaignEvent, CampaignUpdate},
    time::Timestamp,
};
use shared_http::{
    problem::Problem,
    reply::{self, Outcome, RequestInfo},
    webhook::{self, EventsLogin},
};
use shared_lambda::{Error, clock, config::Environment};
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    accounts: WebhookAccounts,
    registrations: Registrations,
    queue: RegistrationQueue,
}

impl App {
    /// Reads settings and secrets, and creates clients.
    pub async fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, queue) = (env.required("CARRIER_SECRET"), env.required("REGISTRATION_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let accounts = webhook_accounts(&Secrets::of(&aws), &secret, &base, clock::now()).await?;
        Ok(Self::new(Table::of(&aws, name), accounts, RegistrationQueue::new(&aws, queue)))
    }

    /// If the account has no login of Event Streams, every event is refused.
    pub fn new(table: Table, accounts: WebhookAccounts, queue: RegistrationQueue) -> Self {
        Self { accounts, registrations: Registrations::new(table), queue }
    }
}

/// Answers one webhook.
pub async fn handle(app: &App, now: Timestamp, request: Request) -> Response<Body> {
    let outcome = receive(app, now, &request).await;
    reply::finish(&RequestInfo::of(&request), outcome)
}

/// Registration events from Twilio
///
/// An array of `CloudEvents`, with the login in the sink's URL and a signature over `bodySHA256`. Events of
/// other registrations are accepted and have no effect.
#[utoipa::path(post, path = "/webhooks/twilio/registrations",
    tag = "carriers", operation_id = "receiveRegistrationEvents",
    request_body(content_type = "application/json", content = Vec<Object>),
    responses((status = 200, description = "Accepted", content_type = "application/json", body = Object)),
    security(()))]
async fn receive(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let verified = app.accounts.check(now, |account| {
        let login = account.event_streams.as_ref().map(EventsLogin::new);
        webhook::twilio_events(&account.verifier, login.as_ref(), PATH, request)
    });
    let (account, body) = verified.await?;
    let batch = parse_events(body).map_err(unreadable)?;
    if batch.unreadable > 0 {
        let elements = batch.unreadable;
        tracing::warn!(
            event = "registration_event_unreadable",
            elements,
            "unreadable registration events skipped"
        );
    }
    let jobs = jobs(app, now, &account.account_sid, batch.events).await?;
    let answers = app.queue.enqueue(&jobs).await;
    let mut failed = 0;
    for error in answers.into_iter().filter_map(Result::err) {
        failed += 1;
        tracing::error!(event = "registration_event_not_queued", %error, "registration event not queued");
    }
    tracing::info!(
        event = "registration_events_queued",
        queued = jobs.len() - failed,
        failed,
        "registration events queued"
    );
    if failed > 0 {
        let busy = Problem::new(503, "unavailable", "The queue is unavailable. Deliver the events again.");
        return Err(Problem { retry_after: Some(1), ..busy });
    }
    Ok(reply::response(200, "application/json", "{}"))
}

/// The path that Twilio signs.
const PATH: &str = "/webhooks/twilio/registrations";

fn unreadable(error: EventsError) -> Problem {
    match error {
        EventsError::Malformed => Problem::malformed(error.to_string()),
        EventsError::TooLarge | EventsError::TooMany => Problem::new(413, "too_large", error.to_string()),
    }
}

/// Returns a job for each event of a known registration, in their order.
async fn jobs(
    app: &App,
    now: Timestamp,
    account_sid: &str,
    events: Vec<ComplianceEvent>,
) -> Result<Vec<RegistrationJob>, StoreError> {
    let mut owners: HashMap<String, Option<(OrganizationId, TeamId)>> = HashMap::new();
    let mut jobs = Vec::new();
    for event in events {
        let Some(what) = announced(&event) else { continue };
        match owner(app, account_sid, &mut owners, &event).await? {
            Some((organization, team)) => {
                let announcement = Some(announcement(event, what, now));
                jobs.push(RegistrationJob { organization, team, announcement });
            }
            None => tracing::warn!(
                event = "registration_event_unknown",
                carrier_event = event.id,
                service = event.messaging_service_sid,
                "no team has the messaging service of this event"
            ),
        }
    }
    Ok(jobs)
}

/// Returns whose registration an event is about. Each messaging service is looked up once.
async fn owner(
    app: &App,
    account_sid: &str,
    owners: &mut HashMap<String, Option<(OrganizationId, TeamId)>>,
    event: &ComplianceEvent,
) -> Result<Option<(OrganizationId, TeamId)>, StoreError> {
    let is_ours = event.account_sid.as_ref().is_none_or(|account| account == account_sid);
    let Some(service) = event.messaging_service_sid.as_ref().filter(|_| is_ours) else { return Ok(None) };
    if let Some(owner) = owners.get(service) {
        return Ok(owner.clone());
    }
    let owner = app.registrations.by_service(service).await?;
    owners.insert(service.clone(), owner.clone());
    Ok(owner)
}

fn announcement(event: ComplianceEvent, what: CampaignUpdate, now: Timestamp) -> CampaignEvent {
    let at = event.time.map_or(now, |time| Timestamp::from_millis(time.as_millisecond()));
    CampaignEvent { id: event.id, at, what, codes: event.error_codes }
}

/// Returns what an event says about a registration. Other events are only logged.
fn announced(event: &ComplianceEvent) -> Option<CampaignUpdate> {
    match event.kind {
        EventKind::CampaignSubmitted => return Some(CampaignUpdate::Submitted),
        EventKind::CampaignApproved => return Some(CampaignUpdate::Approved),
        EventKind::CampaignFailure => return Some(CampaignUpdate::Failed),
        EventKind::CampaignSuspended => return Some(CampaignUpdate::Suspended),
        EventKind::NumberSuccessful => return Some(CampaignUpdate::NumberRegistered),
        EventKind::NumberFailed => return Some(CampaignUpdate::NumberFailed),
        // A brand belongs to the operator, not to a team.
        EventKind::Brand(what) => {
            let codes = &event.error_codes;
            tracing::warn!(
                event = "brand_event",
                carrier_event = event.id,
                ?what,
                ?codes,
                "brand event received"
            );
        }
        // Both stop a number from sending, and a team cannot act on either. The operator must.
        EventKind::CampaignDeleted => {
            tracing::error!(
                event = "campaign_deleted",
                carrier_event = event.id,
                "campaign deleted at the carrier"
            );
        }
        EventKind::NumberDeregistered => {
            tracing::warn!(
                event = "number_deregistered",
                carrier_event = event.id,
                "number deregistered at the carrier"
            );
        }
        EventKind::NumberPending | EventKind::Other => {
            tracing::info!(event = "registration_event_ignored", carrier_event = event.id, kind = ?event.kind, "registration event without effect");
        }
    }
    None
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(receive))]
pub struct Api;
