//! The validation of outbound messages, as Twilio does it.
//!
//! Source: `CreateMessage` of Twilio's OpenAPI description and the error dictionary. Unlike Twilio, a status
//! callback can have a URL on this machine.

use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::message::{Direction, Message, Status};
use crate::sid;

const MAX_BODY_LENGTH: usize = 1600;
/// Seconds.
const MAX_VALIDITY: u64 = 36_000;
const MAX_MEDIA: usize = 10;
const MAX_CALLBACK_LENGTH: usize = 4000;

/// A valid request to send a message.
pub(crate) struct SendRequest {
    to: String,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    body: String,
    media_urls: Vec<String>,
    status_callback: Option<String>,
    validity: Duration,
}

impl SendRequest {
    /// Reads and checks the fields of the form.
    pub(crate) fn parse(fields: &Fields) -> Result<Self, Failure> {
        let validity =
            fields.get("ValidityPeriod").map_or(Some(MAX_VALIDITY), |seconds| seconds.parse().ok());
        let validity = validity.filter(|seconds| (1..=MAX_VALIDITY).contains(seconds));
        let invalid = || Failure::parameter("ValidityPeriod must be from 1 to 36000".to_owned());
        let validity = Duration::from_secs(validity.ok_or_else(invalid)?);
        let request = Self {
            to: recipient(fields)?,
            from: fields.get("From").map(str::to_owned),
            messaging_service_sid: fields.get("MessagingServiceSid").map(str::to_owned),
            body: fields.get("Body").unwrap_or_default().to_owned(),
            media_urls: fields.all("MediaUrl").map(str::to_owned).collect(),
            status_callback: fields.get("StatusCallback").map(str::to_owned),
            validity,
        };
        match request.error_code() {
            Some(code) => Err(Failure::of(code)),
            None => Ok(request),
        }
    }

    /// For how long it may wait in the sender's queue.
    pub(crate) fn validity(&self) -> Duration {
        self.validity
    }

    /// Creates the message. Its status is `accepted` with a messaging service, else `queued`.
    pub(crate) fn accept(self, now: Timestamp) -> Message {
        Message {
            sid: sid::new(if self.media_urls.is_empty() { "SM" } else { "MM" }),
            status: if self.messaging_service_sid.is_some() { Status::Accepted } else { Status::Queued },
            direction: Direction::Outbound { status_callback: self.status_callback },
            from: self.from,
            to: self.to,
            body: self.body,
            media_urls: self.media_urls,
            messaging_service_sid: self.messaging_service_sid,
            error_code: None,
            created: now,
            updated: now,
            sent: None,
            is_status_set: false,
        }
    }

    /// The code of the first error. `None` if the request is valid.
    fn error_code(&self) -> Option<u32> {
        let wrong_from = self.from.as_deref().is_some_and(|from| !is_e164(from) && !is_short_code(from));
        let wrong_service =
            self.messaging_service_sid.as_deref().is_some_and(|service| !sid::is_valid(service, &["MG"]));
        let empty = self.body.is_empty() && self.media_urls.is_empty();
        let wrong_callback = self
            .status_callback
            .as_deref()
            .is_some_and(|url| url.len() > MAX_CALLBACK_LENGTH || !is_web_address(url));
        [
            (self.from.is_none() && self.messaging_service_sid.is_none(), 21603),
            (wrong_from, 21606),
            (wrong_service, 21705),
            (self.from.as_ref() == Some(&self.to), 21266),
            (empty && self.messaging_service_sid.is_none(), 21602),
            (empty, 21619),
            (self.body.chars().count() > MAX_BODY_LENGTH, 21617),
            (self.media_urls.len() > MAX_MEDIA, 21623),
            (!self.media_urls.iter().all(|url| is_web_address(url)), 21620),
            (wrong_callback, 21609),
        ]
        .into_iter()
        .find_map(|(wrong, code)| wrong.then_some(code))
    }
}

fn recipient(fields: &Fields) -> Result<String, Failure> {
    let to = fields.get("To").ok_or_else(|| Failure::of(21604))?;
    if is_e164(to) { Ok(to.to_owned()) } else { Err(Failure::of(21211)) }
}

pub(crate) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && all_digits(digits) && !digits.starts_with('0')
    })
}

fn is_short_code(number: &str) -> bool {
    (5..=6).contains(&number.len()) && all_digits(number)
}

/// Whether a text has only digits.
pub(crate) fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is an `http` or `https` URL with a host.
pub(crate) fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
}
