//! The pattern `Contains` of a number search: 2 to 16 characters.
//!
//! `+1202555` matches the start of a number and `202555****` its ten digits. Any other pattern matches a part
//! of the ten digits. `*` is one digit, `%` any number of digits, and `$` the end. Letters match nothing
//! here; Twilio maps them to digits.

use crate::failure::Failure;

/// A pattern that numbers are compared with.
#[derive(Debug)]
pub(crate) struct NumberPattern(String);

impl NumberPattern {
    /// Errors if the pattern does not have 2 to 16 ASCII characters.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if (2..=16).contains(&text.len()) && text.is_ascii() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::parameter("Contains must have 2 to 16 characters".to_owned()))
        }
    }

    /// Whether an E.164 number in North America matches.
    pub(crate) fn matches(&self, number: &str) -> bool {
        let (pattern, number) = (self.0.as_bytes(), number.as_bytes());
        match pattern.first() {
            Some(b'+') => matches_start(pattern, number),
            _ if pattern.len() == 10 => matches_start(pattern, &number[2..]),
            _ => (2..=number.len()).any(|start| matches_start(pattern, &number[start..])),
        }
    }

    /// The leading characters of the ten digits, as far as the pattern determines them.
    pub(crate) fn leading(&self, area: Option<&str>) -> String {
        match (self.0.strip_prefix("+1"), area) {
            (Some(digits), _) => digits.to_owned(),
            (None, Some(area)) if self.0.len() < 10 => format!("{area}{}", self.0),
            (None, _) => self.0.clone(),
        }
    }
}

/// Whether the pattern matches the start of a text.
fn matches_start(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((b'$', _)) => text.is_empty(),
        Some((b'%', rest)) => (0..=text.len()).any(|start| matches_start(rest, &text[start..])),
        Some((b'*', rest)) => !text.is_empty() && matches_start(rest, &text[1..]),
        Some((character, rest)) => text.first() == Some(character) && matches_start(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, number: &str) -> bool {
        NumberPattern::parse(pattern).unwrap().matches(number)
    }

    #[test]
    fn patterns_match_as_twilio_documents_them() {
        let number = "+12025552345";
        for pattern in
            ["+1202555", "+1202%45$", "202555****", "2025552345", "555", "55*23", "2345$", "202", "%45"]
        {
            assert!(matches(pattern, number), "{pattern}");
        }
        for pattern in
            ["+1555", "555*******", "202555***6", "+1202555****5", "555$", "12025", "ABC", "202556"]
        {
            assert!(!matches(pattern, number), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_has_two_to_sixteen_characters() {
        for wrong in ["2", "", "20255523452025552", "2é"] {
            assert!(NumberPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
