//! Messages: sending, delivery, listing, and inbound messages with their media.

pub(crate) mod callbacks;
pub(crate) mod filter;
pub(crate) mod inbound;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod send_request;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::failure::Failure;
use crate::faults::fault::{Fault, Target};
use crate::form::Fields;
use crate::messages::callbacks::Receipts;
use crate::messages::send_request::SendRequest;

/// `POST …/Messages.json`: accepts a message. Status callbacks report its delivery later.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    Path(account): Path<String>,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    carrier.check_account(&account, uri.path())?;
    let fault = carrier.faults().take(Target::Messages);
    if let Some(refusal) = fault.and_then(Fault::refusal) {
        tracing::info!(?fault, "message refused by a fault");
        return Err(refusal);
    }
    let created = accept(&carrier, &fields, fault)?;
    match fault {
        Some(Fault::ErrorAfter) => return Err(Failure::of(20500)),
        Some(Fault::TimeoutAfter) => tokio::time::sleep(carrier.settings.hold).await,
        Some(Fault::Refuse(_) | Fault::Silent) | None => {}
    }
    Ok((StatusCode::CREATED, Json(created)))
}

/// `GET …/Messages/{sid}.json`.
pub(crate) async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((account, file)): Path<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, Failure> {
    carrier.check_account(&account, uri.path())?;
    let sid = file.strip_suffix(".json").unwrap_or_default();
    let resource = carrier.log().get(sid).map(|message| message.resource(&account));
    resource.map(Json).ok_or_else(|| Failure::not_found(uri.path()))
}

fn accept(carrier: &Arc<Carrier>, fields: &Fields, fault: Option<Fault>) -> Result<Value, Failure> {
    let message = SendRequest::parse(fields)?.accept(Timestamp::now());
    let sid = message.sid.clone();
    let resource = message.resource(&carrier.settings.account_sid);
    tracing::info!(message.sid = sid, ?fault, "message accepted");
    carrier.log().add(message);
    let receipts = if fault == Some(Fault::Silent) { Receipts::Silent } else { Receipts::Sent };
    tokio::spawn(callbacks::deliver(Arc::clone(carrier), sid, receipts));
    Ok(resource)
}
