//! Routes of brands.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::campaigns::brand::Brand;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;

/// `POST /v1/a2p/BrandRegistrations`.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let brand = Brand::new(&fields, Timestamp::now())?;
    tracing::info!(brand.sid, "brand registered");
    let resource = brand.resource(&carrier.settings.account_sid, &site);
    carrier.resources().brands.push(brand);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/a2p/BrandRegistrations`, newest first. The list property is `data`.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let account = &carrier.settings.account_sid;
    let found = resources.brands.iter().rev().map(|brand| brand.resource(account, &site));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "data", found)))
}

/// `GET /v1/a2p/BrandRegistrations/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let brand = resources.brands.iter().find(|brand| brand.sid == sid);
    let brand = brand.ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(brand.resource(&carrier.settings.account_sid, &site)))
}
