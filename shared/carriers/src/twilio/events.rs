//! Event Streams: events about brands, campaigns and numbers.
//!
//! A body is a JSON array of `CloudEvents`; a single event is also accepted. The keys in an event's `data`
//! have no separators and are mostly lowercase (`messagingservicesid`, but also `failureReason`). Events
//! arrive at least once and in any order. They announce changes; the state itself is read from the campaign
//! ([`campaigns`](super::campaigns)).
//!
//! Twilio's own examples break its rules (a date as `datacontenttype`, no `time`), so only the id and the
//! type of an event are required.
//!
//! Source: <https://www.twilio.com/docs/messaging/compliance/a2p-10dlc/event-streams-setup>,
//! <https://www.twilio.com/docs/events/event-types-overview>.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::event_kind::EventKind;
use super::{MAX_JSON_BYTES, prose};

/// Maximum number of events in a body. Twilio's batches have at most 64 KB.
const MAX_EVENTS: usize = 1000;

/// Maximum number of errors that are read from an event.
const MAX_ERRORS: usize = 20;

/// More than the length of any sid.
const MAX_ID_BYTES: usize = 64;

/// Why a body has no readable events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// The body is longer than [`MAX_JSON_BYTES`].
    #[error("the body is longer than {MAX_JSON_BYTES} bytes")]
    TooLarge,
    /// The body is not a JSON array or object.
    #[error("the body is neither a list of events nor an event")]
    Malformed,
    /// The body has more than 1000 events.
    #[error("the body has more than {MAX_EVENTS} events")]
    TooMany,
}

/// The events in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// The events in their order. An event can occur twice.
    pub events: Vec<ComplianceEvent>,
    /// Number of elements that are not events: not an object, or without a valid id or type.
    pub unreadable: usize,
}

/// An event about a brand, a campaign or a number. Ids and sids have at most 64 characters of `A-Za-z0-9_-`.
#[derive(Clone, PartialEq, Eq)]
pub struct ComplianceEvent {
    /// Identifies the event, so that a second delivery has no effect.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// When it happened, by Twilio's clock.
    pub time: Option<Timestamp>,
    /// `AC…`, the account.
    pub account_sid: Option<String>,
    /// `MG…`, the service of the campaign or number.
    pub messaging_service_sid: Option<String>,
    /// `BN…`, the brand itself or the brand of the campaign.
    pub brand_sid: Option<String>,
    /// `PN…`, the number.
    pub number_sid: Option<String>,
    /// Twilio's error codes.
    pub error_codes: Vec<u32>,
    /// What went wrong, in English, for admins. Phone numbers are removed.
    pub reasons: Vec<String>,
}

/// Parses the body of an event sink's webhook.
pub fn parse_events(body: &[u8]) -> Result<EventBatch, EventsError> {
    if body.len() > MAX_JSON_BYTES {
        return Err(EventsError::TooLarge);
    }
    let elements = match serde_json::from_slice(body) {
        Ok(Value::Array(elements)) => elements,
        Ok(event @ Value::Object(_)) => vec![event],
        _ => return Err(EventsError::Malformed),
    };
    if elements.len() > MAX_EVENTS {
        return Err(EventsError::TooMany);
    }
    let events: Vec<_> = elements.iter().filter_map(ComplianceEvent::read).collect();
    Ok(EventBatch { unreadable: elements.len() - events.len(), events })
}

impl ComplianceEvent {
    fn read(event: &Value) -> Option<Self> {
        let event = event.as_object()?;
        let nothing = Map::new();
        let data = event.get("data").and_then(Value::as_object).unwrap_or(&nothing);
        let (error_codes, reasons) = errors(data);
        Some(Self {
            id: event.get("id").and_then(key)?,
            kind: EventKind::from(event.get("type")?.as_str().filter(|kind| !kind.is_empty())?),
            time: time(event, data),
            account_sid: field(data, "accountsid").and_then(key),
            messaging_service_sid: field(data, "messagingservicesid").and_then(key),
            brand_sid: field(data, "brandsid").and_then(key),
            number_sid: field(data, "phonenumbersid").and_then(key),
            error_codes,
            reasons,
        })
    }
}

/// The value of a name, in any letter case.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A text that can become part of a key.
fn key(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let usable = (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    usable.then(|| text.to_owned())
}

/// The time of the event, else the timestamp in its data.
fn time(event: &Map<String, Value>, data: &Map<String, Value>) -> Option<Timestamp> {
    let stated = event.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    stated.or_else(|| Timestamp::from_millisecond(field(data, "timestamp")?.as_i64()?).ok())
}

/// Error codes and reasons. They are in `errorcode`, in `failurereason` (which can be the URL of a code's
/// page), and in lists such as `brandregistrationerrors`, whose properties have the same endings.
fn errors(data: &Map<String, Value>) -> (Vec<u32>, Vec<String>) {
    let mut codes: Vec<u32> = Vec::new();
    let mut reasons = Vec::new();
    let listed = data
        .iter()
        .filter(|(name, _)| ends(name, "errors"))
        .filter_map(|(_, list)| list.as_array())
        .flatten()
        .filter_map(Value::as_object);
    for (name, value) in std::iter::once(data).chain(listed).flatten() {
        if ends(name, "errorcode") {
            codes.extend(code(value));
        } else if ends(name, "failurereason") || ends(name, "errordescription") {
            let reason = value.as_str().unwrap_or_default();
            codes.extend(reason.rsplit_once("/errors/").and_then(|(_, code)| code.parse::<u32>().ok()));
            reasons.push(prose::cleaned(reason));
        }
    }
    codes.retain(|code| *code != 0);
    codes.truncate(MAX_ERRORS);
    reasons.retain(|reason| !reason.is_empty());
    reasons.truncate(MAX_ERRORS);
    (codes, reasons)
}

fn ends(name: &str, end: &str) -> bool {
    name.to_ascii_lowercase().ends_with(end)
}

fn code(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64()?.try_into().ok(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

impl fmt::Debug for ComplianceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComplianceEvent")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("time", &self.time)
            .field("messaging_service_sid", &self.messaging_service_sid)
            .field("brand_sid", &self.brand_sid)
            .field("number_sid", &self.number_sid)
            .field("error_codes", &self.error_codes)
            .finish_non_exhaustive()
    }
}
