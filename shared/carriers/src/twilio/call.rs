//! One call of the parts that manage numbers, services and campaigns, and how it can end other than well.
//!
//! | what happened | error |
//! |---|---|
//! | no connection, 429, code 20429 | unavailable: surely nothing happened |
//! | any other 4xx but 408 | refused |
//! | no answer in time, connection lost, 5xx, 408, 3xx, a success that cannot be read | unknown: it may have happened |
//!
//! None of these calls has an idempotency key, so what is unknown is looked up before it is tried again.

use std::fmt;

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Client, NoAnswer};
use super::prose;

const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why a call that manages the account did not end well.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Surely nothing happened: no connection, or too many requests. The same call may be made later.
    #[error("the carrier could not be reached or takes no more requests for now")]
    Unavailable,
    /// It may have happened: no answer, a fault of the carrier, or an answer that cannot be read. To be looked up.
    #[error("it is not known whether the carrier did what it was asked")]
    Unknown,
    /// Twilio said no.
    #[error("the carrier refused with status {http_status} and code {code:?}")]
    Refused {
        /// Twilio's error code, when it gave one.
        code: Option<u32>,
        /// The HTTP status; also 400 when an argument is no sid and so nothing was asked.
        http_status: u16,
        /// Twilio's sentence in English, never empty, without anything that looks like a phone number: for the
        /// admins, who may read their own words in it, and not for the log.
        message: String,
    },
}

impl CallError {
    /// Whether there is no such thing: status 404, code 20404.
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

    fn unasked(message: &str) -> Self {
        Self::Refused { code: None, http_status: 400, message: message.to_owned() }
    }
}

#[derive(Default, Deserialize)]
struct RefusalWire {
    code: Option<u32>,
    message: Option<String>,
}

/// Makes a call whose success says all.
pub(crate) async fn done(request: RequestBuilder) -> Result<(), CallError> {
    success(request).await.map(drop)
}

/// Makes a call that ends in something being gone: what was not there is gone as well.
pub(crate) async fn gone(request: RequestBuilder) -> Result<(), CallError> {
    match done(request).await {
        Err(error) if error.is_not_found() => Ok(()),
        ended => ended,
    }
}

/// Makes a call and reads its answer.
pub(crate) async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CallError> {
    let body = success(request).await?.ok_or(CallError::Unknown)?;
    serde_json::from_slice(&body).map_err(|_| CallError::Unknown)
}

/// The body of a success, if it came whole.
async fn success(request: RequestBuilder) -> Result<Option<Vec<u8>>, CallError> {
    let answer = Client::exchange(request, MAX_ANSWER_BYTES).await?;
    match answer.http_status {
        200..=299 => Ok(answer.body),
        429 => Err(CallError::Unavailable),
        408 => Err(CallError::Unknown),
        400..=499 => Err(CallError::refused(answer.http_status, answer.body.as_deref())),
        _ => Err(CallError::Unknown),
    }
}

/// A sid on its way into an address: nothing else may get there.
pub(crate) fn in_path(sid: &str, shape: impl Fn(&str) -> bool) -> Result<&str, CallError> {
    if shape(sid) { Ok(sid) } else { Err(CallError::unasked("The resource's identifier is malformed.")) }
}

impl From<NoAnswer> for CallError {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Unreachable => Self::Unavailable,
            NoAnswer::Unbuildable => Self::unasked("The request could not be written down."),
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
