//! The account's numbers: purchase, lookup and release.
//!
//! A purchase costs money and is not idempotent. If its response is lost, [`Client::owned_number`] tells
//! whether the number was bought.
//!
//! Source: <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::client::Client;
use super::sid::is_number_sid;
use super::webhook::with_retries;

/// Path of the webhook for messages, as the template routes it.
pub const MESSAGES_PATH: &str = "/webhooks/twilio/messages";
/// Path of the webhook for calls, as the template routes it.
pub const VOICE_PATH: &str = "/webhooks/twilio/voice";

/// The error code of a number that is no longer available.
const NOT_AVAILABLE: u32 = 21422;

/// A number to buy, with the URLs of its webhooks. Twilio calls them by `POST`.
#[derive(Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The number in E.164 format, as found by the search.
    pub phone_number: String,
    /// The name at Twilio, at most 64 characters.
    pub friendly_name: String,
    /// The webhook for messages, also the fallback when it fails. Use [`super::with_retries`].
    pub sms_url: String,
    /// The webhook for calls, also the fallback when it fails.
    pub voice_url: String,
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
        let url = self.account_url("IncomingPhoneNumbers.json");
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
        let url = self.account_url("IncomingPhoneNumbers.json");
        let request = self.request(Method::GET, &url).query(&[("PhoneNumber", phone_number)]);
        let page: PageWire = call::read(request).await?;
        match page.incoming_phone_numbers.into_iter().find(|wire| wire.phone_number == phone_number) {
            Some(wire) => wire.into_number().map(Some).ok_or(CallError::Unknown),
            None => Ok(None),
        }
    }

    /// Releases a number for good. Succeeds if the account does not own it.
    pub async fn release_number(&self, sid: &str) -> Result<(), CallError> {
        let sid = call::in_path(sid, is_number_sid)?;
        let url = self.account_url(&format!("IncomingPhoneNumbers/{sid}.json"));
        call::delete(self.request(Method::DELETE, &url)).await
    }
}

impl Purchase {
    /// The purchase of a number for the product, whose public base URL is `webhooks`.
    pub fn new(phone_number: &str, friendly_name: &str, webhooks: &str) -> Self {
        let url = |path| with_retries(&format!("{webhooks}{path}"));
        Self {
            phone_number: phone_number.to_owned(),
            friendly_name: friendly_name.to_owned(),
            sms_url: url(MESSAGES_PATH),
            voice_url: url(VOICE_PATH),
        }
    }

    fn fields(&self) -> [(&'static str, &str); 10] {
        [
            ("PhoneNumber", &self.phone_number),
            ("FriendlyName", &self.friendly_name),
            ("SmsUrl", &self.sms_url),
            ("SmsMethod", "POST"),
            ("VoiceUrl", &self.voice_url),
            ("VoiceMethod", "POST"),
            ("SmsFallbackUrl", &self.sms_url),
            ("SmsFallbackMethod", "POST"),
            ("VoiceFallbackUrl", &self.voice_url),
            ("VoiceFallbackMethod", "POST"),
        ]
    }
}

#[derive(Deserialize)]
struct PageWire {
    incoming_phone_numbers: Vec<OwnedWire>,
}

#[derive(Deserialize)]
struct OwnedWire {
    sid: String,
    phone_number: String,
    friendly_name: Option<String>,
}

impl OwnedWire {
    fn into_number(self) -> Option<OwnedNumber> {
        let Self { sid, phone_number, friendly_name } = self;
        is_number_sid(&sid).then(|| OwnedNumber {
            sid,
            phone_number,
            friendly_name: friendly_name.unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purchase")
            .field("sms_url", &self.sms_url)
            .field("voice_url", &self.voice_url)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedNumber").field("sid", &self.sid).finish_non_exhaustive()
    }
}
