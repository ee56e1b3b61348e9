//! Routes of subscriptions.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::events::subscription::Subscription;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;

/// `POST /v1/Subscriptions`.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let subscription = Subscription::new(&fields, Timestamp::now())?;
    let mut resources = carrier.resources();
    if resources.sink(&subscription.sink_sid).is_none() {
        return Err(Failure::parameter("SinkSid must be the sid of a sink".to_owned()));
    }
    tracing::info!(subscription.sid, sink.sid = subscription.sink_sid, "subscription created");
    let resource = subscription.resource(&carrier.settings.account_sid, &site);
    resources.subscriptions.push(subscription);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Subscriptions`, newest first, filtered by `SinkSid`.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let sink = query.get("SinkSid");
    let resources = carrier.resources();
    let found = resources
        .subscriptions
        .iter()
        .rev()
        .filter(|subscription| sink.is_none_or(|wanted| subscription.sink_sid == wanted))
        .map(|subscription| subscription.resource(&carrier.settings.account_sid, &site));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "subscriptions", found)))
}

/// `GET /v1/Subscriptions/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let subscription = resources.subscriptions.iter().find(|subscription| subscription.sid == sid);
    let subscription = subscription.ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(subscription.resource(&carrier.settings.account_sid, &site)))
}

/// `DELETE /v1/Subscriptions/{sid}`.
pub(crate) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let subscriptions = &mut carrier.resources().subscriptions;
    let at = subscriptions.iter().position(|subscription| subscription.sid == sid);
    subscriptions.remove(at.ok_or_else(|| Failure::not_found(uri.path()))?);
    tracing::info!(subscription.sid = sid, "subscription deleted");
    Ok(StatusCode::NO_CONTENT)
}
