//! The search for available numbers. A search reserves nothing, so a number can be gone when it is bought.
//!
//! Source: <https://www.twilio.com/docs/phone-numbers/api/availablephonenumberlocal-resource>.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::client::Client;

/// Twilio's maximum page size.
const MAX_RESULTS: u16 = 1000;

/// A search for numbers. All results support messages and calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberSearch {
    /// The country of the numbers.
    pub country: Country,
    /// Area code, the three digits after `+1`.
    pub area_code: String,
    /// Exchange, the three digits after the area code.
    pub exchange: Option<String>,
    /// Maximum number of results, 1 to 1000.
    pub limit: u16,
}

/// A country whose numbers have an area code and an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Country {
    /// `US`.
    UnitedStates,
    /// `CA`.
    Canada,
}

/// A number that was available at the time of the search.
#[derive(Clone, PartialEq, Eq)]
pub struct AvailableNumber {
    /// The number in E.164 format.
    pub phone_number: String,
    /// The number in national format, such as `(202) 555-0100`, or in E.164 format if Twilio has none.
    pub friendly_name: String,
    /// The city.
    pub locality: Option<String>,
    /// The state or province in two letters.
    pub region: Option<String>,
    /// The postal or ZIP code.
    pub postal_code: Option<String>,
    /// Whether the number supports text messages.
    pub sms: bool,
    /// Whether the number supports media.
    pub mms: bool,
    /// Whether the number supports calls.
    pub voice: bool,
}

impl Client {
    /// Returns the first page of available local numbers.
    pub async fn search_numbers(&self, search: &NumberSearch) -> Result<Vec<AvailableNumber>, CallError> {
        let limit = search.limit.clamp(1, MAX_RESULTS);
        let url =
            self.account_url(&format!("AvailablePhoneNumbers/{}/Local.json", search.country.code())).await?;
        let place = match &search.exchange {
            Some(exchange) => ("Contains", format!("+1{}{exchange}", search.area_code)),
            None => ("AreaCode", search.area_code.clone()),
        };
        let request = self.request(Method::GET, &url).query(&[place]).query(&[
            ("SmsEnabled", "true"),
            ("VoiceEnabled", "true"),
            ("PageSize", &limit.to_string()),
        ]);
        let page: PageWire = call::read(request).await?;
        let numbers = page.available_phone_numbers.into_iter().filter_map(AvailableWire::into_number);
        Ok(numbers.take(limit.into()).collect())
    }
}

impl Country {
    /// The ISO 3166 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnitedStates => "US",
            Self::Canada => "CA",
        }
    }
}

#[derive(Deserialize)]
struct PageWire {
    available_phone_numbers: Vec<AvailableWire>,
}

#[derive(Deserialize)]
struct AvailableWire {
    phone_number: Option<String>,
    friendly_name: Option<String>,
    locality: Option<String>,
    region: Option<String>,
    postal_code: Option<String>,
    capabilities: Option<CapabilitiesWire>,
}

/// Twilio uses these names in lowercase and in uppercase.
#[derive(Default, Deserialize)]
struct CapabilitiesWire {
    #[serde(default, alias = "SMS")]
    sms: bool,
    #[serde(default, alias = "MMS")]
    mms: bool,
    #[serde(default, alias = "Voice")]
    voice: bool,
}

impl AvailableWire {
    fn into_number(self) -> Option<AvailableNumber> {
        let phone_number = self.phone_number?;
        let CapabilitiesWire { sms, mms, voice } = self.capabilities.unwrap_or_default();
        Some(AvailableNumber {
            friendly_name: self.friendly_name.unwrap_or_else(|| phone_number.clone()),
            phone_number,
            locality: self.locality,
            region: self.region,
            postal_code: self.postal_code,
            sms,
            mms,
            voice,
        })
    }
}

impl fmt::Debug for AvailableNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AvailableNumber")
            .field("sms", &self.sms)
            .field("mms", &self.mms)
            .field("voice", &self.voice)
            .finish_non_exhaustive()
    }
}
