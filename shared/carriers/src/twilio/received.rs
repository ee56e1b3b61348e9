//! The list of received messages: it contains the messages whose webhook was lost.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::carrier_message::CarrierMessage;
use super::client::Client;
use super::lookup::{LookupError, PAGE_SIZE, read};
use super::sid::is_message_sid;
use super::webhook::{DEFAULT_CONTENT_TYPE, Media};
use super::wire::PageWire;

/// A page of the messages to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePage {
    /// Newest first. Can contain messages from outside of the requested time. A message between two numbers
    /// of the account is listed twice, as an inbound and as an outbound one.
    pub messages: Vec<CarrierMessage>,
    /// Whether the list ends here.
    pub is_last: bool,
}

impl Client {
    /// Returns the newest messages to a number between two times, including both, in one request.
    pub async fn messages_to(
        &self,
        number: &str,
        since: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<MessagePage, LookupError> {
        let mut query = vec![
            ("To", number.to_owned()),
            ("DateSent>", seconds(since)),
            ("PageSize", PAGE_SIZE.to_owned()),
        ];
        query.extend(until.map(|until| ("DateSent<", seconds(until))));
        let request = self.request(Method::GET, &self.account_url("Messages.json").await?).query(&query);
        let page: PageWire = read(request).await?;
        let messages = page.messages.into_iter().map(CarrierMessage::from).collect();
        Ok(MessagePage { messages, is_last: page.next_page_uri.is_none() })
    }

    /// Returns the media of a received message, as its webhook names them.
    pub async fn media_of(&self, message_sid: &str) -> Result<Vec<Media>, LookupError> {
        if !is_message_sid(message_sid) {
            return Err(LookupError::InvalidSid);
        }
        let media = format!("Messages/{message_sid}/Media");
        let list = self.account_url(&media).await?;
        let request = self.request(Method::GET, &format!("{list}.json"));
        let page: MediaPageWire = read(request).await?;
        let listed = page.media_list.into_iter().map(|wire| Media {
            url: format!("{list}/{}", wire.sid),
            content_type: wire.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.into()),
        });
        Ok(listed.collect())
    }
}

/// Formats an instant in whole seconds, rounded down.
fn seconds(instant: Timestamp) -> String {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant).to_string()
}

#[derive(Deserialize)]
struct MediaPageWire {
    media_list: Vec<MediaWire>,
}

#[derive(Deserialize)]
struct MediaWire {
    sid: String,
    content_type: Option<String>,
}
