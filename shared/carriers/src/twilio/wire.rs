//! The JSON that Twilio's REST API answers with.

use serde::Deserialize;

/// A message, as the send call, the list and the single fetch answer it. All but the sid may be missing or null.
#[derive(Deserialize)]
pub(crate) struct MessageWire {
    pub(crate) sid: String,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) num_segments: Option<String>,
    #[serde(default)]
    pub(crate) to: Option<String>,
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) error_code: Option<u32>,
    #[serde(default)]
    pub(crate) date_created: Option<String>,
    #[serde(default)]
    pub(crate) direction: Option<String>,
}

/// One page of a list of messages.
#[derive(Deserialize)]
pub(crate) struct PageWire {
    pub(crate) messages: Vec<MessageWire>,
    /// Path and query of the next page, relative to the API's host.
    #[serde(default)]
    pub(crate) next_page_uri: Option<String>,
}

/// An error; its message may quote what we sent, so it is not read.
#[derive(Deserialize)]
struct ErrorWire {
    code: Option<u32>,
}

/// The code of an error answer, if it can be read.
pub(crate) fn error_code(body: Option<&[u8]>) -> Option<u32> {
    serde_json::from_slice::<ErrorWire>(body?).ok()?.code
}
