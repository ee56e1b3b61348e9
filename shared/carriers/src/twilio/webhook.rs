//! The bodies of Twilio's webhooks. Verify the signature before parsing.
//!
//! Twilio adds fields without notice, so unknown fields are ignored. An optional field is never a reason to
//! refuse a message, because a refused webhook is not sent again.

use std::fmt;

use super::form::Form;
use super::sid::{is_account_sid, is_message_sid};
use super::status::MessageStatus;

/// The response without a reply to the sender. Its content type is `text/xml`; plain text would be sent as a
/// reply.
pub const EMPTY_TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response></Response>"#;

/// Asks Twilio to retry every kind of failure up to five times.
const RETRIES: &str = "#rc=5&rp=all";

/// Returns a webhook URL that Twilio retries after any failure. Without the connection overrides in its
/// fragment, Twilio retries failed connections only, and a message that meets a 5xx response is not delivered
/// again. All attempts together take at most 15 seconds. The fragment is neither sent nor signed.
///
/// Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>.
pub fn with_retries(url: &str) -> String {
    format!("{url}{RETRIES}")
}

/// The content type of media for which the carrier names none.
pub(super) const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// Maximum number of media of a message.
const MAX_MEDIA: usize = 10;

/// More than the length of any phone number, short code or channel address.
const MAX_ADDRESS_BYTES: usize = 128;

/// Why a body is not a valid webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The body is longer than [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    #[error("the body is longer than {} bytes", super::MAX_BODY_BYTES)]
    TooLarge,
    /// The body has more than 500 parameters.
    #[error("the body has too many parameters")]
    TooManyParameters,
    /// A required field is missing or empty.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A required field has an invalid value.
    #[error("the field {0} is malformed")]
    Malformed(&'static str),
}

/// A message from a person to one of our numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// `SM…` or `MM…`. Identifies the message, so that a second delivery has no effect.
    pub message_sid: String,
    /// `AC…`, the account of the number.
    pub account_sid: String,
    /// The sender: an E.164 number, a short code, or a name of any length.
    pub from: String,
    /// Our number in E.164 format.
    pub to: String,
    /// The text, not trimmed. Empty if there are only media.
    pub body: String,
    /// The media in their order, at most ten.
    pub media: Vec<Media>,
    /// Set if the carrier recognized and answered a keyword. The product must not answer it again.
    pub opt_out_type: Option<OptOutType>,
    /// Number of segments. 1 if absent.
    pub num_segments: u32,
    /// `MG…`, if the number belongs to a Messaging Service.
    pub messaging_service_sid: Option<String>,
}

/// An attachment of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// The URL at the carrier. It can require the account's credentials.
    pub url: String,
    /// The content type, such as `image/jpeg`. `application/octet-stream` if absent.
    pub content_type: String,
}

/// The keyword that the carrier recognized and answered (Advanced Opt-Out only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptOutType {
    /// The carrier blocks messages to the sender.
    Stop,
    /// The carrier no longer blocks messages to the sender.
    Start,
    /// The carrier sent the help text.
    Help,
    /// An unknown kind of keyword, which the carrier also answered.
    Other(String),
}

/// A status of an outbound message.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// The sid of the message.
    pub message_sid: String,
    /// The account of the message.
    pub account_sid: String,
    /// The status. Accept and ignore an unknown one.
    pub status: MessageStatus,
    /// The reason of a failure; see [`error_code::sentence`](super::error_code::sentence).
    pub error_code: Option<u32>,
    /// Our number. `None` until a Messaging Service has chosen one.
    pub from: Option<String>,
    /// The recipient.
    pub to: Option<String>,
}

impl InboundMessage {
    /// Parses the form of an inbound message webhook.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            message_sid: form.formatted("MessageSid", is_message_sid)?,
            account_sid: form.formatted("AccountSid", is_account_sid)?,
            from: form.required("From")?,
            to: form.formatted("To", is_address)?,
            body: form.optional("Body").unwrap_or_default(),
            media: media(&mut form),
            opt_out_type: form.optional("OptOutType").map(OptOutType::from),
            num_segments: form.number("NumSegments").unwrap_or(1),
            messaging_service_sid: form.optional("MessagingServiceSid"),
        })
    }
}

impl StatusCallback {
    /// Parses the form of a status callback.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            message_sid: form.formatted("MessageSid", is_message_sid)?,
            account_sid: form.formatted("AccountSid", is_account_sid)?,
            status: MessageStatus::from(form.required("MessageStatus")?.as_str()),
            error_code: form.number("ErrorCode").filter(|code| *code != 0),
            from: form.optional("From"),
            to: form.optional("To"),
        })
    }
}

/// Reads `MediaUrl0` to `MediaUrl9`, regardless of `NumMedia`.
fn media(form: &mut Form) -> Vec<Media> {
    let nth = |n| {
        let url = form.optional(&format!("MediaUrl{n}"))?;
        let content_type = form.optional(&format!("MediaContentType{n}"));
        Some(Media { url, content_type: content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.into()) })
    };
    (0..MAX_MEDIA).filter_map(nth).collect()
}

pub(crate) fn is_address(text: &str) -> bool {
    text.len() <= MAX_ADDRESS_BYTES && !text.contains(char::is_control)
}

impl From<String> for OptOutType {
    fn from(word: String) -> Self {
        match word.as_str() {
            "STOP" => Self::Stop,
            "START" => Self::Start,
            "HELP" => Self::Help,
            _ => Self::Other(word),
        }
    }
}

impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("message_sid", &self.message_sid)
            .field("media", &self.media.len())
            .field("opt_out_type", &self.opt_out_type)
            .field("num_segments", &self.num_segments)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl fmt::Debug for StatusCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusCallback")
            .field("message_sid", &self.message_sid)
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}
