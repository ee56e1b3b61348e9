//! Calls that manage numbers, services and campaigns, and their errors.
//!
//! | what happened | error |
//! |---|---|
//! | no connection, 429, code 20429 | unavailable: nothing happened |
//! | any 4xx except 408 | refused |
//! | no answer in time, connection lost, 5xx, 408, 3xx, an unreadable success | unknown: it may have happened |
//!
//! These calls have no idempotency key, so an unknown result must be looked up before a retry.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{ApiRequest, NoAnswer};
use super::prose;

const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing happened: no connection, or too many requests. The call can be retried later.
    #[error("the carrier could not be reached or accepts no more requests for now")]
    Unavailable,
    /// It may have happened: no response, an error of the carrier, or an unreadable response. Must be looked
    /// up.
    #[error("it is unknown whether the carrier carried out the request")]
    Unknown,
    /// Twilio refused the request.
    #[error("the carrier refused with status {http_status} and code {code:?}")]
    Refused {
        /// Twilio's error code, if there is one.
        code: Option<u32>,
        /// The HTTP status. Also 400 if an argument is not a valid sid, so no request was sent.
        http_status: u16,
        /// Twilio's message in English. Never empty, and without phone numbers. It is for admins, not for the
        /// log, because it can quote what they entered.
        message: String,
    },
}

impl CallError {
    /// Whether the resource does not exist: status 404 or code 20404.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { http_status: 404, .. } | Self::Refused { code: Some(20404), .. })
    }

    fn refused(http_status: u16, body: Option<&[u8]>) -> Self {
        let RefusalWire { code, message } =
            body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        if code == Some(20429) {
            return Self::Unavailable;
        }
        let message = message
            .map(|message| prose::cleaned(&message))
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| format!("The carrier refused the request with status {http_status}."));
        Self::Refused { code, http_status, message }
    }

    fn not_sent(message: &str) -> Self {
        Self::Refused { code: None, http_status: 400, message: message.to_owned() }
    }
}

#[derive(Default, Deserialize)]
struct RefusalWire {
    code: Option<u32>,
    message: Option<String>,
}

/// Makes a call and ignores the body of a success.
pub(crate) async fn execute(request: ApiRequest) -> Result<(), CallError> {
    success(request).await.map(drop)
}

/// Makes a call that deletes a resource. Succeeds if the resource does not exist.
pub(crate) async fn delete(request: ApiRequest) -> Result<(), CallError> {
    match execute(request).await {
        Err(error) if error.is_not_found() => Ok(()),
        ended => ended,
    }
}

/// Makes a call and parses its response.
pub(crate) async fn read<T: DeserializeOwned>(request: ApiRequest) -> Result<T, CallError> {
    let body = success(request).await?.ok_or(CallError::Unknown)?;
    serde_json::from_slice(&body).map_err(|_| CallError::Unknown)
}

/// The body of a success. `None` if it is incomplete or too long.
async fn success(request: ApiRequest) -> Result<Option<Vec<u8>>, CallError> {
    let answer = request.exchange(MAX_ANSWER_BYTES).await?;
    match answer.http_status {
        200..=299 => Ok(answer.body),
        429 => Err(CallError::Unavailable),
        408 => Err(CallError::Unknown),
        400..=499 => Err(CallError::refused(answer.http_status, answer.body.as_deref())),
        _ => Err(CallError::Unknown),
    }
}

/// Checks a sid before it becomes part of a URL.
pub(crate) fn in_path(sid: &str, shape: impl Fn(&str) -> bool) -> Result<&str, CallError> {
    if shape(sid) { Ok(sid) } else { Err(CallError::not_sent("The resource's identifier is malformed.")) }
}

impl From<NoAnswer> for CallError {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Unreachable => Self::Unavailable,
            NoAnswer::Unbuildable => Self::not_sent("The request could not be built."),
            NoAnswer::TimedOut | NoAnswer::Disconnected => Self::Unknown,
        }
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("Unavailable"),
            Self::Unknown => f.write_str("Unknown"),
            Self::Refused { code, http_status, .. } => f
                .debug_struct("Refused")
                .field("code", code)
                .field("http_status", http_status)
                .finish_non_exhaustive(),
        }
    }
}
