//! The bodies of Twilio's webhooks. They are read after their signature was checked.
//!
//! Twilio adds fields without notice, so what is not named here is ignored; what is not needed to keep a text is never
//! a reason to refuse it, for a refused webhook is not sent again.

use std::fmt;

use super::form::Form;
use super::sid::{is_account_sid, is_message_sid};
use super::status::MessageStatus;

/// The answer that says nothing to the person who wrote. It goes out as `text/xml`: plain text would be sent to them.
pub const EMPTY_TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response></Response>"#;

/// Twilio attaches at most this many files to a message; more are not read.
const MAX_MEDIA: usize = 10;

/// Longer than any phone number, short code or channel address.
const MAX_ADDRESS_BYTES: usize = 128;

/// Why a body is not a webhook that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The body is longer than [`MAX_BODY_BYTES`](super::MAX_BODY_BYTES).
    #[error("the body is longer than {} bytes", super::MAX_BODY_BYTES)]
    TooLarge,
    /// The body has more than 500 parameters.
    #[error("the body has too many parameters")]
    TooManyParameters,
    /// A field that is needed is missing or empty.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// A field that is needed does not have its shape.
    #[error("the field {0} is malformed")]
    Malformed(&'static str),
}

/// A text or media message from a person to one of our numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// `SM…` or `MM…`: the key that makes a second delivery of the same message harmless.
    pub message_sid: String,
    /// `AC…`: the account the number belongs to.
    pub account_sid: String,
    /// Who wrote: E.164, or a short code of 5 or 6 digits.
    pub from: String,
    /// Our number, E.164.
    pub to: String,
    /// The text, untrimmed; empty when only files were sent.
    pub body: String,
    /// The files, in their order; at most ten.
    pub media: Vec<Media>,
    /// Set when the carrier took the text for a keyword and has answered it: then nothing of ours may answer.
    pub opt_out_type: Option<OptOutType>,
    /// Segments the text came in; 1 when Twilio does not say.
    pub num_segments: u32,
    /// `MG…`, when the number belongs to a Messaging Service.
    pub messaging_service_sid: Option<String>,
}

/// A file that came with a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Where the carrier keeps it; fetching may need the account's credentials.
    pub url: String,
    /// As the carrier says, such as `image/jpeg`; `application/octet-stream` when it does not.
    pub content_type: String,
}

/// Which of its keywords the carrier saw and answered (Advanced Opt-Out only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptOutType {
    /// The sender is blocked at the carrier now.
    Stop,
    /// The block is lifted.
    Start,
    /// The help text was sent.
    Help,
    /// A keyword of a kind that is new to us; it was answered all the same.
    Other(String),
}

/// What became of a message we sent.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// The message, as the send call named it.
    pub message_sid: String,
    /// The account it was sent from.
    pub account_sid: String,
    /// Its state. An unknown one is to be accepted and ignored.
    pub status: MessageStatus,
    /// Why it failed or was not delivered; [`error_code::sentence`](super::error_code::sentence) says it in words.
    pub error_code: Option<u32>,
    /// Our number; may be absent while a Messaging Service has not chosen one.
    pub from: Option<String>,
    /// The recipient.
    pub to: Option<String>,
}

impl InboundMessage {
    /// Reads the form of an inbound message webhook.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            message_sid: form.shaped("MessageSid", is_message_sid)?,
            account_sid: form.shaped("AccountSid", is_account_sid)?,
            from: form.shaped("From", is_address)?,
            to: form.shaped("To", is_address)?,
            body: form.optional("Body").unwrap_or_default(),
            media: media(&mut form),
            opt_out_type: form.optional("OptOutType").map(OptOutType::from),
            num_segments: form.number("NumSegments").unwrap_or(1),
            messaging_service_sid: form.optional("MessagingServiceSid"),
        })
    }
}

impl StatusCallback {
    /// Reads the form of a status callback.
    pub fn parse(body: &[u8]) -> Result<Self, WebhookError> {
        let mut form = Form::read(body)?;
        Ok(Self {
            message_sid: form.shaped("MessageSid", is_message_sid)?,
            account_sid: form.shaped("AccountSid", is_account_sid)?,
            status: MessageStatus::from(form.required("MessageStatus")?.as_str()),
            error_code: form.number("ErrorCode").filter(|code| *code != 0),
            from: form.optional("From"),
            to: form.optional("To"),
        })
    }
}

/// `MediaUrl0` to `MediaUrl9`, those that are there: `NumMedia` is not believed.
fn media(form: &mut Form) -> Vec<Media> {
    let nth = |n| {
        let url = form.optional(&format!("MediaUrl{n}"))?;
        let content_type = form.optional(&format!("MediaContentType{n}"));
        Some(Media { url, content_type: content_type.unwrap_or_else(|| "application/octet-stream".into()) })
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
