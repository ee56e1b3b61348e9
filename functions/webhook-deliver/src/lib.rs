//! Webhook queue → receivers: attempts to deliver events to webhook endpoints.
//!
//! A delivery is stored with a version, and each attempt changes it. A message for an earlier version makes
//! no attempt, so a message that SQS delivers twice is sent once. Receivers may still get an event twice, for
//! example if this function stops after the request, and recognize it by `webhook-id`.
//!
//! The messages of a batch are handled at the same time, so a slow receiver delays no other one.

mod sender;

use std::time::{Duration, Instant};

use shared_app::webhook::{DeliveryQueue, Resolver};
use shared_aws::{
    clients::{Aws, WebhookJob, WebhookQueue},
    notification::Notifications,
    table::{StoreError, Table},
    team::TeamMembers,
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    ids::{OrganizationId, UserId},
    keys::TeamKey,
    notification::{Notification, NotificationKind},
    time::Timestamp,
    webhook::{
        delivery::{Answer, AttemptError, Delivery, DeliveryState, MAX_QUEUE_DELAY},
        endpoint::{DisabledReason, EndpointScope, WebhookEndpoint},
        health::PROBE_INTERVAL,
        url::WebhookUrl,
    },
};
use shared_lambda::{
    config::Environment,
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

pub use self::sender::{Sender, SenderError};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    members: TeamMembers,
    notifications: Notifications,
    queue: DeliveryQueue,
    sender: Sender,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, shared_lambda::Error> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("WEBHOOK_QUEUE_URL"));
        let allowed = env.optional("WEBHOOK_HOSTS_ALLOWED").unwrap_or_default();
        env.finish()?;
        let aws = Aws::from_environment()?;
        let sender = Sender::new(Resolver::system(), &allowed)?;
        Ok(Self::new(&Table::of(&aws, name), WebhookQueue::new(&aws, queue), sender))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, queue: WebhookQueue, sender: Sender) -> Self {
        Self {
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            members: TeamMembers::new(table.clone()),
            notifications: Notifications::new(table.clone()),
            queue: DeliveryQueue::new(table, queue),
            sender,
        }
    }
}

/// Handles one batch of the webhook queue. Reports only the messages that failed.
pub async fn handle(
    app: &App,
    now: Timestamp,
    entropy: impl Fn() -> u64,
    event: SqsEvent,
) -> SqsBatchResponse {
    let entropy = &entropy;
    queue::each_record_at_once(event, async |record: Record<'_>| {
        let job = WebhookJob::parse(record.body).map_err(RecordError::unreadable)?;
        deliver(app, &job, now, entropy()).await
    })
    .await
}

async fn deliver(app: &App, job: &WebhookJob, now: Timestamp, entropy: u64) -> Result<(), RecordError> {
    let organization = &job.organization;
    let delivery = app.deliveries.get(organization, &job.endpoint, &job.delivery).await?;
    let Some(delivery) = delivery.filter(|delivery| delivery.state == DeliveryState::Pending) else {
        return Ok(());
    };
    let Some(endpoint) = app.endpoints.get(organization, &job.endpoint).await? else { return Ok(()) };
    if delivery.version != job.version {
        // The attempt is stored. Its message is delivered again if what follows it failed.
        return plan_next(app, &delivery, now).await;
    }
    if endpoint.disabled.is_some() && !delivery.is_test() {
        let skipped = Answer::error(AttemptError::EndpointDisabled);
        app.deliveries.save(&delivery.after(&skipped, now, Duration::ZERO, entropy), None).await?;
        return Ok(());
    }
    if endpoint.health.circuit_is_open() && !job.probe && !delivery.is_test() {
        app.deliveries.wait(&delivery, now).await?;
        app.endpoints.check_at(organization, &job.endpoint, now + PROBE_INTERVAL).await?;
        return Ok(());
    }
    let began = Instant::now();
    let answer = app.sender.send(&endpoint, &delivery, now).await;
    let took = began.elapsed();
    let after = delivery.after(&answer, now, took, entropy);
    tracing::info!(
        event = "webhook_attempted",
        endpoint = %endpoint.id,
        delivery = %delivery.id,
        kind = delivery.kind,
        attempt = after.tries,
        status = answer.status,
        error = answer.error.map(AttemptError::as_str),
        state = after.state.as_str(),
        "webhook attempted"
    );
    if !delivery.is_test() {
        record(app, organization, &endpoint, &answer, now).await?;
    }
    if app.deliveries.save(&after, waits(&after, now)).await? {
        plan_next(app, &after, now).await?;
    }
    Ok(())
}

/// Returns until when a delivery waits in the table. `None` if it waits in the queue, or not at all.
fn waits(delivery: &Delivery, now: Timestamp) -> Option<Timestamp> {
    delivery.next_attempt_at.filter(|at| now.duration_until(*at) > MAX_QUEUE_DELAY)
}

/// Queues the next attempt, or makes the endpoint due when it must be queued. Idempotent by the version of
/// the delivery.
async fn plan_next(app: &App, delivery: &Delivery, now: Timestamp) -> Result<(), RecordError> {
    let Some(at) = delivery.next_attempt_at else { return Ok(()) };
    match waits(delivery, now) {
        Some(at) => app.endpoints.check_at(&delivery.organization, &delivery.endpoint, at).await?,
        None => app.queue.enqueue(&[WebhookJob::of(delivery)], now.duration_until(at)).await?,
    }
    Ok(())
}

/// Stores what an answer says about the endpoint, and notifies those who manage it.
async fn record(
    app: &App,
    organization: &OrganizationId,
    endpoint: &WebhookEndpoint,
    answer: &Answer,
    now: Timestamp,
) -> Result<(), StoreError> {
    if answer.is_success() {
        if endpoint.health.failures > 0 {
            app.endpoints.record_success(organization, &endpoint.id).await?;
        }
        return Ok(());
    }
    let Some(health) = app.endpoints.record_failure(organization, &endpoint.id, now).await? else {
        return Ok(());
    };
    let since = health.failing_since.unwrap_or(now);
    let receiver = WebhookUrl::parse(&endpoint.url).map(|url| url.host()).unwrap_or_default();
    if let Some(reason) = health.must_disable(answer, now) {
        app.endpoints.disable(organization, &endpoint.id, reason).await?;
        tracing::warn!(event = "webhook_endpoint_disabled", endpoint = %endpoint.id, reason = reason.as_str(), "webhook endpoint disabled");
        let subject = NotificationKind::WebhookDisabled { receiver, gone: reason == DisabledReason::Gone };
        let id = format!("webhook-disabled {} {}", endpoint.id, since.millis());
        notify(app, organization, endpoint, id, subject, now).await?;
    } else if health.must_warn(endpoint.health) {
        tracing::warn!(event = "webhook_endpoint_failing", endpoint = %endpoint.id, "webhook endpoint fails");
        let id = format!("webhook-failing {} {}", endpoint.id, since.millis());
        let subject = NotificationKind::WebhookFailing { receiver };
        notify(app, organization, endpoint, id, subject, now).await?;
    }
    Ok(())
}

/// Sends an e-mail to the admins of the endpoint's teams, and to the user who created it.
async fn notify(
    app: &App,
    organization: &OrganizationId,
    endpoint: &WebhookEndpoint,
    id: String,
    subject: NotificationKind,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut admins: Vec<UserId> = Vec::new();
    let teams = match &endpoint.scope {
        EndpointScope::Organization => {
            admins.push(endpoint.created_by.clone());
            &[][..]
        }
        EndpointScope::Teams(teams) => teams,
    };
    for team in teams {
        for admin in app.members.admins(TeamKey { organization, team }).await? {
            if !admins.contains(&admin.user.id) {
                admins.push(admin.user.id);
            }
        }
    }
    let (organization, team) = (organization.clone(), teams.first().cloned());
    app.notifications.enqueue(&Notification { id, organization, team, subject, at: now, admins }).await
}
