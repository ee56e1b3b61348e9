//! A message as Twilio's lists and fetches show it.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::status::MessageStatus;
use super::wire::MessageWire;

/// A message as Twilio keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct CarrierMessage {
    /// `SM…` or `MM…`.
    pub sid: String,
    /// The recipient.
    pub to: Option<String>,
    /// The sender; absent while a Messaging Service has not chosen one.
    pub from: Option<String>,
    /// The text.
    pub body: String,
    /// Its state.
    pub status: MessageStatus,
    /// Why it failed or was not delivered.
    pub error_code: Option<u32>,
    /// When Twilio took it, to the second.
    pub date_created: Option<Timestamp>,
    /// Which way it went.
    pub direction: Direction,
}

/// Which way a message went, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a person to us.
    Inbound,
    /// Sent through the API.
    OutboundApi,
    /// Sent during a call.
    OutboundCall,
    /// Sent as the answer to a webhook.
    OutboundReply,
    /// A word that is new to us.
    Unknown,
}

impl CarrierMessage {
    /// A message without a date that can be read is not dropped.
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
            date_created: wire
                .date_created
                .and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(&date).ok()),
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
