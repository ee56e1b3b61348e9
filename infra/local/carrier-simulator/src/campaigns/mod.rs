//! A2P campaigns, one for each messaging service, and brands.

pub(crate) mod brand;
pub(crate) mod brands;
pub(crate) mod campaign;
pub(crate) mod control;
pub(crate) mod request;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::campaigns::campaign::{Campaign, Shape};
use crate::events::event::Event;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;

/// `POST /v1/Services/{sid}/Compliance/Usa2p`. Twilio does not document the code for a second campaign; 21711
/// is a guess.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    Path(service_sid): Path<String>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let now = Timestamp::now();
    let account = &carrier.settings.account_sid;
    let (resource, posts) = {
        let mut resources = carrier.resources();
        let service = resources.service_mut(&service_sid).ok_or_else(|| Failure::not_found(uri.path()))?;
        let campaign = Campaign::submit(&fields, carrier.settings.segments_per_second, now)?;
        if service.campaign.is_some() {
            return Err(Failure::of(21711));
        }
        tracing::info!(campaign.sid, service.sid, "campaign submitted");
        let resource = campaign.resource(&service_sid, account, &site, shape(&headers));
        let event = Event::campaign(&campaign, &service_sid, account, now);
        service.campaign = Some(campaign);
        (resource, resources.record(vec![event]))
    };
    carrier.post_later(posts);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Services/{sid}/Compliance/Usa2p`: at most one campaign. The list property is `compliance`.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(service_sid): Path<String>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let service = resources.service(&service_sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    let (account, shape) = (&carrier.settings.account_sid, shape(&headers));
    let found =
        service.campaign.iter().map(|campaign| campaign.resource(&service_sid, account, &site, shape));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "compliance", found)))
}

/// `GET /v1/Services/{sid}/Compliance/Usa2p/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, sid)): Path<(String, String)>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let campaign = resources.campaign(&service_sid, &sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(campaign.resource(&service_sid, &carrier.settings.account_sid, &site, shape(&headers))))
}

/// `POST /v1/Services/{sid}/Compliance/Usa2p/{sid}`: corrects a failed campaign, which is then under review
/// again.
pub(crate) async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, sid)): Path<(String, String)>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let now = Timestamp::now();
    let account = &carrier.settings.account_sid;
    let (resource, posts) = {
        let mut resources = carrier.resources();
        let service = resources.service_mut(&service_sid);
        let campaign = service.and_then(|service| service.campaign.as_mut()).filter(|found| found.sid == sid);
        let campaign = campaign.ok_or_else(|| Failure::not_found(uri.path()))?;
        campaign.resubmit(&fields, now)?;
        tracing::info!(campaign.sid, "campaign submitted again");
        let resource = campaign.resource(&service_sid, account, &site, shape(&headers));
        let event = Event::campaign(campaign, &service_sid, account, now);
        (resource, resources.record(vec![event]))
    };
    carrier.post_later(posts);
    Ok(Json(resource))
}

/// `DELETE /v1/Services/{sid}/Compliance/Usa2p/{sid}`: deletes the campaign. The service can then have
/// another.
pub(crate) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, sid)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let mut resources = carrier.resources();
    let service = resources.service_mut(&service_sid);
    let campaign = service.and_then(|service| service.campaign.take_if(|campaign| campaign.sid == sid));
    let campaign = campaign.ok_or_else(|| Failure::not_found(uri.path()))?;
    tracing::info!(campaign.sid, "campaign deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn shape(headers: &HeaderMap) -> Shape {
    match headers.get("x-twilio-api-version").and_then(|version| version.to_str().ok()) {
        Some("v1.2") => Shape::WithPolicies,
        _ => Shape::First,
    }
}
