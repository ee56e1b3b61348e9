//! Deliveries: listed, sent again, and sent as a test.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;
use shared_app::webhook::EnqueueError;
use shared_aws::clients::{QueueError, WebhookJob};
use shared_domain::{
    field::FieldErrors,
    ids::{self, EventId, WebhookDeliveryId},
    time::Timestamp,
    webhook::{
        delivery::Delivery,
        endpoint::{TEST_TYPE, WebhookEndpoint},
    },
};
use shared_http::{
    idempotency::{self, Attempt},
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    wire::{
        Page,
        webhook::{RecoverDeliveries, RecoveredDeliveries, WebhookDeliveryView},
    },
};

use crate::{App, access::ManagedEndpoint, endpoints::changed};

/// Maximum number of deliveries that one request sends again.
const MAX_RECOVERED: usize = 1_000;

/// List deliveries
///
/// The deliveries to an endpoint, newest first, for those who manage it. They are kept for 14 days.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{endpointId}/deliveries", tag = "webhooks",
    operation_id = "listWebhookDeliveries",
    params(("endpointId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<WebhookDeliveryView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    page: PageRequest,
) -> Result<Json<Page<WebhookDeliveryView>>, Problem> {
    let page = page.of(&caller.principal(), format!("deliveries {}", endpoint.id)).await?;
    let found = app.deliveries.page(&caller.organization, &endpoint.id, page.limit, page.after()).await?;
    let items = found.items.iter().map(WebhookDeliveryView::of);
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Replay a delivery
///
/// Sends an event again, with the same `webhook-id`, also if it was delivered. If it fails, it is retried as
/// before.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{endpointId}/deliveries/{deliveryId}/replay",
    tag = "webhooks", operation_id = "replayWebhookDelivery",
    params(("endpointId" = String, Path), ("deliveryId" = String, Path),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = WebhookDeliveryView)),
    extensions(("x-errors" = json!(["endpoint_disabled"]))))]
pub(crate) async fn replay(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    PathId(id): PathId<ids::kind::WebhookDelivery>,
    Now(now): Now,
    headers: HeaderMap,
    _: KnownParameters,
) -> Result<(StatusCode, Json<WebhookDeliveryView>), Problem> {
    let organization = &caller.organization;
    let delivery = app.deliveries.get(organization, &endpoint.id, &id).await?;
    let delivery = delivery.ok_or_else(Problem::not_found)?;
    let (route, key) = (format!("{} {id} replay", endpoint.id), idempotency::key(&headers, b"")?);
    let attempt = Attempt { organization, principal: caller.principal(), route, key };
    if attempt.recalled(&app.keys, now).await?.is_some() {
        return Ok((StatusCode::ACCEPTED, Json(WebhookDeliveryView::of(&delivery))));
    }
    require_enabled(&endpoint)?;
    let deliveries = std::slice::from_ref(&delivery);
    let replayed = app.queue.replay(organization, &endpoint.id, deliveries, true, now).await;
    let replayed = replayed.map_err(not_queued)?;
    let replayed = replayed.first().ok_or_else(changed)?;
    if let Some(key) = attempt.idempotency() {
        app.keys.remember(organization, key, replayed.id.as_str(), now).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(WebhookDeliveryView::of(replayed))))
}

/// Recover deliveries
///
/// Sends all failed deliveries of a period again, the oldest first, with the same `webhook-id`s. The period
/// is that of the events.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{endpointId}/recover", tag = "webhooks",
    operation_id = "recoverWebhookDeliveries",
    params(("endpointId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RecoverDeliveries,
    responses((status = 202, body = RecoveredDeliveries)),
    extensions(("x-errors" = json!(["invalid_fields", "endpoint_disabled"]))))]
pub(crate) async fn recover(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    Now(now): Now,
    KeyedJson { body, key }: KeyedJson<RecoverDeliveries>,
) -> Result<(StatusCode, Json<RecoveredDeliveries>), Problem> {
    let organization = &caller.organization;
    let mut errors = FieldErrors::default();
    let mut time = |pointer: &str, text: &str| {
        let time = Timestamp::parse(text);
        if time.is_none() {
            errors.add(pointer, "a time in RFC 3339");
        }
        time
    };
    let since = time("/since", &body.since);
    let until = body.until.map_or(Some(now), |until| time("/until", &until));
    let (since, until) = errors.finish_with(since.zip(until))?;
    let route = format!("{} recover", endpoint.id);
    let attempt = Attempt { organization, principal: caller.principal(), route, key };
    if let Some(queued) = attempt.recalled(&app.keys, now).await? {
        let queued = queued.parse().map_err(Problem::internal)?;
        return Ok((StatusCode::ACCEPTED, Json(RecoveredDeliveries { queued })));
    }
    require_enabled(&endpoint)?;
    let failed = app.deliveries.failed(organization, &endpoint.id, since, until, MAX_RECOVERED).await?;
    let replayed = app.queue.replay(organization, &endpoint.id, &failed, false, now).await;
    let queued = replayed.map_err(not_queued)?.len() as u64;
    if let Some(key) = attempt.idempotency() {
        app.keys.remember(organization, key, &queued.to_string(), now).await?;
    }
    tracing::info!(event = "webhooks_recovered", endpoint = %endpoint.id, queued, "deliveries sent again");
    Ok((StatusCode::ACCEPTED, Json(RecoveredDeliveries { queued })))
}

/// Send a test event
///
/// Sends an event of the type `test` once, also if the endpoint is disabled. Its outcome is in the list of
/// deliveries.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{endpointId}/test", tag = "webhooks",
    operation_id = "testWebhookEndpoint",
    params(("endpointId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = WebhookDeliveryView)))]
pub(crate) async fn test(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    Now(now): Now,
    Entropy(entropy): Entropy,
    headers: HeaderMap,
    _: KnownParameters,
) -> Result<(StatusCode, Json<WebhookDeliveryView>), Problem> {
    let organization = &caller.organization;
    let (route, key) = (format!("{} test", endpoint.id), idempotency::key(&headers, b"")?);
    let attempt = Attempt { organization, principal: caller.principal(), route, key };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        let id = WebhookDeliveryId::parse(&id).map_err(Problem::internal)?;
        let sent =
            app.deliveries.get(organization, &endpoint.id, &id).await?.ok_or_else(Problem::not_found)?;
        return Ok((StatusCode::ACCEPTED, Json(WebhookDeliveryView::of(&sent))));
    }
    let event = EventId::new(now, entropy);
    let data = json!({
        "eventId": event.as_str(), "type": TEST_TYPE, "at": now.to_string(),
        "organizationId": organization.as_str(), "data": { "endpointId": endpoint.id.as_str() },
    });
    let body = json!({ "type": TEST_TYPE, "timestamp": now.to_string(), "data": data }).to_string();
    let delivery = Delivery::new(&endpoint.id, organization, event, TEST_TYPE, body, now);
    app.deliveries.create(&delivery).await?;
    app.queue.enqueue(&[WebhookJob::of(&delivery)], Duration::ZERO).await.map_err(queue_unavailable)?;
    if let Some(key) = attempt.idempotency() {
        app.keys.remember(organization, key, delivery.id.as_str(), now).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(WebhookDeliveryView::of(&delivery))))
}

fn require_enabled(endpoint: &WebhookEndpoint) -> Result<(), Problem> {
    if endpoint.disabled.is_none() {
        return Ok(());
    }
    let detail = "The endpoint is disabled. Enable it, and then send its deliveries again.";
    Err(Problem::new(409, "endpoint_disabled", detail))
}

fn not_queued(error: EnqueueError) -> Problem {
    match error {
        EnqueueError::Store(error) => error.into(),
        EnqueueError::Queue(error) => queue_unavailable(error),
    }
}

fn queue_unavailable(error: QueueError) -> Problem {
    let detail = "The delivery could not be queued. Send the same request again.";
    let cause = Some(error.to_string());
    Problem { retry_after: Some(1), cause, ..Problem::new(503, "unavailable", detail) }
}
