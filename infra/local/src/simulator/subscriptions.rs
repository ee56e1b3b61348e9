//! Subscriptions over the API.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use super::Carrier;
use super::failure::Failure;
use super::form::Fields;
use super::paging::Paging;
use super::site::Site;
use super::subscription::Subscription;

/// `POST /v1/Subscriptions`.
pub(super) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let subscription = Subscription::new(&fields, Timestamp::now())?;
    let mut holdings = carrier.holdings();
    if holdings.sink(&subscription.sink_sid).is_none() {
        return Err(Failure::parameter("SinkSid is of no sink".to_owned()));
    }
    tracing::info!(subscription.sid, sink.sid = subscription.sink_sid, "a sink was subscribed");
    let resource = subscription.resource(&carrier.settings.account_sid, &site);
    holdings.subscriptions.push(subscription);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Subscriptions`, newest first, filtered by `SinkSid`.
pub(super) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let sink = query.get("SinkSid");
    let holdings = carrier.holdings();
    let found = holdings
        .subscriptions
        .iter()
        .rev()
        .filter(|subscription| sink.is_none_or(|wanted| subscription.sink_sid == wanted))
        .map(|subscription| subscription.resource(&carrier.settings.account_sid, &site));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "subscriptions", found)))
}

/// `GET /v1/Subscriptions/{sid}`.
pub(super) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let holdings = carrier.holdings();
    let subscription = holdings.subscriptions.iter().find(|subscription| subscription.sid == sid);
    let subscription = subscription.ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(subscription.resource(&carrier.settings.account_sid, &site)))
}

/// `DELETE /v1/Subscriptions/{sid}`.
pub(super) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let subscriptions = &mut carrier.holdings().subscriptions;
    let at = subscriptions.iter().position(|subscription| subscription.sid == sid);
    subscriptions.remove(at.ok_or_else(|| Failure::not_found(uri.path()))?);
    tracing::info!(subscription.sid = sid, "a subscription was deleted");
    Ok(StatusCode::NO_CONTENT)
}
