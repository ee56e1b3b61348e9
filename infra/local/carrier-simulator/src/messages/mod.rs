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
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use jiff::Timestamp;
use serde_json::Value;

use crate::Carrier;
use crate::failure::Failure;
use crate::faults::fault::{Fault, Target};
use crate::form::Fields;
use crate::messages::callbacks::Delivery;
use crate::messages::message::Message;
use crate::messages::send_request::SendRequest;
use crate::resources::Resources;

/// `POST …/Messages.json`: accepts a message. Status callbacks report its delivery later.
pub(crate) async fn create(
    State(carrier): State<Arc<Carrier>>,
    Path(account): Path<String>,
    uri: Uri,
    Form(fields): Form<Fields>,
) -> Result<Response, Failure> {
    carrier.check_account(&account, uri.path())?;
    let fault = carrier.faults().take_for(fields.get("To").unwrap_or_default(), Target::Messages);
    if let Some(refusal) = fault.and_then(Fault::refusal) {
        tracing::info!(?fault, "message refused by a fault");
        return Ok(refusal);
    }
    let created = accept(&carrier, &fields, fault)?;
    if fault == Some(Fault::TimeoutAfter) {
        tokio::time::sleep(carrier.settings.hold).await;
    }
    let lost_answer = fault.and_then(Fault::lost_answer);
    Ok(lost_answer.unwrap_or_else(|| (StatusCode::CREATED, Json(created)).into_response()))
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
    let now = Timestamp::now();
    let request = SendRequest::parse(fields)?;
    let validity = request.validity();
    let mut message = request.accept(now);
    let mut resources = carrier.resources();
    check_sender(&resources, &message)?;
    if fields.get("SmartEncoded") != Some("false") {
        encode(&resources, &mut message);
    }
    let queued = queue(&mut resources, &message, now)?;
    let delivery = match fault {
        Some(Fault::Undelivered(code)) => Delivery::Undelivered(code),
        _ if matches!(queued, Delivery::After(wait) if wait > validity) => Delivery::Fails(30036),
        _ => queued,
    };
    drop(resources);
    let sid = message.sid.clone();
    let resource = message.resource(&carrier.settings.account_sid);
    tracing::info!(message.sid = sid, ?fault, "message accepted");
    carrier.log().add(message);
    let has_receipts = fault != Some(Fault::Silent);
    tokio::spawn(callbacks::deliver(Arc::clone(carrier), sid, delivery, has_receipts));
    Ok(resource)
}

/// Refuses a sender that the account does not own and a messaging service that it does not have. Twilio does
/// not document how it answers if the sender is not in the messaging service, so that is accepted.
fn check_sender(resources: &Resources, message: &Message) -> Result<(), Failure> {
    if message.from.as_deref().is_some_and(|from| !resources.owns(from)) {
        return Err(Failure::of(21606));
    }
    if message.messaging_service_sid.as_deref().is_some_and(|service| resources.service(service).is_none()) {
        return Err(Failure::of(21705));
    }
    Ok(())
}

/// Applies the Smart Encoding of the messaging service.
fn encode(resources: &Resources, message: &mut Message) {
    let service = message.messaging_service_sid.as_deref().and_then(|service| resources.service(service));
    if service.is_some_and(|service| service.is_set("smart_encoding")) {
        message.body = with_plain_punctuation(&message.body);
    }
}

/// Puts a message into the queue of its sender. With a messaging service, Twilio accepts first and reports an
/// opt-out or a full queue by a callback. Without one, it refuses.
fn queue(resources: &mut Resources, message: &Message, now: Timestamp) -> Result<Delivery, Failure> {
    let (from, service) = (message.from.as_deref(), message.messaging_service_sid.as_deref());
    let mut senders = [service, from].into_iter().flatten();
    if senders.any(|sender| resources.has_opted_out(sender, &message.to)) {
        return if service.is_some() { Ok(Delivery::Fails(21610)) } else { Err(Failure::of(21610)) };
    }
    let sender = from.or(service).unwrap_or_default();
    if resources.is_unregistered(sender) {
        return Ok(Delivery::Undelivered(30034));
    }
    match resources.enqueue(sender, message.segments(), now) {
        Some(wait) => Ok(Delivery::After(wait)),
        None if service.is_some() => Ok(Delivery::Fails(30001)),
        None => Err(Failure::of(21611)),
    }
}

/// Replaces typographic characters that would make the message Unicode. Twilio's list is longer.
fn with_plain_punctuation(text: &str) -> String {
    [
        ("\u{2018}", "'"),
        ("\u{2019}", "'"),
        ("\u{201c}", "\""),
        ("\u{201d}", "\""),
        ("\u{2013}", "-"),
        ("\u{2014}", "-"),
        ("\u{2026}", "..."),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (typographic, plain)| text.replace(typographic, plain))
}
