//! Routes of sinks.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::events::sink::Sink;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;

/// `POST /v1/Sinks`.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let sink = Sink::new(&fields, Timestamp::now())?;
    tracing::info!(sink.sid, "sink created");
    let resource = sink.resource(&site);
    carrier.resources().sinks.push(sink);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Sinks`, newest first, filtered by `InUse` and `Status`.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let (in_use, status) = (query.flag("InUse")?, query.get("Status"));
    let resources = carrier.resources();
    let found = resources
        .sinks
        .iter()
        .rev()
        .filter(|sink| in_use.is_none_or(|wanted| resources.is_in_use(sink) == wanted))
        .map(|sink| sink.resource(&site))
        .filter(|sink| status.is_none_or(|wanted| sink["status"] == wanted));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "sinks", found)))
}

/// `GET /v1/Sinks/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let sink = resources.sink(&sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(sink.resource(&site)))
}

/// `POST /v1/Sinks/{sid}`.
pub(crate) async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let mut resources = carrier.resources();
    let sink = resources.sinks.iter_mut().find(|sink| sink.sid == sid);
    let sink = sink.ok_or_else(|| Failure::not_found(uri.path()))?;
    sink.update(&fields, Timestamp::now())?;
    Ok(Json(sink.resource(&site)))
}

/// `DELETE /v1/Sinks/{sid}`: deletes the sink with its subscriptions.
pub(crate) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let mut resources = carrier.resources();
    let at = resources.sinks.iter().position(|sink| sink.sid == sid);
    resources.sinks.remove(at.ok_or_else(|| Failure::not_found(uri.path()))?);
    resources.subscriptions.retain(|subscription| subscription.sink_sid != sid);
    tracing::info!(sink.sid = sid, "sink deleted");
    Ok(StatusCode::NO_CONTENT)
}
