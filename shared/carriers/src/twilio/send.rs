//! Sending a message. The result is a [`SendOutcome`].

use std::{fmt, time::Duration};

use reqwest::Method;

use super::client::{Client, NoAnswer};
use super::outcome::SendOutcome;

const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The recipient in E.164 format.
    pub to: String,
    /// The inbox's number in E.164 format.
    pub from: String,
    /// The text, at most 1600 characters. Can be empty if there are media.
    pub body: String,
    /// Up to ten URLs of media. Twilio downloads them without credentials.
    pub media_urls: Vec<String>,
    /// The URL of status callbacks.
    pub status_callback: String,
    /// The Messaging Service of the campaign.
    pub messaging_service_sid: Option<String>,
    /// For how long Twilio may try to send it. `None`: ten hours, which is the maximum.
    pub validity: Option<Duration>,
}

impl Client {
    /// Sends the message. Does not retry.
    pub async fn send(&self, message: &SendMessage) -> SendOutcome {
        self.send_once(message).await.unwrap_or_else(SendOutcome::from)
    }

    async fn send_once(&self, message: &SendMessage) -> Result<SendOutcome, NoAnswer> {
        let url = self.account_url("Messages.json").await?;
        let validity = message.validity.map(|validity| validity.as_secs().to_string());
        let request = self.request(Method::POST, &url).form(&message.fields(validity.as_deref()));
        Ok(SendOutcome::from(&request.exchange(MAX_ANSWER_BYTES).await?))
    }
}

impl SendMessage {
    fn fields<'a>(&'a self, validity: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
        let mut fields = vec![("To", self.to.as_str()), ("From", &self.from)];
        fields.extend(self.messaging_service_sid.iter().map(|sid| ("MessagingServiceSid", sid.as_str())));
        if !self.body.is_empty() {
            fields.push(("Body", &self.body));
        }
        fields.extend(self.media_urls.iter().map(|url| ("MediaUrl", url.as_str())));
        // With Smart Encoding, Twilio would send and list another text than the product shows.
        fields.push(("SmartEncoded", "false"));
        fields.push(("StatusCallback", &self.status_callback));
        fields.extend(validity.map(|seconds| ("ValidityPeriod", seconds)));
        fields
    }
}

impl fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessage")
            .field("media_urls", &self.media_urls.len())
            .field("messaging_service_sid", &self.messaging_service_sid)
            .finish_non_exhaustive()
    }
}
