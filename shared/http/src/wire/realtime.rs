//! Tickets, and the frames that the server sends over a socket.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use shared_aws::realtime::View;
use shared_domain::{
    ids::{EventId, OrganizationId},
    time::Timestamp,
    user::UserRef,
};
use utoipa::ToSchema;

use super::{UserName, event::EventView};

/// A ticket that opens a socket once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeTicket {
    /// URL of the socket. Connect to `url?ticket=…`.
    #[schema(format = "uri")]
    pub url: String,
    /// Valid once, until `expiresAt`.
    pub ticket: String,
    /// Time until which a connection can be opened.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The token ended, or the user has no access any more. Sign in again.
    SignedOut,
    /// Connect again with a new ticket.
    Reconnect,
    /// Too many frames that are not part of the protocol.
    TooMany,
}

impl CloseCode {
    pub fn number(self) -> u16 {
        match self {
            Self::SignedOut => 4001,
            Self::Reconnect => 4002,
            Self::TooMany => 4003,
        }
    }
}

impl Serialize for CloseCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

/// A frame of the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerFrame {
    /// The connection is ready. `cursor` is the position in the feed when the ticket was issued.
    Ready { cursor: String },
    /// Answers a ping.
    Pong,
    /// The token ends soon. Send a new ticket.
    Refresh,
    /// The connection is closed next.
    Close { code: CloseCode },
}

#[derive(Serialize)]
struct EventFrame<E> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: E,
}

/// Who views a conversation. It has no number, because it is not part of the feed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViewerEvent<'a> {
    event_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    at: String,
    organization_id: &'a str,
    inbox_id: &'a str,
    conversation_id: &'a str,
    data: ViewerData,
}

#[derive(Serialize)]
struct ViewerData {
    viewers: Vec<UserName>,
}

impl ServerFrame {
    pub fn text(&self) -> String {
        text(self)
    }

    /// Returns the frame of an event. One text serves all receivers.
    pub fn event(event: EventView) -> Arc<str> {
        text(&EventFrame { kind: "event", event }).into()
    }

    /// Returns the frame of `viewer.changed`.
    pub fn viewers(
        organization: &OrganizationId,
        view: &View,
        viewers: &[UserRef],
        now: Timestamp,
    ) -> Arc<str> {
        let event = ViewerEvent {
            event_id: EventId::of_record(&format!("{}-{}", view.conversation, now.millis()), 0).to_string(),
            kind: "viewer.changed",
            at: now.to_string(),
            organization_id: organization.as_str(),
            inbox_id: view.inbox.as_str(),
            conversation_id: view.conversation.as_str(),
            data: ViewerData { viewers: viewers.iter().map(UserName::of).collect() },
        };
        text(&EventFrame { kind: "event", event }).into()
    }
}

/// # Panics
/// Never: frames contain only texts, numbers and lists, which are always valid JSON.
fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("texts and numbers are valid JSON")
}
