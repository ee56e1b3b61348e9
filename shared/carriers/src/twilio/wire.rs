//! JSON responses of Twilio's REST API.

use serde::Deserialize;

/// A message in the responses of sending, lists and lookups. Everything except the sid can be missing or
/// null.
#[derive(Deserialize)]
pub(crate) struct MessageWire {
    pub(crate) sid: String,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) num_segments: Option<String>,
    #[serde(default)]
    pub(crate) num_media: Option<String>,
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
    /// Path and query of the next page.
    #[serde(default)]
    pub(crate) next_page_uri: Option<String>,
}

/// An error. Its message is not read, because it can quote our request.
#[derive(Deserialize)]
struct ErrorWire {
    code: Option<u32>,
}

/// The code of an error response, if it can be read.
pub(crate) fn error_code(body: Option<&[u8]>) -> Option<u32> {
    serde_json::from_slice::<ErrorWire>(body?).ok()?.code
}
