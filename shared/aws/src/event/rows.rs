//! The items of events.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{
    event::{EVENT_RETENTION, Event, EventScope, EventType, NewEvent},
    ids::{ConversationId, EventId, MessageId, TeamId},
    time::Timestamp,
};

use crate::table::{
    StoreError,
    keys::{self, Key},
};

/// How much longer than [`EVENT_RETENTION`] an event is stored.
const TTL_SLACK: Duration = Duration::from_hours(1);
/// How long a claim is stored. A record of the stream comes again for 24 hours.
const CLAIM_RETENTION: Duration = Duration::from_hours(48);

/// A stored event. Attribute names are short, so that an event of a conversation fits into one write unit.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EventRow {
    #[serde(skip_serializing)]
    sk: String,
    pub(super) id: EventId,
    #[serde(rename = "t")]
    kind: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<TeamId>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub(super) conversation: Option<ConversationId>,
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
    #[serde(rename = "d")]
    pub(super) data: String,
    /// The time of the newest change of this event and all before it.
    #[serde(rename = "w")]
    pub(super) watermark: Timestamp,
    ttl: i64,
}

/// The part of the data of a changed conversation that says when its newest message was created.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShowsMessage {
    last_message: ShownMessage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownMessage {
    created_at: String,
}

/// Says that an event may be stored at one of the numbers from `first` on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClaimRow {
    pub(super) first: u64,
    ttl: i64,
}

pub(super) fn event_key(scope: &EventScope, sequence: u64) -> Key {
    Key::new(keys::events_partition(scope), keys::event_place(sequence))
}

impl ClaimRow {
    pub(super) fn new(first: u64, now: Timestamp) -> Self {
        Self { first, ttl: (now + CLAIM_RETENTION).seconds() }
    }
}

impl EventRow {
    pub(super) fn new(event: &NewEvent, watermark: Timestamp, now: Timestamp) -> Self {
        Self {
            sk: String::new(),
            id: event.id.clone(),
            kind: event.kind.as_str().to_owned(),
            at: event.at,
            team: event.team.clone(),
            conversation: event.conversation.clone(),
            message: event.message.clone(),
            data: event.data.clone(),
            watermark,
            ttl: (now + EVENT_RETENTION + TTL_SLACK).seconds(),
        }
    }

    /// Whether TTL may have deleted this event or one that was stored later.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.ttl < (now + TTL_SLACK).seconds()
    }

    /// Whether the event is about a message from before a time, or shows one as the newest of a conversation.
    pub(super) fn has_message_before(&self, time: Timestamp) -> bool {
        let at = match EventType::parse(&self.kind) {
            Some(EventType::MessageCreated | EventType::MessageUpdated) => {
                self.message.as_ref().and_then(MessageId::made_at)
            }
            Some(EventType::ConversationUpdated) => {
                let data: Option<ShowsMessage> = serde_json::from_str(&self.data).ok();
                data.and_then(|data| Timestamp::parse(&data.last_message.created_at))
            }
            _ => None,
        };
        at.is_some_and(|at| at < time)
    }

    pub(super) fn sequence(&self) -> Result<u64, StoreError> {
        let digits = self.sk.strip_prefix(keys::EVENTS).and_then(|digits| digits.parse().ok());
        digits.ok_or_else(|| StoreError::Corrupt("the number of an event".into()))
    }

    pub(super) fn event(self, scope: &EventScope) -> Result<Event, StoreError> {
        let sequence = self.sequence()?;
        let kind = EventType::parse(&self.kind);
        let event = NewEvent {
            id: self.id,
            kind: kind.ok_or_else(|| StoreError::Corrupt("the type of an event".into()))?,
            at: self.at,
            scope: scope.clone(),
            team: self.team,
            conversation: self.conversation,
            message: self.message,
            data: self.data,
        };
        Ok(Event { sequence, event })
    }
}
