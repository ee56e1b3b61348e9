//! The three outcomes of sending a message.
//!
//! Twilio has no idempotency keys, so the outcome depends on one question: can Twilio have accepted the
//! message?
//!
//! | what happened | outcome |
//! |---|---|
//! | 2xx with the sid of a message | accepted |
//! | no connection (refused, no such host, TLS failed, connecting took too long) | refused, can be retried |
//! | 429, or code 20429 or 21611 | refused, can be retried |
//! | 401, 403 without a code, or a code that refuses the account | refused until an operator has acted |
//! | any other 4xx except 408 | refused permanently |
//! | no response in time, connection lost | unknown |
//! | 5xx, 408, 3xx, unreadable 2xx | unknown |
//!
//! 503 is unknown as well: a proxy may answer it after Twilio has accepted the message. A message with an
//! unknown outcome is not sent again before a lookup ([`lookup`](super::lookup)) shows that Twilio does not
//! have it.

use super::client::{Answer, NoAnswer};
use super::error_code::{self, AccountFault, RefusalClass};
use super::sid::is_message_sid;
use super::status::MessageStatus;
use super::wire::{self, MessageWire};

const SERVICE_UNAVAILABLE: u16 = 503;

/// The outcome of sending a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Twilio accepted the message.
    Accepted {
        /// The sid, `SM…` or `MM…`.
        sid: String,
        /// The first status.
        status: MessageStatus,
        /// Number of segments. 0 if unknown, as with a Messaging Service.
        num_segments: u32,
    },
    /// Twilio did not accept the message.
    Refused(Refusal),
    /// Twilio may have accepted the message. Do not send it again.
    Unknown {
        /// The reason.
        why: LostAnswer,
    },
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Twilio's error code, if there is one.
    pub code: Option<u32>,
    /// The HTTP status. `None` if there was no connection.
    pub http_status: Option<u16>,
    /// The reason, in a sentence for the person who sent it.
    pub reason: String,
    /// The message can be accepted later.
    pub retryable: bool,
    /// The recipient has opted out at the carrier.
    pub opted_out: bool,
    /// What an operator has to repair at the carrier, if anything.
    pub account_fault: Option<AccountFault>,
}

/// Why it is unknown whether a message was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LostAnswer {
    /// No response in time.
    #[error("the carrier did not answer in time")]
    TimedOut,
    /// The connection was lost before the response.
    #[error("the connection was lost before the carrier answered")]
    Disconnected,
    /// An error of the carrier, before or after it accepted the message.
    #[error("the carrier answered with status {http_status}")]
    ServerFault {
        /// 5xx or 408.
        http_status: u16,
    },
    /// A success without the sid of a message.
    #[error("the carrier's answer with status {http_status} cannot be read")]
    Unreadable {
        /// 2xx.
        http_status: u16,
    },
    /// A status that the API does not use.
    #[error("the carrier answered with the unexpected status {http_status}")]
    Unexpected {
        /// 1xx or 3xx.
        http_status: u16,
    },
}

impl From<&Answer> for SendOutcome {
    fn from(answer: &Answer) -> Self {
        let http_status = answer.http_status;
        let body = answer.body.as_deref();
        match http_status {
            200..=299 => {
                Self::accepted(body).unwrap_or(Self::Unknown { why: LostAnswer::Unreadable { http_status } })
            }
            408 | 500.. => Self::Unknown { why: LostAnswer::ServerFault { http_status } },
            400..=499 => Self::Refused(Refusal::by_the_carrier(http_status, wire::error_code(body))),
            _ => Self::Unknown { why: LostAnswer::Unexpected { http_status } },
        }
    }
}

impl From<NoAnswer> for SendOutcome {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Unreachable => {
                Self::Refused(Refusal::unsent("The carrier could not be reached.", true))
            }
            NoAnswer::Unbuildable => {
                Self::Refused(Refusal::unsent("The message could not be put into a request.", false))
            }
            NoAnswer::TimedOut => Self::Unknown { why: LostAnswer::TimedOut },
            NoAnswer::Disconnected => Self::Unknown { why: LostAnswer::Disconnected },
        }
    }
}

impl SendOutcome {
    fn accepted(body: Option<&[u8]>) -> Option<Self> {
        let message: MessageWire = serde_json::from_slice(body?).ok()?;
        is_message_sid(&message.sid).then(|| Self::Accepted {
            sid: message.sid,
            status: MessageStatus::from(message.status.as_deref().unwrap_or_default()),
            num_segments: message.num_segments.and_then(|count| count.parse().ok()).unwrap_or(0),
        })
    }
}

impl Refusal {
    fn by_the_carrier(http_status: u16, code: Option<u32>) -> Self {
        let RefusalClass { retryable, opted_out, account_fault } =
            code.map_or(RefusalClass::default(), error_code::classify);
        let refuses_account = http_status == 401 || (http_status == 403 && code.is_none());
        Self {
            code,
            http_status: Some(http_status),
            reason: code.map_or_else(
                || format!("The carrier refused the message with status {http_status}."),
                |code| error_code::sentence(code).into_owned(),
            ),
            retryable: retryable || http_status == 429,
            opted_out,
            account_fault: if refuses_account { Some(AccountFault::Refused) } else { account_fault },
        }
    }

    fn unsent(reason: &str, retryable: bool) -> Self {
        Self {
            code: None,
            http_status: None,
            reason: reason.into(),
            retryable,
            opted_out: false,
            account_fault: None,
        }
    }

    /// Whether the carrier cannot be reached.
    pub fn is_outage(&self) -> bool {
        self.retryable && self.http_status.is_none()
    }
}

impl LostAnswer {
    /// Whether the carrier is out of service, so that other messages get the same answer.
    pub fn is_outage(self) -> bool {
        self == Self::ServerFault { http_status: SERVICE_UNAVAILABLE }
    }
}
