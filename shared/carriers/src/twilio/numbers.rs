//! The account's numbers: purchase, lookup, webhooks and release.
//!
//! A purchase costs money and is not idempotent. If its response is lost, [`Client::owned_number`] tells
//! whether the number was bought.
//!
//! Source: <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>.

use std::fmt;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::client::Client;
use super::date::parse_date;
use super::sid::is_number_sid;
use super::webhook::with_retries;

/// Path of the webhook for messages, as the template routes it.
pub const MESSAGES_PATH: &str = "/webhooks/twilio/messages";
/// Path of the webhook for calls, as the template routes it.
pub const VOICE_PATH: &str = "/webhooks/twilio/voice";

/// The error code of a number that is no longer available.
const NOT_AVAILABLE: u32 = 21422;

const LIST_PAGE_SIZE: &str = "500";
const MAX_PAGES: usize = 40;

/// The URLs that Twilio calls by `POST` when a number gets a message or a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberWebhooks {
    /// The webhook for messages. Use [`with_retries`].
    pub messages: String,
    /// The webhook for messages when the first one fails.
    pub messages_fallback: String,
    /// The webhook for calls.
    pub calls: String,
    /// The webhook for calls when the first one fails.
    pub calls_fallback: String,
}

/// A number to buy.
#[derive(Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The number in E.164 format, as found by the search.
    pub phone_number: String,
    /// The name at Twilio, at most 64 characters.
    pub friendly_name: String,
    /// Where its messages and calls go.
    pub webhooks: NumberWebhooks,
}

/// A number of the account.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedNumber {
    /// `PN…`.
    pub sid: String,
    /// The number in E.164 format.
    pub phone_number: String,
    /// The name at Twilio, or empty.
    pub friendly_name: String,
    /// Where its messages and calls go. A URL is empty if Twilio does not call it by `POST`.
    pub webhooks: NumberWebhooks,
    /// When the account bought it, to the second.
    pub bought_at: Option<Timestamp>,
}

/// Why a number was not bought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurchaseError {
    /// The number is no longer available (21422). Choose another one.
    #[error("the number is no longer available")]
    Gone,
    /// Any other error.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// Buys a number. Does not retry.
    pub async fn buy_number(&self, purchase: &Purchase) -> Result<OwnedNumber, PurchaseError> {
        let url = self.account_url("IncomingPhoneNumbers.json").await.map_err(CallError::from)?;
        let request = self.request(Method::POST, &url).form(&purchase.fields());
        match call::read::<OwnedWire>(request).await {
            Ok(wire) => Ok(wire.into_number().ok_or(CallError::Unknown)?),
            Err(CallError::Refused { code: Some(NOT_AVAILABLE), .. }) => Err(PurchaseError::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds a number of the account. `None` if the account does not own it. Twilio's filter also matches
    /// parts of numbers; those results are ignored.
    pub async fn owned_number(&self, phone_number: &str) -> Result<Option<OwnedNumber>, CallError> {
        let url = self.account_url("IncomingPhoneNumbers.json").await?;
        let request = self.request(Method::GET, &url).query(&[("PhoneNumber", phone_number)]);
        let page: PageWire = call::read(request).await?;
        match page.incoming_phone_numbers.into_iter().find(|wire| wire.phone_number == phone_number) {
            Some(wire) => wire.into_number().map(Some).ok_or(CallError::Unknown),
            None => Ok(None),
        }
    }

    /// Returns all numbers of the account. Errors with `Unknown` if the list has too many pages or a number
    /// without a valid sid.
    pub async fn owned_numbers(&self) -> Result<Vec<OwnedNumber>, CallError> {
        let first = self.account_url("IncomingPhoneNumbers.json").await?;
        let mut request = self.request(Method::GET, &first).query(&[("PageSize", LIST_PAGE_SIZE)]);
        let mut numbers = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: PageWire = call::read(request).await?;
            for wire in page.incoming_phone_numbers {
                numbers.push(wire.into_number().ok_or(CallError::Unknown)?);
            }
            let Some(next) = page.next_page_uri else { return Ok(numbers) };
            let url = self.page_url(&next).ok_or(CallError::Unknown)?;
            request = self.request(Method::GET, &url);
        }
        Err(CallError::Unknown)
    }

    /// Sets the webhooks of a number, and removes applications that would receive its messages and calls
    /// instead.
    pub async fn set_webhooks(&self, sid: &str, webhooks: &NumberWebhooks) -> Result<(), CallError> {
        let sid = call::in_path(sid, is_number_sid)?;
        let url = self.account_url(&format!("IncomingPhoneNumbers/{sid}.json")).await?;
        let applications = [("SmsApplicationSid", ""), ("VoiceApplicationSid", "")];
        let fields: Vec<_> = webhooks.fields().into_iter().chain(applications).collect();
        call::execute(self.request(Method::POST, &url).form(&fields)).await
    }

    /// Releases a number for good. Succeeds if the account does not own it.
    pub async fn release_number(&self, sid: &str) -> Result<(), CallError> {
        let sid = call::in_path(sid, is_number_sid)?;
        let url = self.account_url(&format!("IncomingPhoneNumbers/{sid}.json")).await?;
        call::delete(self.request(Method::DELETE, &url)).await
    }
}

impl NumberWebhooks {
    /// The webhooks of the product, whose public base URL is `base`. Each one is its own fallback.
    pub fn of_product(base: &str) -> Self {
        let url = |path| with_retries(&format!("{base}{path}"));
        let (messages, calls) = (url(MESSAGES_PATH), url(VOICE_PATH));
        Self { messages_fallback: messages.clone(), messages, calls_fallback: calls.clone(), calls }
    }

    fn fields(&self) -> [(&'static str, &str); 8] {
        [
            ("SmsUrl", &self.messages),
            ("SmsMethod", "POST"),
            ("VoiceUrl", &self.calls),
            ("VoiceMethod", "POST"),
            ("SmsFallbackUrl", &self.messages_fallback),
            ("SmsFallbackMethod", "POST"),
            ("VoiceFallbackUrl", &self.calls_fallback),
            ("VoiceFallbackMethod", "POST"),
        ]
    }
}

impl Purchase {
    /// The purchase of a number for the product, whose public base URL is `base`.
    pub fn new(phone_number: &str, friendly_name: &str, base: &str) -> Self {
        Self {
            phone_number: phone_number.to_owned(),
            friendly_name: friendly_name.to_owned(),
            webhooks: NumberWebhooks::of_product(base),
        }
    }

    fn fields(&self) -> Vec<(&'static str, &str)> {
        let number = [("PhoneNumber", self.phone_number.as_str()), ("FriendlyName", &self.friendly_name)];
        number.into_iter().chain(self.webhooks.fields()).collect()
    }
}

#[derive(Deserialize)]
struct PageWire {
    incoming_phone_numbers: Vec<OwnedWire>,
    /// Path and query of the next page.
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct OwnedWire {
    sid: String,
    phone_number: String,
    friendly_name: Option<String>,
    date_created: Option<String>,
    sms_url: Option<String>,
    sms_method: Option<String>,
    sms_fallback_url: Option<String>,
    sms_fallback_method: Option<String>,
    sms_application_sid: Option<String>,
    voice_url: Option<String>,
    voice_method: Option<String>,
    voice_fallback_url: Option<String>,
    voice_fallback_method: Option<String>,
    voice_application_sid: Option<String>,
}

impl OwnedWire {
    fn into_number(self) -> Option<OwnedNumber> {
        if !is_number_sid(&self.sid) {
            return None;
        }
        let (sms_app, voice_app) = (self.sms_application_sid, self.voice_application_sid);
        let webhooks = NumberWebhooks {
            messages: called(self.sms_url, self.sms_method, sms_app.as_deref()),
            messages_fallback: called(self.sms_fallback_url, self.sms_fallback_method, sms_app.as_deref()),
            calls: called(self.voice_url, self.voice_method, voice_app.as_deref()),
            calls_fallback: called(self.voice_fallback_url, self.voice_fallback_method, voice_app.as_deref()),
        };
        Some(OwnedNumber {
            sid: self.sid,
            phone_number: self.phone_number,
            friendly_name: self.friendly_name.unwrap_or_default(),
            webhooks,
            bought_at: self.date_created.as_deref().and_then(parse_date),
        })
    }
}

/// Returns the URL if Twilio calls it by `POST`, otherwise an empty text. An application's own URLs take
/// precedence over those of the number.
fn called(url: Option<String>, method: Option<String>, application: Option<&str>) -> String {
    let has_application = application.is_some_and(|sid| !sid.is_empty());
    let is_called = !has_application && method.is_none_or(|method| method == "POST");
    url.filter(|_| is_called).unwrap_or_default()
}

impl fmt::Debug for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purchase").field("webhooks", &self.webhooks).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedNumber").field("sid", &self.sid).finish_non_exhaustive()
    }
}
