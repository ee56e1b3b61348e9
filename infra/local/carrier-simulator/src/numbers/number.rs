//! A phone number that the account owns.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::attribute::{self, Attribute, Attributes, Kind};
use crate::date::rfc2822;
use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::send_request::all_digits;
use crate::sid;
use crate::webhook::Endpoint;

const MAX_NAME_LENGTH: usize = 64;

/// The attributes that a purchase and an update can set. Twilio's other fields are ignored.
const ATTRIBUTES: [Attribute; 11] = [
    Attribute("FriendlyName", "friendly_name", Kind::Text),
    Attribute("SmsUrl", "sms_url", Kind::Url),
    Attribute("SmsMethod", "sms_method", Kind::Method),
    Attribute("SmsFallbackUrl", "sms_fallback_url", Kind::Url),
    Attribute("SmsFallbackMethod", "sms_fallback_method", Kind::Method),
    Attribute("VoiceUrl", "voice_url", Kind::Url),
    Attribute("VoiceMethod", "voice_method", Kind::Method),
    Attribute("VoiceFallbackUrl", "voice_fallback_url", Kind::Url),
    Attribute("VoiceFallbackMethod", "voice_fallback_method", Kind::Method),
    Attribute("StatusCallback", "status_callback", Kind::Url),
    Attribute("StatusCallbackMethod", "status_callback_method", Kind::Method),
];

/// A phone number of the account.
pub(crate) struct Number {
    pub(crate) sid: String,
    /// `+12025552000`.
    pub(crate) e164: String,
    attributes: Attributes,
    created: Timestamp,
    updated: Timestamp,
}

impl Number {
    /// The number that a purchase asks for. Errors if the number is invalid or can never be bought.
    pub(crate) fn from_purchase(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        let phone_number = fields.get("PhoneNumber").filter(|number| is_well_formed(number));
        let phone_number = phone_number.ok_or_else(|| Failure::of(21421))?;
        if is_unavailable(phone_number) {
            return Err(Failure::of(21422));
        }
        let mut attributes = attribute::initial(&ATTRIBUTES);
        attributes.insert("friendly_name".to_owned(), national_format(phone_number).into());
        let mut number = Self {
            sid: sid::new("PN"),
            e164: phone_number.to_owned(),
            attributes,
            created: now,
            updated: now,
        };
        number.update(fields, now)?;
        Ok(number)
    }

    /// Sets the attributes that the form has.
    pub(crate) fn update(&mut self, fields: &Fields, now: Timestamp) -> Result<(), Failure> {
        if fields.get("FriendlyName").is_some_and(|name| name.chars().count() > MAX_NAME_LENGTH) {
            return Err(Failure::parameter(format!(
                "FriendlyName can have at most {MAX_NAME_LENGTH} characters"
            )));
        }
        attribute::set(&ATTRIBUTES, fields, &mut self.attributes)?;
        self.updated = now;
        Ok(())
    }

    /// The name of the number; by default the number in national format.
    pub(crate) fn friendly_name(&self) -> Option<&str> {
        self.attributes.get("friendly_name").and_then(Value::as_str)
    }

    /// Where messages to this number go if its messaging service leaves them to the number. `None` if no URL
    /// is set: Twilio then keeps the message without telling anybody.
    pub(crate) fn message_endpoint(&self) -> Option<Endpoint> {
        self.endpoint("sms_url", "sms_fallback_url")
    }

    /// Where calls to this number go.
    pub(crate) fn voice_endpoint(&self) -> Option<Endpoint> {
        self.endpoint("voice_url", "voice_fallback_url")
    }

    fn endpoint(&self, url: &str, fallback: &str) -> Option<Endpoint> {
        Endpoint::of(&self.attributes, url, fallback)
    }

    /// The resource of the API.
    pub(crate) fn resource(&self, account: &str) -> Value {
        let rest = json!({
            "sid": self.sid,
            "account_sid": account,
            "phone_number": self.e164,
            "capabilities": { "fax": false, "mms": true, "sms": true, "voice": true },
            "address_requirements": "none",
            "address_sid": null,
            "api_version": "2010-04-01",
            "beta": false,
            "bundle_sid": null,
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated),
            "emergency_address_sid": null,
            "emergency_address_status": "unregistered",
            "emergency_status": "Inactive",
            "identity_sid": null,
            "origin": "twilio",
            "sms_application_sid": null,
            "status": "in-use",
            "trunk_sid": null,
            "type": "local",
            "uri": format!("/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{}.json", self.sid),
            "voice_application_sid": null,
            "voice_caller_id_lookup": false,
            "voice_receive_mode": "voice",
        });
        attribute::resource(&self.attributes, rest)
    }
}

/// The number in national format, `(202) 555-2000`.
pub(crate) fn national_format(phone_number: &str) -> String {
    let digits = phone_number.trim_start_matches("+1");
    match (digits.get(..3), digits.get(3..6), digits.get(6..)) {
        (Some(area), Some(exchange), Some(line)) => format!("({area}) {exchange}-{line}"),
        _ => phone_number.to_owned(),
    }
}

/// Whether the text can be an area code or an exchange: three digits, the first from 2 to 9.
pub(crate) fn is_code(digits: &str) -> bool {
    digits.len() == 3 && all_digits(digits) && !digits.starts_with(['0', '1'])
}

/// Whether the number is `+1`, an area code, an exchange, and four digits.
fn is_well_formed(number: &str) -> bool {
    number.strip_prefix("+1").is_some_and(|digits| {
        digits.len() == 10 && all_digits(digits) && is_code(&digits[..3]) && is_code(&digits[3..6])
    })
}

/// Numbers ending in 0000 are never available, to test a purchase that comes too late.
fn is_unavailable(number: &str) -> bool {
    number.ends_with("0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_plus_one_and_ten_digits_whose_codes_start_with_two_or_more() {
        assert!(is_well_formed("+12025550100"));
        for wrong in [
            "+1202555010",
            "+120255501000",
            "12025550100",
            "+442025550100",
            "+11025550100",
            "+12021550100",
            "+1202555010é",
        ] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
        assert_eq!(national_format("+12025550100"), "(202) 555-0100");
    }
}
