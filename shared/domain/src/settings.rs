//! Values that users enter for teams, users and inboxes: names, colors, API codes and e-mail addresses.
//!
//! ```
//! use shared_domain::settings;
//!
//! assert_eq!(settings::color("/color", "#2F6F9F").as_deref(), Ok("#2f6f9f"));
//! assert_eq!(settings::api_code_of("Front desk", 0, 7), "front-desk");
//! let error = settings::email("/email", "ada@clinic").unwrap_err();
//! assert_eq!((error.pointer.as_str(), error.expected.as_ref()), ("/email", "an e-mail address"));
//! ```

use crate::{field::FieldError, text};

const NAME: &str = "1 to 80 characters without control characters";
const COLOR: &str = "a color as #rrggbb";
const API_CODE: &str = "2 to 40 letters, digits, or any of - _ . and a letter or digit first";
const EMAIL: &str = "an e-mail address";

/// A name of a team, user, inbox or contact, trimmed and in [normal form C](text::composed).
///
/// # Errors
/// [`FieldError`] at `pointer` if it does not have 1 to 80 characters, if one is a control character, or if
/// nothing of it is visible.
pub fn name(pointer: &str, text: &str) -> Result<String, FieldError> {
    let text = text::composed(text::trim(text));
    let fits = text.chars().count() <= 80 && text::is_visible(&text) && !text.contains(char::is_control);
    fits.then(|| text.into_owned()).ok_or_else(|| FieldError::new(pointer, NAME))
}

/// A color as `#rrggbb`, in lowercase.
///
/// # Errors
/// [`FieldError`] at `pointer` for any other notation.
pub fn color(pointer: &str, text: &str) -> Result<String, FieldError> {
    let hex =
        text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let color = hex.map(|hex| format!("#{}", hex.to_ascii_lowercase()));
    color.ok_or_else(|| FieldError::new(pointer, COLOR))
}

/// A code by which integrations choose an inbox. It is stored as entered, and is unique in the organization
/// regardless of case.
///
/// # Errors
/// [`FieldError`] at `pointer` if it cannot be part of a key and a URL.
pub fn api_code(pointer: &str, text: &str) -> Result<String, FieldError> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let all = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let fits = first && all && (2..=40).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| FieldError::new(pointer, API_CODE))
}

/// An API code derived from a name: `Front desk` → `front-desk`. If `attempt` is not 0, it ends in digits of
/// `entropy`, for the case that the first code is taken.
pub fn api_code_of(name: &str, attempt: u32, entropy: u64) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(32).collect();
    let slug = slug.trim_end_matches('-');
    let slug = if slug.len() < 2 { "inbox" } else { slug };
    if attempt == 0 { slug.to_owned() } else { format!("{slug}-{:04x}", entropy & 0xffff) }
}

/// An e-mail address, trimmed and without invisible characters.
///
/// # Errors
/// [`FieldError`] at `pointer` unless it is a bare ASCII address with a domain name.
pub fn email(pointer: &str, text: &str) -> Result<String, FieldError> {
    let text = text::clean(text);
    let text = text.trim();
    let options =
        email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
    let fits = text.len() <= 254
        && text.is_ascii()
        && email_address::EmailAddress::parse_with_options(text, options).is_ok();
    fits.then(|| text.to_owned()).ok_or_else(|| FieldError::new(pointer, EMAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected<T>(value: Result<T, FieldError>) -> Option<String> {
        value.err().map(|error| error.expected.into_owned())
    }

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        assert_eq!(name("/name", "  Front desk ").as_deref(), Ok("Front desk"));
        assert_eq!(name("/name", &"ü".repeat(80)).map(|name| name.chars().count()), Ok(80));
        for bad in ["", "   ", "a\nb", &"x".repeat(81)] {
            assert_eq!(name("/name", bad), Err(FieldError::new("/name", NAME)), "{bad:?}");
        }
    }

    #[test]
    fn a_name_needs_something_visible_and_has_one_form() {
        for bad in ["\u{200b}", " \u{feff} ", "\u{3164}", "\u{2800}\u{200e}"] {
            assert_eq!(name("/name", bad), Err(FieldError::new("/name", NAME)), "{bad:?}");
        }
        assert_eq!(name("/name", "Jose\u{301}").as_deref(), Ok("José"));
        assert_eq!(name("/name", "\u{202a} Ada \u{202c}").as_deref(), Ok("Ada"));
        let joined = "می\u{200c}خواهم";
        assert_eq!(name("/name", joined).as_deref(), Ok(joined), "joiners within a name are part of it");
    }

    #[test]
    fn a_color_has_six_digits() {
        assert_eq!(color("/color", "#2F6F9f").as_deref(), Ok("#2f6f9f"));
        for bad in ["", "2f6f9f", "#2f6f9", "#2f6f9g", "#2f6f9f0", "blue"] {
            assert_eq!(expected(color("/color", bad)).as_deref(), Some(COLOR), "{bad:?}");
        }
    }

    #[test]
    fn an_api_code_can_be_part_of_a_key_and_a_url() {
        for good in ["FRONTDESK", "front-desk_2.a", "a1"] {
            assert_eq!(api_code("/apiCode", good).as_deref(), Ok(good));
        }
        for bad in ["", "a", "-ab", "a b", "a#b", "ä1", &"x".repeat(41)] {
            assert_eq!(expected(api_code("/apiCode", bad)).as_deref(), Some(API_CODE), "{bad:?}");
        }
    }

    #[test]
    fn an_api_code_derived_from_a_name_is_always_valid() {
        assert_eq!(api_code_of("Front desk", 0, 7), "front-desk");
        assert_eq!(api_code_of("Front desk", 1, 0xbeef), "front-desk-beef");
        assert_eq!(api_code_of("受付", 0, 7), "inbox");
        for text in ["", "--", "a", "Ärzte & Co.", &"long name ".repeat(9)] {
            for attempt in 0..3 {
                let code = api_code_of(text, attempt, 0x1234_5678);
                assert_eq!(api_code("/apiCode", &code).as_deref(), Ok(code.as_str()), "{text:?}");
            }
        }
    }

    #[test]
    fn an_e_mail_address_is_bare_and_has_a_domain_name() {
        assert_eq!(email("/email", " ada@clinic.example ").as_deref(), Ok("ada@clinic.example"));
        for bad in [
            "",
            "ada",
            "ada@",
            "@clinic.example",
            "ada@clinic",
            "Ada <ada@clinic.example>",
            "a b@clinic.example",
            "ada@clinic.example\r\nBcc: x@y.example",
        ] {
            assert_eq!(expected(email("/email", bad)).as_deref(), Some(EMAIL), "{bad:?}");
        }
    }

    #[test]
    fn invisible_characters_in_an_e_mail_address_are_ignored() {
        assert_eq!(
            email("/email", "\u{200b}ada@clinic.example\u{feff}").as_deref(),
            Ok("ada@clinic.example")
        );
    }

    #[test]
    fn limits_hold_to_the_last_character() {
        let address = |length: usize| format!("a@{}.example", "b".repeat(length - 10));
        assert!(name("/name", "x").is_ok());
        assert!(api_code("/apiCode", "ab").is_ok() && api_code("/apiCode", &"x".repeat(40)).is_ok());
        assert!(email("/email", &address(60)).is_ok() && email("/email", "adä@clinic.example").is_err());
        assert_eq!(api_code_of("ab", 0, 7), "ab");
        assert_eq!(api_code_of("Front desk", 2, 0x1_0000), "front-desk-0000");
    }
}
