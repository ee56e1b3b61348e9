//! Control routes: what a person or a test makes happen. They are ours, not Twilio's.
//!
//! | route | fields | answer |
//! |---|---|---|
//! | `inbound-message` | `To`, `From`, `Body`, `Media` (`media`: a word for each file), `MediaUrl` or `MediaUrl0`…, `MediaContentType0`…, `OptOutType`, `MessagingServiceSid`, `MessageSid` | `messageSid` and the webhook's |
//! | `inbound-call` | `To`, `From`, `CallSid` | `callSid` and the webhook's; its body is the TwiML |
//! | `message-status` | `MessageSid`, `Status`, `ErrorCode` | `messageSid`, `status` and the callback's |
//! | `message-media` | `MessageSid` | `messageSid` and `mediaUrls`: the addresses that it came with |
//! | `campaign-status` | `MessagingServiceSid`, `Status`, `ErrorCode`, `Notify` (true) | `messagingServiceSid`, `campaignSid`, `status`, `eventIds` and the sinks' (`campaign_control`) |
//! | `redeliver-event` | `EventId`, `Count` (1) | `eventId` and the sinks' (`campaign_control`) |
//! | `fault` | `Kind`, `Count` (1), `On` (`messages`) | `kind`, `count`, `on` (`fault`) |
//!
//! A webhook's part of an answer is `webhookStatus` (null when it never answered), `webhookBody` and `attempts`. Of
//! several posts to sinks it is the first that failed, else the last, with the attempts of all. The sid of a text that
//! came in before delivers the same form once more; nothing else is needed then.

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

/// What became of a webhook, in the answer of a control route.
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
pub(crate) struct StatusTold {
    message_sid: String,
    status: &'static str,
    #[serde(flatten)]
    outcome: Outcome,
}

/// A phone sends a message, or an earlier message's webhook is delivered again. The message is kept even if the
/// webhook fails.
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
        let (message_sid, params) = receive(self, site, fields)?;
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

/// A call comes in; it is rung once.
pub(crate) async fn inbound_call(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<CallAnswered>, Failure> {
    let params = inbound::call(&fields, &carrier.settings.account_sid)?;
    let call_sid =
        params.iter().find(|(name, _)| name == "CallSid").map(|(_, sid)| sid.clone()).unwrap_or_default();
    let url = format!("{}/webhooks/twilio/voice", carrier.settings.webhook_base);
    let answer = carrier.webhooks.post(&url, &params, Retries::NONE).await;
    tracing::info!(call.sid = call_sid, answer = answer.status, "a call came in");
    Ok(Json(CallAnswered { call_sid, outcome: answer.into() }))
}

/// The files of a message, as their addresses came: the carrier would fetch them now.
pub(crate) async fn message_media(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<Value>, Failure> {
    let message_sid = fields.required("MessageSid")?;
    let log = carrier.log();
    let message = log.get(message_sid).ok_or_else(|| Failure::not_found(message_sid))?;
    Ok(Json(json!({ "messageSid": message_sid, "mediaUrls": message.media_urls })))
}

/// A message enters a state, and its callback goes out now.
pub(crate) async fn message_status(
    State(carrier): State<Arc<Carrier>>,
    Form(fields): Form<Fields>,
) -> Result<Json<StatusTold>, Failure> {
    let message_sid = fields.required("MessageSid")?.to_owned();
    let status = Status::parse(fields.required("Status")?)
        .ok_or_else(|| Failure::parameter("Status is not a state of a message".to_owned()))?;
    let code = fields.whole("ErrorCode")?;
    let callback = match carrier.log().tell(&message_sid, status, code, Timestamp::now()) {
        Some(message) => Callback::of(message, &carrier.settings.account_sid),
        None => return Err(Failure::not_found(&format!("/Messages/{message_sid}"))),
    };
    let answer = match callback {
        Some(callback) => callback.send(&carrier).await,
        None => Answer { status: None, body: String::new(), attempts: 0 },
    };
    let status = status.as_str();
    tracing::info!(message.sid = message_sid, status, answer = answer.status, "a status was told by hand");
    Ok(Json(StatusTold { message_sid, status, outcome: answer.into() }))
}

/// The next requests of a kind go wrong; `none` without `On` ends every fault.
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
    tracing::info!(?fault, ?target, count, "a fault was set");
    Ok(Json(json!({ "kind": kind, "count": count, "on": fields.get("On") })))
}

/// Names a number on the phone page.
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

/// The sid and the form of a text: those of the first time when the sid is known.
fn receive(carrier: &Carrier, site: &Site, fields: &Fields) -> Result<(String, Params), Failure> {
    let mut log = carrier.log();
    let before = fields.get("MessageSid").and_then(|sid| log.get(sid));
    if let Some(message) = before {
        return match &message.direction {
            Direction::Inbound { webhook } => Ok((message.sid.clone(), webhook.clone())),
            Direction::Outbound { .. } => {
                Err(Failure::parameter("MessageSid is of a text that was sent, not received".to_owned()))
            }
        };
    }
    let (message, form) = inbound::message(fields, &carrier.settings.account_sid, site, Timestamp::now())?;
    let sid = message.sid.clone();
    log.add(message);
    Ok((sid, form))
}
