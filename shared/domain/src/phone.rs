//! Phone numbers in E.164 format, parsed from what users enter and from what carriers send.
//!
//! Sources: ITU-T E.164, and the North American Numbering Plan for numbers that begin with +1.
//!
//! ```
//! use shared_domain::phone::{PhoneNumber, PhoneNumberError};
//!
//! assert_eq!(PhoneNumber::parse("(202) 555-0143").unwrap().as_str(), "+12025550143");
//! assert_eq!(PhoneNumber::parse("+11025550143"), Err(PhoneNumberError::NotAssigned));
//! assert_eq!(PhoneNumber::from_carrier("72975").unwrap().as_str(), "72975");
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text;

/// A number in E.164 format (`+12025550143`), or what sent a message instead of one: a short code (3 to 8
/// digits) or the name of a business (`SUPPORT`). Its `Debug` output hides it, because logs must not contain
/// numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(Box<str>);

/// Why a text is not a number that can receive messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// The text is not in a known notation for numbers.
    #[error("not a phone number")]
    Malformed,
    /// The number has an extension, and messages would reach the main line instead.
    #[error("{}", EXTENSION)]
    Extension,
    /// The number is well formed but does not exist in the numbering plan.
    #[error("this number does not exist in the numbering plan")]
    NotAssigned,
}

/// Why a number with an [extension](PhoneNumberError::Extension) is refused.
pub(crate) const EXTENSION: &str = "an extension cannot receive messages: enter the number without it";
/// What a field expects if its number has an extension.
pub const WITHOUT_EXTENSION: &str = "a phone number without an extension";

/// The longest notation that is parsed, in bytes.
const MAX_NOTATION_LENGTH: usize = 40;
/// The longest name of a sender, in characters. Carriers allow 11 in SMS; names in other channels are longer.
/// Names are part of keys, whose length DynamoDB limits.
const MAX_NAME_LENGTH: usize = 64;

impl PhoneNumber {
    /// Parses a number in any usual notation (`(202) 555-0143`, `+44 20 7946 0958`). A number without a
    /// country code is North American. Invisible characters are ignored, and digits may be of any script.
    ///
    /// # Errors
    /// [`PhoneNumberError`] if the text is not a number, or cannot be a North American one. A number in E.164
    /// format is accepted if its length is valid: tables of assigned numbers change, and would refuse numbers
    /// that are in use.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let text: &str = &with_ascii_digits(&text::clean(text));
        if text.len() > MAX_NOTATION_LENGTH {
            return Err(PhoneNumberError::Malformed);
        }
        let explicit = text.starts_with('+').then(|| Self::from_carrier(text).ok()).flatten();
        let number = match explicit {
            Some(number) => number,
            None => {
                let read = phonelib::PhoneNumber::parse_with_country(text, "US");
                let read = read.ok_or(PhoneNumberError::Malformed)?;
                if read.extension().is_some() {
                    return Err(PhoneNumberError::Extension);
                }
                Self::from_carrier(read.e164())?
            }
        };
        match number.as_str().strip_prefix("+1") {
            Some(national) if !plausible_north_american(national) => Err(PhoneNumberError::NotAssigned),
            _ => Ok(number),
        }
    }

    /// Parses a number that a carrier sends: `+` and 7 to 15 digits, or a short code.
    ///
    /// # Errors
    /// [`PhoneNumberError::Malformed`] for anything else.
    pub fn from_carrier(text: &str) -> Result<Self, PhoneNumberError> {
        let (digits, length) = match text.strip_prefix('+') {
            Some(digits) => (digits, 7..=15),
            None => (text, 3..=8),
        };
        let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
        if all_digits && length.contains(&digits.len()) && !(text.starts_with('+') && digits.starts_with('0'))
        {
            Ok(Self(text.into()))
        } else {
            Err(PhoneNumberError::Malformed)
        }
    }

    /// The name of a business, which sends messages and receives none. A name that is too long is truncated.
    /// `#` separates the parts of keys.
    fn of_name(text: &str) -> Result<Self, PhoneNumberError> {
        let name: String = text::clean(text).chars().filter(|c| !c.is_control() && *c != '#').collect();
        let is_edge = |c: char| c.is_whitespace() || c == '+';
        let name: String = name.trim_matches(is_edge).chars().take(MAX_NAME_LENGTH).collect();
        let name = name.trim_end_matches(is_edge);
        if text::is_visible(name) { Ok(Self(name.into())) } else { Err(PhoneNumberError::Malformed) }
    }

    /// Parses a number or a name that was stored.
    ///
    /// # Errors
    /// [`PhoneNumberError::Malformed`] if it is neither.
    pub fn from_stored(text: &str) -> Result<Self, PhoneNumberError> {
        Self::from_carrier(text).or_else(|_| Self::of_name(text))
    }

    /// `+` and digits, the digits of a short code, or a name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a phone number. Short codes and names only send messages.
    pub fn can_receive(&self) -> bool {
        self.0.starts_with('+')
    }
}

/// The way a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Channel {
    /// SMS or MMS.
    #[default]
    Sms,
    Rcs,
    WhatsApp,
}

impl Channel {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Rcs => "rcs",
            Self::WhatsApp => "whatsapp",
        }
    }
}

/// The sender or the recipient of an inbound message.
///
/// ```
/// use shared_domain::phone::{Channel, ChannelAddress};
///
/// let sender = ChannelAddress::parse("whatsapp:+12025550143").unwrap();
/// assert_eq!((sender.channel, sender.number.as_str()), (Channel::WhatsApp, "+12025550143"));
/// assert!(!ChannelAddress::parse("SUPPORT").unwrap().number.can_receive());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct ChannelAddress {
    pub channel: Channel,
    pub number: PhoneNumber,
}

impl ChannelAddress {
    /// Parses an address as Twilio writes it: a number, a short code or a name, with the channel in front
    /// unless it is SMS. A refused message would be lost, so everything that can be shown is an address.
    ///
    /// # Errors
    /// [`PhoneNumberError::Malformed`] if nothing of it can be shown.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let (channel, address) = match text.split_once(':') {
            Some(("whatsapp", address)) => (Channel::WhatsApp, address),
            Some(("rcs", address)) => (Channel::Rcs, address),
            _ => (Channel::Sms, text),
        };
        let number = PhoneNumber::from_carrier(address).or_else(|_| PhoneNumber::of_name(address))?;
        Ok(Self { channel, number })
    }
}

/// The zeros of the scripts whose digits are used in phone numbers. The digits 1 to 9 follow each.
const ZEROS: [char; 20] = [
    '\u{660}',  // Arabic
    '\u{6f0}',  // Persian and Urdu
    '\u{7c0}',  // N'Ko
    '\u{966}',  // Devanagari
    '\u{9e6}',  // Bengali
    '\u{a66}',  // Gurmukhi
    '\u{ae6}',  // Gujarati
    '\u{b66}',  // Oriya
    '\u{be6}',  // Tamil
    '\u{c66}',  // Telugu
    '\u{ce6}',  // Kannada
    '\u{d66}',  // Malayalam
    '\u{e50}',  // Thai
    '\u{ed0}',  // Lao
    '\u{f20}',  // Tibetan
    '\u{1040}', // Myanmar
    '\u{17e0}', // Khmer
    '\u{1810}', // Mongolian
    '\u{1c50}', // Ol Chiki
    '\u{ff10}', // full-width
];

/// The text with its digits, and a full-width plus, in ASCII.
pub(crate) fn with_ascii_digits(text: &str) -> String {
    let ascii = |c: char| {
        let digit = ZEROS.iter().find_map(|zero| {
            let value = u32::from(c).checked_sub(u32::from(*zero))?;
            char::from_digit(value, 10)
        });
        if c == '＋' { '+' } else { digit.unwrap_or(c) }
    };
    text.chars().map(ascii).collect()
}

/// Whether the number has ten digits, and its area code and exchange code begin with 2 to 9.
fn plausible_north_american(national: &str) -> bool {
    let digits = national.as_bytes();
    digits.len() == 10 && matches!(digits[0], b'2'..=b'9') && matches!(digits[3], b'2'..=b'9')
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_notations_are_converted_to_e164() {
        for text in [
            "(202) 555-0143",
            "202-555-0143",
            "202.555.0143",
            "+1 202 555 0143",
            "12025550143",
            " 2025550143 ",
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().as_str(), "+12025550143", "{text}");
        }
        assert_eq!(PhoneNumber::parse("+44 20 7946 0958").unwrap().as_str(), "+442079460958");
        assert_eq!(
            PhoneNumber::parse("+15552340143").unwrap().as_str(),
            "+15552340143",
            "a number in E.164 is accepted as it is"
        );
    }

    #[test]
    fn a_text_that_cannot_be_a_number_is_refused() {
        for text in
            ["", "hello", "555-0143", "+1202555014", "+120255501433", "+1 102 555 0143", "+1 202 155 0143"]
        {
            assert!(PhoneNumber::parse(text).is_err(), "{text}");
        }
        assert_eq!(PhoneNumber::parse(&"1".repeat(41)), Err(PhoneNumberError::Malformed));
    }

    #[test]
    fn a_number_with_an_extension_is_refused_with_that_reason() {
        for text in [
            "(202) 555-0143 x123",
            "202-555-0143 ext. 5",
            "+1 202 555 0143 extension 7",
            "tel:+12025550143;ext=7",
            "2025550143#12",
            "2025550143,12",
            "+44 20 7946 0958 x2",
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(PhoneNumberError::Extension), "{text}");
        }
    }

    #[test]
    fn invisible_characters_in_a_number_are_ignored() {
        for text in [
            "\u{202a}(202) 555-0143\u{202c}",
            "\u{200e}+12025550143",
            "\u{feff}2025550143\u{200b}",
            "+1\u{2060}2025550143",
            "202\u{200b}-555-\u{200d}0143",
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().as_str(), "+12025550143", "{text:?}");
        }
    }

    #[test]
    fn digits_of_other_scripts_are_digits() {
        for text in [
            "٢٠٢٥٥٥٠١٤٣",
            "۲۰۲۵۵۵۰۱۴۳",
            "२०२५५५०१४३",
            "২০২৫৫৫০১৪৩",
            "(２０２) ５５５-０１４３",
            "+١ ٢٠٢ ٥٥٥ ٠١٤٣",
            "＋１２０２５５５０１４３",
        ] {
            assert_eq!(PhoneNumber::parse(text).unwrap().as_str(), "+12025550143", "{text}");
        }
    }

    #[test]
    fn a_carrier_sends_e164_or_a_short_code_and_nothing_else() {
        assert!(PhoneNumber::from_carrier("+12025550143").is_ok());
        assert!(PhoneNumber::from_carrier("72975").is_ok());
        for text in ["anonymous", "sip:a@b", "+1", "+0202555014", "2025550143", "+1202555O143"] {
            assert!(PhoneNumber::from_carrier(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sender_is_a_number_a_short_code_or_a_name_on_some_channel() {
        for (text, channel, number) in [
            ("+12025550143", Channel::Sms, "+12025550143"),
            ("72975", Channel::Sms, "72975"),
            ("whatsapp:+12025550143", Channel::WhatsApp, "+12025550143"),
            ("rcs:+12065550143", Channel::Rcs, "+12065550143"),
            ("rcs:acme_agent", Channel::Rcs, "acme_agent"),
            ("SUPPORT", Channel::Sms, "SUPPORT"),
            (" Acme\u{200b} Ltd ", Channel::Sms, "Acme Ltd"),
            ("A#B\n", Channel::Sms, "AB"),
            ("messenger:1234567890", Channel::Sms, "messenger:1234567890"),
            ("+1", Channel::Sms, "1"),
        ] {
            let address = ChannelAddress::parse(text).unwrap();
            assert_eq!((address.channel, address.number.as_str()), (channel, number), "{text:?}");
            assert_eq!(address.number.can_receive(), number.starts_with('+'), "{text:?}");
            assert_eq!(PhoneNumber::from_stored(number), Ok(address.number), "{text:?}");
        }
        let (long, truncated) = ("é".repeat(5_000), "é".repeat(64));
        let address = ChannelAddress::parse(&long).unwrap();
        assert_eq!(address.number.as_str(), truncated);
        assert_eq!(PhoneNumber::from_stored(&truncated), Ok(address.number));
        for text in ["", " ", "\u{200b}", "whatsapp:", "#"] {
            assert_eq!(ChannelAddress::parse(text), Err(PhoneNumberError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        assert_eq!(format!("{number:?}"), "PhoneNumber(…)");
    }

    #[test]
    fn the_lengths_of_e164_and_of_short_codes_are_enforced() {
        for (text, known) in [
            ("+123456", false),
            ("+1234567", true),
            ("+123456789012345", true),
            ("+1234567890123456", false),
            ("12", false),
            ("123", true),
            ("012", true),
            ("12345678", true),
            ("123456789", false),
        ] {
            assert_eq!(PhoneNumber::from_carrier(text).is_ok(), known, "{text}");
        }
    }

    #[test]
    fn a_north_american_number_has_ten_digits_and_plausible_codes() {
        for (national, plausible) in [
            ("2025550143", true),
            ("9999999999", true),
            ("1025550143", false),
            ("2021550143", false),
            ("202555014", false),
            ("20255501433", false),
        ] {
            assert_eq!(plausible_north_american(national), plausible, "{national}");
            let text = format!("+1{national}");
            let error = (!plausible).then_some(PhoneNumberError::NotAssigned);
            assert_eq!(PhoneNumber::parse(&text).err(), error, "{text}");
        }
    }

    #[test]
    fn a_text_of_more_than_forty_bytes_is_refused() {
        assert!(PhoneNumber::parse(&format!("{:>40}", "2025550143")).is_ok());
        assert!(PhoneNumber::parse(&format!("{:>41}", "2025550143")).is_err());
    }
}
