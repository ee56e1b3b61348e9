//! A message, and its resource in the API.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared_domain::segment::Segments;

use crate::date::rfc2822;
use crate::webhook::Params;

/// Twilio's message statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Accepted,
    Scheduled,
    Canceled,
    Queued,
    Sending,
    Sent,
    Failed,
    Delivered,
    Undelivered,
    Receiving,
    Received,
    Read,
    PartiallyDelivered,
}

impl Status {
    const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Scheduled,
        Self::Canceled,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
        Self::Undelivered,
        Self::Receiving,
        Self::Received,
        Self::Read,
        Self::PartiallyDelivered,
    ];

    /// Parses the name in the API.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// The name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::Canceled => "canceled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Receiving => "receiving",
            Self::Received => "received",
            Self::Read => "read",
            Self::PartiallyDelivered => "partially_delivered",
        }
    }

    /// Whether a message with this status has left the carrier.
    fn has_left(self) -> bool {
        matches!(
            self,
            Self::Sending
                | Self::Sent
                | Self::Delivered
                | Self::Undelivered
                | Self::Read
                | Self::PartiallyDelivered
        )
    }
}

/// The direction of a message.
#[derive(Debug)]
pub(crate) enum Direction {
    /// Sent by the API, with the URL of status callbacks if it has one.
    Outbound { status_callback: Option<String> },
    /// Sent by a phone, with the form of its webhook for redeliveries.
    Inbound { webhook: Params },
}

/// A message in either direction.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) sid: String,
    pub(crate) direction: Direction,
    /// `None` if a messaging service chooses the sender.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) media_urls: Vec<String>,
    pub(crate) messaging_service_sid: Option<String>,
    pub(crate) status: Status,
    pub(crate) error_code: Option<u32>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) sent: Option<Timestamp>,
    /// Whether a control route has set the status. The message then takes no further steps.
    pub(crate) is_status_set: bool,
}

impl Message {
    /// Sets the status. Any change is allowed.
    pub(crate) fn set_status(&mut self, status: Status, error_code: Option<u32>, now: Timestamp) {
        self.status = status;
        self.error_code = error_code;
        self.updated = now;
        if status.has_left() {
            self.sent.get_or_insert(now);
        }
    }

    /// Whether a phone sent the message.
    pub(crate) fn is_inbound(&self) -> bool {
        matches!(self.direction, Direction::Inbound { .. })
    }

    /// Number of segments, at least one.
    pub(crate) fn segments(&self) -> usize {
        Segments::of(&self.body).count
    }

    /// The message resource of the API.
    pub(crate) fn resource(&self, account: &str) -> Value {
        let path = format!("/2010-04-01/Accounts/{account}/Messages/{}", self.sid);
        let segments = if self.status == Status::Accepted { 0 } else { self.segments() };
        json!({
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.created),
            "date_sent": self.sent.map(rfc2822),
            "date_updated": rfc2822(self.updated),
            "direction": if self.is_inbound() { "inbound" } else { "outbound-api" },
            "error_code": self.error_code,
            "error_message": self.error_code.and_then(error_message),
            "from": self.from,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": self.media_urls.len().to_string(),
            "num_segments": segments.to_string(),
            "price": null,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status.as_str(),
            "subresource_uris": { "media": format!("{path}/Media.json") },
            "to": self.to,
            "uri": format!("{path}.json"),
        })
    }
}

/// Twilio's message for a delivery error.
fn error_message(code: u32) -> Option<&'static str> {
    Some(match code {
        30001 => "Queue overflow",
        30002 => "Account suspended",
        30003 => "Unreachable destination handset",
        30004 => "Message blocked",
        30005 => "Unknown destination handset",
        30006 => "Landline or unreachable carrier",
        30007 => "Message filtered",
        30008 => "Unknown error",
        21610 => "Attempt to send to unsubscribed recipient",
        30036 => "Validity Period Expired",
        30034 => "Message from an Unregistered Number",
        _ => return None,
    })
}
