//! Campaigns over the API: one for each messaging service.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use super::Carrier;
use super::campaign::{Campaign, Shape};
use super::event::Event;
use super::failure::Failure;
use super::form::Fields;
use super::paging::Paging;
use super::site::Site;

/// `POST /v1/Services/{sid}/Compliance/Usa2p`. Twilio's own code for a second campaign is not documented; 21711 is ours.
pub(super) async fn create(
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
        let mut holdings = carrier.holdings();
        let service = holdings.service_mut(&service_sid).ok_or_else(|| Failure::not_found(uri.path()))?;
        let campaign = Campaign::submitted(&fields, now)?;
        if service.campaign.is_some() {
            return Err(Failure::of(21711));
        }
        tracing::info!(campaign.sid, service.sid, "a campaign was submitted");
        let resource = campaign.resource(&service_sid, account, &site, shape(&headers));
        let event = Event::campaign(&campaign, &service_sid, account, now);
        service.campaign = Some(campaign);
        (resource, holdings.record(vec![event]))
    };
    carrier.post_later(posts);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Services/{sid}/Compliance/Usa2p`: one campaign or none. Its list is called `compliance`.
pub(super) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(service_sid): Path<String>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let holdings = carrier.holdings();
    let service = holdings.service(&service_sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    let (account, shape) = (&carrier.settings.account_sid, shape(&headers));
    let found =
        service.campaign.iter().map(|campaign| campaign.resource(&service_sid, account, &site, shape));
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "compliance", found)))
}

/// `GET /v1/Services/{sid}/Compliance/Usa2p/{sid}`.
pub(super) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, sid)): Path<(String, String)>,
    site: Site,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let holdings = carrier.holdings();
    let campaign = holdings.campaign(&service_sid, &sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(campaign.resource(&service_sid, &carrier.settings.account_sid, &site, shape(&headers))))
}

/// `POST /v1/Services/{sid}/Compliance/Usa2p/{sid}`: a failed campaign is corrected and in review again.
pub(super) async fn update(
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
        let mut holdings = carrier.holdings();
        let service = holdings.service_mut(&service_sid);
        let campaign = service.and_then(|service| service.campaign.as_mut()).filter(|found| found.sid == sid);
        let campaign = campaign.ok_or_else(|| Failure::not_found(uri.path()))?;
        campaign.resubmit(&fields, now)?;
        tracing::info!(campaign.sid, "a campaign was submitted again");
        let resource = campaign.resource(&service_sid, account, &site, shape(&headers));
        let event = Event::campaign(campaign, &service_sid, account, now);
        (resource, holdings.record(vec![event]))
    };
    carrier.post_later(posts);
    Ok(Json(resource))
}

/// `DELETE /v1/Services/{sid}/Compliance/Usa2p/{sid}`: the service may have another then.
pub(super) async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, sid)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let mut holdings = carrier.holdings();
    let service = holdings.service_mut(&service_sid);
    let campaign = service.and_then(|service| service.campaign.take_if(|campaign| campaign.sid == sid));
    let campaign = campaign.ok_or_else(|| Failure::not_found(uri.path()))?;
    tracing::info!(campaign.sid, "a campaign was deleted");
    Ok(StatusCode::NO_CONTENT)
}

fn shape(headers: &HeaderMap) -> Shape {
    match headers.get("x-twilio-api-version").and_then(|version| version.to_str().ok()) {
        Some("v1.2") => Shape::WithPolicies,
        _ => Shape::First,
    }
}
