//! Messaging services and their numbers.

pub(crate) mod phone_numbers;
pub(crate) mod service;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::services::service::Service;
use crate::site::Site;

/// `POST /v1/Services`.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let service = Service::new(&fields, Timestamp::now())?;
    tracing::info!(service.sid, "messaging service created");
    let resource = service.resource(&carrier.settings.account_sid, &site);
    carrier.resources().services.push(service);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Services`, newest first.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let account = &carrier.settings.account_sid;
    let found = resources.services.iter().rev().map(|service| service.resource(account, &site));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "services", found)))
}

/// `GET /v1/Services/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let service = resources.service(&sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(service.resource(&carrier.settings.account_sid, &site)))
}

/// `POST /v1/Services/{sid}`.
pub(crate) async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let mut resources = carrier.resources();
    let service = resources.service_mut(&sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    service.update(&fields, Timestamp::now())?;
    Ok(Json(service.resource(&carrier.settings.account_sid, &site)))
}

/// `DELETE /v1/Services/{sid}`: deletes the service with its campaign. Its numbers stay in the account.
pub(crate) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let services = &mut carrier.resources().services;
    let at = services.iter().position(|service| service.sid == sid);
    let service = at.map(|at| services.remove(at)).ok_or_else(|| Failure::not_found(uri.path()))?;
    tracing::info!(service.sid, "messaging service deleted");
    Ok(StatusCode::NO_CONTENT)
}
