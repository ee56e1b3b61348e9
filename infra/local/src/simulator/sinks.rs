//! Sinks over the API.

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
use super::sink::Sink;
use super::site::Site;

/// `POST /v1/Sinks`.
pub(super) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let sink = Sink::new(&fields, Timestamp::now())?;
    tracing::info!(sink.sid, "a sink was made");
    let resource = sink.resource(&site);
    carrier.holdings().sinks.push(sink);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Sinks`, newest first, filtered by `InUse` and `Status`.
pub(super) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let (in_use, status) = (query.flag("InUse")?, query.get("Status"));
    let holdings = carrier.holdings();
    let found = holdings
        .sinks
        .iter()
        .rev()
        .filter(|sink| in_use.is_none_or(|wanted| holdings.is_in_use(sink) == wanted))
        .map(|sink| sink.resource(&site))
        .filter(|sink| status.is_none_or(|wanted| sink["status"] == wanted));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "sinks", found)))
}

/// `GET /v1/Sinks/{sid}`.
pub(super) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let holdings = carrier.holdings();
    let sink = holdings.sink(&sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(sink.resource(&site)))
}

/// `POST /v1/Sinks/{sid}`.
pub(super) async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let mut holdings = carrier.holdings();
    let sink = holdings.sinks.iter_mut().find(|sink| sink.sid == sid);
    let sink = sink.ok_or_else(|| Failure::not_found(uri.path()))?;
    sink.update(&fields, Timestamp::now())?;
    Ok(Json(sink.resource(&site)))
}

/// `DELETE /v1/Sinks/{sid}`: its subscriptions go with it.
pub(super) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let mut holdings = carrier.holdings();
    let at = holdings.sinks.iter().position(|sink| sink.sid == sid);
    holdings.sinks.remove(at.ok_or_else(|| Failure::not_found(uri.path()))?);
    holdings.subscriptions.retain(|subscription| subscription.sink_sid != sid);
    tracing::info!(sink.sid = sid, "a sink was deleted");
    Ok(StatusCode::NO_CONTENT)
}
