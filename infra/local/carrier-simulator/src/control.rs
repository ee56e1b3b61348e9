//! Control routes: they make things happen that at Twilio come from phones and carriers.
//! `templates/help.html` describes them with their fields; those of campaigns are in
//! [`crate::campaigns::control`].
//!
//! The response has the answer of the product's webhook: `webhookStatus` (null if it did not answer),
//! `webhookBody` and `attempts`. If several sinks are notified, it is the first failure, else the last
//! answer, with the attempts of all.

use std::sync::Arc;

use axum::extract::State;
use axum::{Form, Json};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Carrier;
use crate::failure::Failure;
use crate::faults::fault::{Fault, Faults, Target};
use crate::form::Fields;
use crate::messages::callbacks::Callback;
use crate::messages::inbound;
use crate::messages::message::{Direction, Status};
use crate::site::Site;
use crate::webhook::{Answer, Params, Retries};

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
    pub(crate) async fn deliver_message(
        &self,
        site: &Site,
        fields: &Fields,
    ) -> Result<(String, Answer), Failure> {
        let (message_sid, params) = inbound_form(self, site, fields)?;
        let url = format!("{}/webhooks/twilio/messages", self.settings.webhook_base);
        let answer = self.webhooks.post(&url, &params, Retries::ALL).await;
        tracing::info!(
            message.sid = message_sid,
            answer = answer.status,
            attempts = answer.attempts,
            "inbound message delivered"
        );
        Ok((message_sid, answer))
    }
}

/// `POST /_twilio/simulate/inbound-call`: a phone calls. The webhook is tried once.
pub(crate) async fn inbound_call(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<CallAnswered>, Failure> {
    let params = inbound::call(&fields, &carrier.settings.account_sid)?;
    let call_sid =
        params.iter().find(|(name, _)| name == "CallSid").map(|(_, sid)| sid.clone()).unwrap_or_default();
    let url = format!("{}/webhooks/twilio/voice", carrier.settings.webhook_base);
    let answer = carrier.webhooks.post(&url, &params, Retries::NONE).await;
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
        None => Answer { status: None, body: String::new(), attempts: 0 },
    };
    let status = status.as_str();
    tracing::info!(message.sid = message_sid, status, answer = answer.status, "message status set");
    Ok(Json(StatusSet { message_sid, status, outcome: answer.into() }))
}

/// `POST /_twilio/simulate/fault`: the next requests fail. `none` without `On` ends all faults.
pub(crate) async fn fault(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let kind = fields.required("Kind")?;
    let count = fields.whole("Count")?.unwrap_or(1);
    let target = fields.get("On").map(Target::parse).transpose()?;
    let fault = Fault::parse(kind, target.unwrap_or_default())?;
    match (fault, target) {
        (None, None) => *carrier.faults() = Faults::default(),
        (fault, target) => carrier.faults().set(target.unwrap_or_default(), fault, count),
    }
    tracing::info!(?fault, ?target, count, "fault set");
    Ok(Json(json!({ "kind": kind, "count": count, "on": fields.get("On") })))
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

/// Returns the sid and the webhook form of an inbound message. If the sid is known, these are the earlier
/// ones.
fn inbound_form(carrier: &Carrier, site: &Site, fields: &Fields) -> Result<(String, Params), Failure> {
    let mut log = carrier.log();
    let earlier = fields.get("MessageSid").and_then(|sid| log.get(sid));
    if let Some(message) = earlier {
        return match &message.direction {
            Direction::Inbound { webhook } => Ok((message.sid.clone(), webhook.clone())),
            Direction::Outbound { .. } => {
                Err(Failure::parameter("MessageSid must be the sid of an inbound message".to_owned()))
            }
        };
    }
    let (message, form) = inbound::message(fields, &carrier.settings.account_sid, site, Timestamp::now())?;
    let sid = message.sid.clone();
    log.add(message);
    Ok((sid, form))
}
