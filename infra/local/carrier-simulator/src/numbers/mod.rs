//! Phone numbers: search, purchase, and management.

pub(crate) mod available;
pub(crate) mod number;
pub(crate) mod pattern;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::failure::Failure;
use crate::form::Fields;
use crate::numbers::number::Number;
use crate::paging::Paging;

/// `POST …/IncomingPhoneNumbers.json`: buys any valid number that is not owned yet.
pub(crate) async fn buy(
    State(carrier): State<Arc<Carrier>>,
    Path(account): Path<String>,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    carrier.check_account(&account, uri.path())?;
    let number = Number::from_purchase(&fields, Timestamp::now())?;
    let mut resources = carrier.resources();
    if resources.owns(&number.e164) {
        return Err(Failure::of(21422));
    }
    tracing::info!(number.sid, "number bought");
    let resource = number.resource(&account);
    resources.numbers.push(number);
    Ok((StatusCode::CREATED, Json(resource)))
}

/// `GET …/IncomingPhoneNumbers.json`, newest first. The filters `PhoneNumber` and `FriendlyName` match
/// exactly.
pub(crate) async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path(account): Path<String>,
    uri: Uri,
    Query(query): Query<Fields>,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let (phone_number, name) = (query.get("PhoneNumber"), query.get("FriendlyName"));
    let resources = carrier.resources();
    let found = resources
        .numbers
        .iter()
        .rev()
        .filter(|number| phone_number.is_none_or(|wanted| number.e164 == wanted))
        .filter(|number| name.is_none() || number.friendly_name() == name)
        .map(|number| number.resource(&account));
    Ok(Json(Paging::parse(&uri, &query)?.v2010("incoming_phone_numbers", found)))
}

/// `GET …/IncomingPhoneNumbers/{sid}.json`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((account, file)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let resources = carrier.resources();
    let number = resources.number(sid(&file)).ok_or_else(|| Failure::not_found(uri.path()))?;
    Ok(Json(number.resource(&account)))
}

/// `POST …/IncomingPhoneNumbers/{sid}.json`.
pub(crate) async fn update(
    State(carrier): State<Arc<Carrier>>,
    Path((account, file)): Path<(String, String)>,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let mut resources = carrier.resources();
    let number = resources.number_mut(sid(&file)).ok_or_else(|| Failure::not_found(uri.path()))?;
    number.update(&fields, Timestamp::now())?;
    Ok(Json(number.resource(&account)))
}

/// `DELETE …/IncomingPhoneNumbers/{sid}.json`: releases the number and removes it from its service.
pub(crate) async fn release(
    State(carrier): State<Arc<Carrier>>,
    Path((account, file)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    carrier.check_account(&account, uri.path())?;
    let number = carrier.resources().release(sid(&file)).ok_or_else(|| Failure::not_found(uri.path()))?;
    tracing::info!(number.sid, "number released");
    Ok(StatusCode::NO_CONTENT)
}

fn sid(file: &str) -> &str {
    file.strip_suffix(".json").unwrap_or_default()
}
