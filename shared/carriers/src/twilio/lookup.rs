//! Message lookups: they tell whether Twilio accepted a message whose response was lost.
//!
//! A message that is found was accepted. A message that is not found may still have been accepted, because
//! Twilio filters by sender, and a Messaging Service may not have chosen one yet. The lookup does not filter
//! by date, because Twilio uses the date of sending, which a queued message does not have.

use jiff::Timestamp;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::carrier_message::CarrierMessage;
use super::client::{ApiRequest, Client, NoAnswer};
use super::sid::is_message_sid;
use super::wire::{self, MessageWire, PageWire};

pub(super) const PAGE_SIZE: &str = "200";
const MAX_PAGES: usize = 10;
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Why a lookup failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No connection.
    #[error("the carrier could not be reached")]
    Unreachable,
    /// No response in time.
    #[error("the carrier did not answer in time")]
    TimedOut,
    /// The connection was lost.
    #[error("the connection was lost before the carrier answered")]
    Disconnected,
    /// Any status except 200.
    #[error("the carrier answered with status {http_status} and code {code:?}")]
    Refused {
        /// The HTTP status.
        http_status: u16,
        /// Twilio's error code, if there is one.
        code: Option<u32>,
    },
    /// The response does not have the documented shape.
    #[error("the carrier's answer cannot be read")]
    Unreadable,
    /// The list has more pages than are read. A partial list is not a result.
    #[error("the carrier's list has more than {MAX_PAGES} pages")]
    TooManyPages,
    /// The argument is not the sid of a message.
    #[error("not the sid of a message")]
    InvalidSid,
}

impl Client {
    /// Finds the messages between two numbers that Twilio accepted at `sent_after` or later. The comparison
    /// is in whole seconds of Twilio's clock, so leave a margin. The list is newest first, and reading ends
    /// at the first page with only older messages.
    pub async fn find_messages(
        &self,
        to: &str,
        from: &str,
        sent_after: Timestamp,
    ) -> Result<Vec<CarrierMessage>, LookupError> {
        let query = [("To", to), ("From", from), ("PageSize", PAGE_SIZE)];
        let mut request = self.request(Method::GET, &self.account_url("Messages.json").await?).query(&query);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: PageWire = read(request).await?;
            let (listed, known) = (page.messages.len(), found.len());
            let messages = page.messages.into_iter().map(CarrierMessage::from);
            found.extend(messages.filter(|message| message.is_since(sent_after)));
            let older_throughout = listed > 0 && found.len() == known;
            let Some(next) = page.next_page_uri.filter(|_| !older_throughout) else { return Ok(found) };
            let url = self.page_url(&next).ok_or(LookupError::Unreadable)?;
            request = self.request(Method::GET, &url);
        }
        Err(LookupError::TooManyPages)
    }

    /// Asks whether Twilio serves the account, by reading a list with at most one message.
    pub async fn probe(&self) -> Result<(), LookupError> {
        let request = self.request(Method::GET, &self.account_url("Messages.json").await?);
        read::<PageWire>(request.query(&[("PageSize", "1")])).await.map(drop)
    }

    /// Fetches a message. `None` if Twilio does not know it.
    pub async fn fetch_message(&self, sid: &str) -> Result<Option<CarrierMessage>, LookupError> {
        if !is_message_sid(sid) {
            return Err(LookupError::InvalidSid);
        }
        let request = self.request(Method::GET, &self.account_url(&format!("Messages/{sid}.json")).await?);
        match read::<MessageWire>(request).await {
            Ok(message) => Ok(Some(message.into())),
            Err(LookupError::Refused { http_status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(super) async fn read<T: DeserializeOwned>(request: ApiRequest) -> Result<T, LookupError> {
    let answer = request.exchange(MAX_PAGE_BYTES).await?;
    let body = answer.body.as_deref();
    if answer.http_status != 200 {
        let code = wire::error_code(body);
        return Err(LookupError::Refused { http_status: answer.http_status, code });
    }
    serde_json::from_slice(body.ok_or(LookupError::Unreadable)?).map_err(|_| LookupError::Unreadable)
}

impl From<NoAnswer> for LookupError {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Unreachable => Self::Unreachable,
            NoAnswer::TimedOut => Self::TimedOut,
            NoAnswer::Unbuildable | NoAnswer::Disconnected => Self::Disconnected,
        }
    }
}
