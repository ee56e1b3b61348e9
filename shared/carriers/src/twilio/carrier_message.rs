//! A message at Twilio, as returned by lists and lookups.

use std::fmt;

use jiff::Timestamp;

use super::date::parse_date;
use super::status::MessageStatus;
use super::wire::MessageWire;

/// A message at Twilio.
#[derive(Clone, PartialEq, Eq)]
pub struct CarrierMessage {
    /// `SM…` or `MM…`.
    pub sid: String,
    /// The recipient.
    pub to: Option<String>,
    /// The sender. `None` until a Messaging Service has chosen one.
    pub from: Option<String>,
    /// The text.
    pub body: String,
    /// Its state.
    pub status: MessageStatus,
    /// The reason of a failure.
    pub error_code: Option<u32>,
    /// When Twilio accepted the message, to the second.
    pub date_created: Option<Timestamp>,
    /// Number of media.
    pub media: usize,
    /// The direction.
    pub direction: Direction,
}

/// The direction and origin of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a person to us.
    Inbound,
    /// Sent through the API.
    OutboundApi,
    /// Sent during a call.
    OutboundCall,
    /// Sent in the response to a webhook.
    OutboundReply,
    /// An unknown direction.
    Unknown,
}

impl CarrierMessage {
    /// Whether this can be a message that was sent with this text. Twilio lists the text as it sent it, and
    /// Smart Encoding replaces punctuation and spaces, so letters and digits are compared if there are any.
    pub fn has_text(&self, text: &str) -> bool {
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let own = letters(text);
        self.body == text || (!own.is_empty() && letters(&self.body) == own)
    }

    /// Whether the message is from this second or later. A message without a readable date counts as such.
    pub(crate) fn is_since(&self, instant: Timestamp) -> bool {
        self.date_created.is_none_or(|created| created.as_second() >= instant.as_second())
    }
}

impl From<MessageWire> for CarrierMessage {
    fn from(wire: MessageWire) -> Self {
        Self {
            sid: wire.sid,
            to: wire.to,
            from: wire.from,
            body: wire.body.unwrap_or_default(),
            status: MessageStatus::from(wire.status.as_deref().unwrap_or_default()),
            error_code: wire.error_code,
            date_created: wire.date_created.as_deref().and_then(parse_date),
            media: wire.num_media.and_then(|count| count.parse().ok()).unwrap_or(0),
            direction: match wire.direction.as_deref() {
                Some("inbound") => Direction::Inbound,
                Some("outbound-api") => Direction::OutboundApi,
                Some("outbound-call") => Direction::OutboundCall,
                Some("outbound-reply") => Direction::OutboundReply,
                _ => Direction::Unknown,
            },
        }
    }
}

impl fmt::Debug for CarrierMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierMessage")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .field("date_created", &self.date_created)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}
