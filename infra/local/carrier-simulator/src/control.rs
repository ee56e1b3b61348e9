//! Control routes: they make things happen that at Twilio come from phones and carriers.
//! `templates/help.html` describes them with their fields; those of campaigns are in
//! [`crate::campaigns::control`].
//!
//! The response has the answer of the product's webhook: `webhookStatus` (null if it did not answer),
//! `webhookBody` and `attempts`. If several sinks are notified, it is the first failure, else the last
//! answer, with the attempts of all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::{Form, Json};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Carrier;
use crate::failure::Failure;
use crate::faults::fault::{Fault, Lasts, Target};
use crate::form::Fields;
use crate::messages::callbacks::Callback;
use crate::messages::inbound;
use crate::messages::message::{Direction, Status};
use crate::site::Site;
use crate::webhook::{Answer, Endpoint, Params};

/// The answer to a webhook, in the response of a control route.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    webhook_status: Option<u16>,
    webhook_body: String,
    attempts: u32,
}

impl From<Answer> for Outcome {
    fn from(Answer { status, body, attempts }: Answer) -> Self {
        Self { webhook_status: status, webhook_body: body, attempts }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageDelivered {
    message_sid: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallAnswered {
    call_sid: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusSet {
    message_sid: String,
    status: &'static str,
    #[serde(flatten)]
    outcome: Outcome,
}

/// `POST /_twilio/simulate/inbound-message`: a phone sends a message, or an earlier message's webhook is
/// delivered again. The message is kept even if the webhook fails.
pub(crate) async fn inbound_message(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    Form(fields): Form<Fields>,
) -> Result<Json<MessageDelivered>, Failure> {
    let (message_sid, answer) = carrier.deliver_message(&site, &fields).await?;
    Ok(Json(MessageDelivered { message_sid, outcome: answer.into() }))
}

impl Carrier {
    /// Records an inbound message and posts it to the product. Returns its sid and the product's answer.
    /// Refuses it if the account is suspended.
    pub(crate) async fn deliver_message(
        &self,
        site: &Site,
        fields: &Fields,
    ) -> Result<(String, Answer), Failure> {
        self.check_not_suspended()?;
        let (message_sid, params, endpoint) = inbound_webhook(self, site, fields)?;
        let from = params.iter().find(|(name, _)| name == "From").map_or("", |(_, phone)| phone);
        let is_lost = self.faults().take_for(from, Target::InboundWebhooks).is_some();
        let answer = match endpoint.filter(|_| !is_lost) {
            Some(endpoint) => self.webhooks.post_to(&endpoint, &params).await,
            None => Answer::NONE,
        };
        tracing::info!(
            message.sid = message_sid,
            answer = answer.status,
            attempts = answer.attempts,
            "inbound message delivered"
        );
        Ok((message_sid, answer))
    }

    /// Errors if the account is suspended: it receives neither messages nor calls, and Twilio does not keep
    /// them.
    fn check_not_suspended(&self) -> Result<(), Failure> {
        if self.faults().is_account_suspended() { Err(Failure::of(20005)) } else { Ok(()) }
    }
}

/// `POST /_twilio/simulate/inbound-call`: a phone calls one of the account's numbers.
pub(crate) async fn inbound_call(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<CallAnswered>, Failure> {
    carrier.check_not_suspended()?;
    let params = inbound::call(&fields, &carrier.settings.account_sid)?;
    let call_sid =
        params.iter().find(|(name, _)| name == "CallSid").map(|(_, sid)| sid.clone()).unwrap_or_default();
    let endpoint = carrier.resources().voice_route(fields.required("To")?)?;
    let answer = match endpoint {
        Some(endpoint) => carrier.webhooks.post_to(&endpoint, &params).await,
        None => Answer::NONE,
    };
    tracing::info!(call.sid = call_sid, answer = answer.status, "inbound call delivered");
    Ok(Json(CallAnswered { call_sid, outcome: answer.into() }))
}

/// `POST /_twilio/simulate/message-media`: returns the media URLs of a message.
pub(crate) async fn message_media(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let message_sid = fields.required("MessageSid")?;
    let log = carrier.log();
    let message = log.get(message_sid).ok_or_else(|| Failure::not_found(message_sid))?;
    Ok(Json(json!({ "messageSid": message_sid, "mediaUrls": message.media_urls })))
}

/// `POST /_twilio/simulate/message-status`: sets the status of an outbound message and calls the product
/// back.
pub(crate) async fn message_status(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<StatusSet>, Failure> {
    let message_sid = fields.required("MessageSid")?.to_owned();
    let status = Status::parse(fields.required("Status")?).ok_or_else(|| {
        Failure::parameter("Status must be a status of Twilio messages, such as delivered".to_owned())
    })?;
    let code = fields.whole("ErrorCode")?;
    let callback = match carrier.log().set_status(&message_sid, status, code, Timestamp::now()) {
        Some(message) => Callback::of(message, &carrier.settings.account_sid),
        None => return Err(Failure::not_found(&format!("/Messages/{message_sid}"))),
    };
    let answer = match callback {
        Some(callback) => callback.send(&carrier).await,
        None => Answer::NONE,
    };
    let status = status.as_str();
    tracing::info!(message.sid = message_sid, status, answer = answer.status, "message status set");
    Ok(Json(StatusSet { message_sid, status, outcome: answer.into() }))
}

/// `POST /_twilio/simulate/fault`: the next `Count` requests fail, or all for `Seconds`; with `Phone`, only
/// those of that phone.
pub(crate) async fn fault(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let kind = fields.required("Kind")?;
    let (count, seconds) = (fields.whole("Count")?, fields.whole("Seconds")?);
    let lasts = match seconds {
        Some(seconds) => Lasts::Until(Instant::now() + Duration::from_secs(seconds)),
        None => Lasts::Requests(count.unwrap_or(1)),
    };
    let target = fields.get("On").map(Target::parse).transpose()?;
    let phone = fields.get("Phone");
    match (Fault::parse(kind, target)?, phone) {
        (None, _) => carrier.faults().end(target, phone),
        (Some((target, fault)), None) => carrier.faults().set(target, fault, lasts),
        (Some((target, fault)), Some(phone)) => carrier.faults().set_for(phone, target, fault, lasts)?,
    }
    tracing::info!(kind, ?target, ?lasts, "fault set");
    Ok(Json(
        json!({ "kind": kind, "count": count, "seconds": seconds, "on": fields.get("On"), "phone": phone }),
    ))
}

/// `POST /_twilio/simulate/opt-out`: a phone (`From`) opts out of a number (`To`) at the carrier alone, or in
/// again with `OptedOut=false`. The two numbers can also be swapped.
pub(crate) async fn opt_out(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let (to, from) = (fields.required("To")?, fields.required("From")?);
    let opted_out = fields.flag("OptedOut")?.unwrap_or(true);
    let mut resources = carrier.resources();
    let (number, phone) = if resources.owns(to) { (to, from) } else { (from, to) };
    resources.set_opt_out(number, phone, opted_out)?;
    tracing::info!(opted_out, "opt-out set");
    Ok(Json(json!({ "to": number, "from": phone, "optedOut": opted_out })))
}

/// `POST /_twilio/simulate/name`: names a number on the phone page.
pub(crate) async fn name(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let number = fields.required("PhoneNumber")?;
    let name = fields.get("Name").unwrap_or_default();
    let is_inbox = fields.flag("Inbox")?.unwrap_or(false);
    carrier.resources().names.set(number, name, is_inbox);
    Ok(Json(json!({ "phoneNumber": number, "name": name, "inbox": is_inbox })))
}

/// Returns the sid, the webhook form, and the endpoint of an inbound message. If the sid is known, sid and
/// form are the earlier ones.
fn inbound_webhook(
    carrier: &Carrier,
    site: &Site,
    fields: &Fields,
) -> Result<(String, Params, Option<Endpoint>), Failure> {
    let mut log = carrier.log();
    let resources = carrier.resources();
    let earlier = fields.get("MessageSid").and_then(|sid| log.get(sid));
    if let Some(message) = earlier {
        return match &message.direction {
            Direction::Inbound { webhook } => {
                let (_, endpoint) = resources.inbound_route(&message.to)?;
                Ok((message.sid.clone(), webhook.clone(), endpoint))
            }
            Direction::Outbound { .. } => {
                Err(Failure::parameter("MessageSid must be the sid of an inbound message".to_owned()))
            }
        };
    }
    let (service, endpoint) = resources.inbound_route(fields.required("To")?)?;
    let account = &carrier.settings.account_sid;
    let (message, form) = inbound::message(fields, service, account, site, Timestamp::now())?;
    let sid = message.sid.clone();
    log.add(message);
    Ok((sid, form, endpoint))
}
