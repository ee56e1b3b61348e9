//! Routes of the numbers of a messaging service.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::events::event::Event;
use crate::failure::Failure;
use crate::form::Fields;
use crate::paging::Paging;
use crate::site::Site;

/// `POST /v1/Services/{sid}/PhoneNumbers`: adds a number, which can be in one service only. If the service's
/// campaign is verified, the number is registered at once, with an event.
pub(crate) async fn add(
    State(carrier): State<Arc<Carrier>>,
    Path(service_sid): Path<String>,
    site: Site,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (number_sid, now) = (fields.required("PhoneNumberSid")?, Timestamp::now());
    let account = &carrier.settings.account_sid;
    let (resource, posts) = {
        let resources = &mut *carrier.resources();
        let number = resources.numbers.iter().find(|number| number.sid == number_sid);
        let number = number.ok_or_else(|| Failure::not_found(&format!("{}/{number_sid}", uri.path())))?;
        let current = resources.services.iter().find(|service| service.member(number_sid).is_some());
        let current = current.map(|service| service.sid.clone());
        let service = resources.services.iter_mut().find(|service| service.sid == service_sid);
        let service = service.ok_or_else(|| Failure::not_found(uri.path()))?;
        match current {
            Some(current) if current == service_sid => return Err(Failure::of(21710)),
            Some(_) => return Err(Failure::of(21712)),
            None => {}
        }
        let resource = service.add(number_sid, now).resource(number, &service_sid, account, &site);
        let event = service
            .verified()
            .map(|campaign| Event::number_registered(number_sid, &service_sid, campaign, account, now));
        (resource, resources.record(event.into_iter().collect()))
    };
    tracing::info!(service.sid = service_sid, number.sid = number_sid, "number added to a service");
    carrier.post_later(posts);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET /v1/Services/{sid}/PhoneNumbers`, newest first.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(service_sid): Path<String>,
    site: Site,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let service = resources.service(&service_sid).ok_or_else(|| Failure::not_found(uri.path()))?;
    let account = &carrier.settings.account_sid;
    let found = service.members.iter().rev().filter_map(|member| {
        Some(member.resource(resources.number(&member.number_sid)?, &service_sid, account, &site))
    });
    Ok(Json(Paging::parse(&uri, &query)?.v1(&site, "phone_numbers", found)))
}

/// `GET /v1/Services/{sid}/PhoneNumbers/{sid}`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, number_sid)): Path<(String, String)>,
    site: Site,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    let resources = carrier.resources();
    let member = resources.service(&service_sid).and_then(|service| service.member(&number_sid));
    let (Some(member), Some(number)) = (member, resources.number(&number_sid)) else {
        return Err(Failure::not_found(uri.path()));
    };
    Ok(Json(member.resource(number, &service_sid, &carrier.settings.account_sid, &site)))
}

/// `DELETE /v1/Services/{sid}/PhoneNumbers/{sid}`: removes the number from the service. It stays in the
/// account.
pub(crate) async fn remove(
    State(carrier): State<Arc<Carrier>>,
    Path((service_sid, number_sid)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    let mut resources = carrier.resources();
    let removed = resources.service_mut(&service_sid).and_then(|service| service.remove(&number_sid));
    removed.ok_or_else(|| Failure::not_found(uri.path()))?;
    tracing::info!(service.sid = service_sid, number.sid = number_sid, "number removed from a service");
    Ok(StatusCode::NO_CONTENT)
}
