//! Topic of events → webhook queue: stores a delivery for each endpoint that gets an event.
//!
//! The topic has no texts, so the event is read from the feed, but only if an endpoint gets it. Idempotent:
//! the id of a delivery is derived from its endpoint and event, and a message that is delivered again queues
//! attempts that are recognized by the version of their delivery.

use std::time::Duration;

use serde_json::{Value, json};
use shared_app::webhook::DeliveryQueue;
use shared_aws::{
    clients::{Aws, WebhookJob, WebhookQueue},
    event::{EventLog, PublishedEvent},
    table::Table,
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    event::{Event, EventType},
    webhook::delivery::{Delivery, MAX_BODY_BYTES},
};
use shared_http::wire::event::EventView;
use shared_lambda::{
    config::{ConfigError, Environment},
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    log: EventLog,
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    queue: DeliveryQueue,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("WEBHOOK_QUEUE_URL"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), WebhookQueue::new(&aws, queue)))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: &Table, queue: WebhookQueue) -> Self {
        Self {
            log: EventLog::new(table.clone()),
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            queue: DeliveryQueue::new(table, queue),
        }
    }
}

/// Handles one batch of the topic's queue. Reports only the messages that failed.
pub async fn handle(app: &App, event: SqsEvent) -> SqsBatchResponse {
    queue::each_record_at_once(event, async |record: Record<'_>| {
        let published = PublishedEvent::parse(record.body)
            .map_err(|error| RecordError::unreadable(format!("JSON, {:?}", error.classify())))?;
        fan_out(app, &published).await
    })
    .await
}

async fn fan_out(app: &App, published: &PublishedEvent) -> Result<(), RecordError> {
    // A later version may publish types that this one does not know.
    let Some(kind) = EventType::parse(&published.kind) else { return Ok(()) };
    let scope = published.scope().ok_or_else(|| RecordError::unreadable("no inbox and no team"))?;
    let endpoints = app.endpoints.for_event(kind, &scope, published.team_id.as_ref()).await?;
    if endpoints.is_empty() {
        return Ok(());
    }
    let Some(event) = app.log.get(&scope, published.sequence).await? else {
        tracing::warn!(
            event = "webhook_event_expired",
            sequence = published.sequence,
            "event is no longer stored"
        );
        return Ok(());
    };
    let (organization, at) = (scope.organization(), event.event.at);
    let (id, body) = (event.event.id.clone(), body(event));
    let mut jobs = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let delivery = Delivery::new(&endpoint.id, organization, id.clone(), kind.as_str(), body.clone(), at);
        app.deliveries.create(&delivery).await?;
        jobs.push(WebhookJob::of(&delivery));
    }
    app.queue.enqueue(&jobs, Duration::ZERO).await?;
    Ok(())
}

/// Returns the body of the requests: `{"type", "timestamp", "data"}`, as Standard Webhooks recommends. A body
/// that would be larger than allowed has the event without its data, which the receiver reads from the API.
pub fn body(event: Event) -> String {
    let view = EventView::from(event);
    let (kind, at) = (view.kind, view.at.clone());
    let body = |view: &EventView| json!({ "type": kind, "timestamp": at, "data": view }).to_string();
    let text = body(&view);
    if text.len() <= MAX_BODY_BYTES { text } else { body(&EventView { data: Value::Null, ..view }) }
}
