//! Numbers that are or become ours: buying, finding again, giving back.
//!
//! A purchase costs money and is not idempotent: when its answer is lost, [`Client::owned_number`] tells whether it was
//! made.
//!
//! Source: <https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource>.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::client::Client;
use super::sid::is_number_sid;

/// The code of a purchase that came too late.
const NOT_AVAILABLE: u32 = 21422;

/// A number to be bought, and where Twilio is to report what comes in on it, by `POST`.
#[derive(Clone, PartialEq, Eq)]
pub struct Purchase {
    /// E.164, as the search found it.
    pub phone_number: String,
    /// A name for it, at most 64 characters.
    pub friendly_name: String,
    /// The webhook for texts.
    pub sms_url: String,
    /// The webhook for calls.
    pub voice_url: String,
}

/// A number that is ours.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedNumber {
    /// `PN…`.
    pub sid: String,
    /// E.164.
    pub phone_number: String,
    /// Its name at Twilio; empty when it has none.
    pub friendly_name: String,
}

/// Why a number was not bought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurchaseError {
    /// Somebody else has it now (21422): another one has to be found.
    #[error("the number is not available any more")]
    Gone,
    /// Anything else.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// Buys a number, once.
    pub async fn buy_number(&self, purchase: &Purchase) -> Result<OwnedNumber, PurchaseError> {
        let url = self.account_url("IncomingPhoneNumbers.json");
        let request = self.request(Method::POST, &url).form(&purchase.fields());
        match call::read::<OwnedWire>(request).await {
            Ok(wire) => Ok(wire.into_number().ok_or(CallError::Unknown)?),
            Err(CallError::Refused { code: Some(NOT_AVAILABLE), .. }) => Err(PurchaseError::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// The number if it is ours; none when it is not. Twilio's filter also finds parts of numbers, which do not count.
    pub async fn owned_number(&self, phone_number: &str) -> Result<Option<OwnedNumber>, CallError> {
        let url = self.account_url("IncomingPhoneNumbers.json");
        let request = self.request(Method::GET, &url).query(&[("PhoneNumber", phone_number)]);
        let page: PageWire = call::read(request).await?;
        match page.incoming_phone_numbers.into_iter().find(|wire| wire.phone_number == phone_number) {
            Some(wire) => wire.into_number().map(Some).ok_or(CallError::Unknown),
            None => Ok(None),
        }
    }

    /// Gives a number back for good. One that is not ours any more is given back as well.
    pub async fn release_number(&self, sid: &str) -> Result<(), CallError> {
        let sid = call::in_path(sid, is_number_sid)?;
        let url = self.account_url(&format!("IncomingPhoneNumbers/{sid}.json"));
        call::gone(self.request(Method::DELETE, &url)).await
    }
}

impl Purchase {
    fn fields(&self) -> [(&'static str, &str); 6] {
        [
            ("PhoneNumber", &self.phone_number),
            ("FriendlyName", &self.friendly_name),
            ("SmsUrl", &self.sms_url),
            ("SmsMethod", "POST"),
            ("VoiceUrl", &self.voice_url),
            ("VoiceMethod", "POST"),
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
