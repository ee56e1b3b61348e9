//! Sending one message: one form, one call, one [`SendOutcome`].

use std::fmt;

use reqwest::Method;

use super::client::Client;
use super::outcome::SendOutcome;

const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A message to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The recipient, E.164.
    pub to: String,
    /// The inbox's number, E.164.
    pub from: String,
    /// The text, at most 1600 characters; may be empty when there are files.
    pub body: String,
    /// Up to ten addresses that Twilio fetches files from, without credentials.
    pub media_urls: Vec<String>,
    /// Where Twilio reports what becomes of the message.
    pub status_callback: String,
    /// The campaign's Messaging Service, so that its rules apply.
    pub messaging_service_sid: Option<String>,
}

impl Client {
    /// Sends the message, once.
    pub async fn send(&self, message: &SendMessage) -> SendOutcome {
        let request = self.request(Method::POST, &self.account_url("Messages.json")).form(&message.fields());
        match Self::exchange(request, MAX_ANSWER_BYTES).await {
            Ok(answer) => SendOutcome::from(&answer),
            Err(no_answer) => SendOutcome::from(no_answer),
        }
    }
}

impl SendMessage {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("To", self.to.as_str()), ("From", &self.from)];
        fields.extend(self.messaging_service_sid.iter().map(|sid| ("MessagingServiceSid", sid.as_str())));
        if !self.body.is_empty() {
            fields.push(("Body", &self.body));
        }
        fields.extend(self.media_urls.iter().map(|url| ("MediaUrl", url.as_str())));
        fields.push(("StatusCallback", &self.status_callback));
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
