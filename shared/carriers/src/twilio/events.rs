//! Event Streams: what Twilio tells by itself about brands, campaigns and numbers.
//!
//! A body is a JSON array of `CloudEvents`; one event alone is taken as well. The keys in an event's `data` are words
//! without separators, mostly in small letters (`messagingservicesid`, but also `failureReason`). Events come at least
//! once and in any order, and are a notice of change, not the state: that is read from the campaign
//! ([`campaigns`](super::campaigns)).
//!
//! Twilio's own examples break its rules (a date as `datacontenttype`, no `time`), so whatever is there is taken, and
//! nothing but an event's id and type has to be.
//!
//! Source: <https://www.twilio.com/docs/messaging/compliance/a2p-10dlc/event-streams-setup>,
//! <https://www.twilio.com/docs/events/event-types-overview>.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::event_kind::EventKind;
use super::{MAX_JSON_BYTES, prose};

/// More events than this in one body are refused. Twilio's batches end at 64 KB.
const MAX_EVENTS: usize = 1000;

/// Of the errors that an event names, no more are read.
const MAX_ERRORS: usize = 20;

/// Longer than any sid.
const MAX_ID_BYTES: usize = 64;

/// Why a body holds no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// The body is longer than [`MAX_JSON_BYTES`].
    #[error("the body is longer than {MAX_JSON_BYTES} bytes")]
    TooLarge,
    /// The body is not JSON, or neither a list nor an object.
    #[error("the body is neither a list of events nor an event")]
    Malformed,
    /// The body holds more than 1000 events.
    #[error("the body holds more than {MAX_EVENTS} events")]
    TooMany,
}

/// What a body held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// The events, in their order; an event may be there twice.
    pub events: Vec<ComplianceEvent>,
    /// How many elements are no event: no object, or without an id or a type that can be used.
    pub unreadable: usize,
}

/// Something happened to a brand, a campaign or a number. Ids and sids have at most 64 characters of `A-Za-z0-9_-`.
#[derive(Clone, PartialEq, Eq)]
pub struct ComplianceEvent {
    /// The key that makes a second delivery of the same event harmless.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// When, by Twilio's clock.
    pub time: Option<Timestamp>,
    /// `AC…`: the account it happened in.
    pub account_sid: Option<String>,
    /// `MG…`: the service whose campaign or number it is.
    pub messaging_service_sid: Option<String>,
    /// `BN…`: the brand it is or belongs to.
    pub brand_sid: Option<String>,
    /// `PN…`: the number it is about.
    pub number_sid: Option<String>,
    /// Twilio's codes for what went wrong.
    pub error_codes: Vec<u32>,
    /// What went wrong, in English, for the admins; without anything that looks like a phone number.
    pub reasons: Vec<String>,
}

/// Reads the body of an event sink's webhook.
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

/// The value under a name, whatever its letter case.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A text that may become part of a key.
fn key(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let usable = (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    usable.then(|| text.to_owned())
}

/// `time`, else the milliseconds in the data.
fn time(event: &Map<String, Value>, data: &Map<String, Value>) -> Option<Timestamp> {
    let stated = event.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
    stated.or_else(|| Timestamp::from_millisecond(field(data, "timestamp")?.as_i64()?).ok())
}

/// Codes and reasons, wherever they stand: `errorcode`, `failurereason` (which may be the address of a code's page) and
/// lists such as `brandregistrationerrors`, whose names for the same two things differ by their beginning.
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
