//! What people enter for teams, users and inboxes, each with its limits: a name, a color, an API code, an address.

/// A field that makes no sense: what is expected instead, as a sentence for people.
pub type Fault = &'static str;

const NAME: Fault = "1 to 80 characters without control characters";
const COLOR: Fault = "a color as #rrggbb";
const API_CODE: Fault = "2 to 40 letters, digits, or any of - _ . and a letter or digit first";
const EMAIL: Fault = "an e-mail address";

/// A name of a team, user or inbox, trimmed.
///
/// # Errors
/// [`Fault`].
pub fn name(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let fits = (1..=80).contains(&text.chars().count()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned()).ok_or(NAME)
}

/// A color, in small letters.
///
/// # Errors
/// [`Fault`].
pub fn color(text: &str) -> Result<String, Fault> {
    let hex =
        text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.map(|hex| format!("#{}", hex.to_ascii_lowercase())).ok_or(COLOR)
}

/// A code that names an inbox for integrations. It is kept as written, and unique in the organization whatever the case.
///
/// # Errors
/// [`Fault`].
pub fn api_code(text: &str) -> Result<String, Fault> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let all = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (first && all && (2..=40).contains(&text.len())).then(|| text.to_owned()).ok_or(API_CODE)
}

/// An API code made of a name: `Front desk` → `front-desk`. The second and later `attempt`s end in entropy, for when the
/// first is taken.
pub fn api_code_of(name: &str, attempt: u32, entropy: u64) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(32).collect();
    let slug = slug.trim_end_matches('-');
    let slug = if slug.len() < 2 { "inbox" } else { slug };
    if attempt == 0 { slug.to_owned() } else { format!("{slug}-{:04x}", entropy & 0xffff) }
}

/// An e-mail address.
///
/// # Errors
/// [`Fault`].
pub fn email(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let options =
        email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
    let fits = text.len() <= 254
        && text.is_ascii()
        && email_address::EmailAddress::parse_with_options(text, options).is_ok();
    fits.then(|| text.to_owned()).ok_or(EMAIL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        assert_eq!(name("  Front desk ").as_deref(), Ok("Front desk"));
        assert_eq!(name(&"ü".repeat(80)).map(|name| name.chars().count()), Ok(80));
        for bad in ["", "   ", "a\nb", &"x".repeat(81)] {
            assert_eq!(name(bad), Err(NAME), "{bad:?}");
        }
    }

    #[test]
    fn a_colour_has_six_digits() {
        assert_eq!(color("#2F6F9f").as_deref(), Ok("#2f6f9f"));
        for bad in ["", "2f6f9f", "#2f6f9", "#2f6f9g", "#2f6f9f0", "blue"] {
            assert_eq!(color(bad), Err(COLOR), "{bad:?}");
        }
    }

    #[test]
    fn an_api_code_can_stand_in_a_key_and_an_address() {
        for good in ["FRONTDESK", "front-desk_2.a", "a1"] {
            assert_eq!(api_code(good).as_deref(), Ok(good));
        }
        for bad in ["", "a", "-ab", "a b", "a#b", "ä1", &"x".repeat(41)] {
            assert_eq!(api_code(bad), Err(API_CODE), "{bad:?}");
        }
    }

    #[test]
    fn an_api_code_made_of_a_name_is_always_one() {
        assert_eq!(api_code_of("Front desk", 0, 7), "front-desk");
        assert_eq!(api_code_of("Front desk", 1, 0xbeef), "front-desk-beef");
        assert_eq!(api_code_of("受付", 0, 7), "inbox");
        for text in ["", "--", "a", "Ärzte & Co.", &"long name ".repeat(9)] {
            for attempt in 0..3 {
                let code = api_code_of(text, attempt, 0x1234_5678);
                assert_eq!(api_code(&code).as_deref(), Ok(code.as_str()), "{text:?}");
            }
        }
    }

    #[test]
    fn an_address_is_one() {
        assert_eq!(email(" ada@clinic.example ").as_deref(), Ok("ada@clinic.example"));
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
            assert_eq!(email(bad), Err(EMAIL), "{bad:?}");
        }
    }

    #[test]
    fn limits_hold_to_the_last_character() {
        let address = |length: usize| format!("a@{}.example", "b".repeat(length - 10));
        assert!(name("x").is_ok());
        assert!(api_code("ab").is_ok() && api_code(&"x".repeat(40)).is_ok());
        assert!(email(&address(60)).is_ok() && email("adä@clinic.example").is_err());
        assert_eq!(api_code_of("ab", 0, 7), "ab");
        assert_eq!(api_code_of("Front desk", 2, 0x1_0000), "front-desk-0000");
    }
}
