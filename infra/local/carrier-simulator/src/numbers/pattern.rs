//! The pattern of a number search, Twilio's `Contains`: 2 to 16 digits and signs.
//!
//! `+1202555` is the beginning of the number, `202555****` the ten digits of it, anything else a part of the ten digits.
//! `*` is one digit, `%` any run of digits, `$` the end. Letters, which Twilio reads as on a dial, match nothing here.

use crate::failure::Failure;

/// What a number has to look like.
#[derive(Debug)]
pub(crate) struct NumberPattern(String);

impl NumberPattern {
    /// A pattern of 2 to 16 characters.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if (2..=16).contains(&text.len()) && text.is_ascii() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Failure::parameter("Contains is not of 2 to 16 characters".to_owned()))
        }
    }

    /// Whether an E.164 number of North America is like it.
    pub(crate) fn admits(&self, number: &str) -> bool {
        let (pattern, number) = (self.0.as_bytes(), number.as_bytes());
        match pattern.first() {
            Some(b'+') => begins(pattern, number),
            _ if pattern.len() == 10 => begins(pattern, &number[2..]),
            _ => (2..=number.len()).any(|start| begins(pattern, &number[start..])),
        }
    }

    /// The first of the number's ten digits, as far as the pattern says which they are.
    pub(crate) fn leading(&self, area: Option<&str>) -> String {
        match (self.0.strip_prefix("+1"), area) {
            (Some(digits), _) => digits.to_owned(),
            (None, Some(area)) if self.0.len() < 10 => format!("{area}{}", self.0),
            (None, _) => self.0.clone(),
        }
    }
}

/// Whether a text begins as the pattern says.
fn begins(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((b'$', _)) => text.is_empty(),
        Some((b'%', rest)) => (0..=text.len()).any(|start| begins(rest, &text[start..])),
        Some((b'*', rest)) => !text.is_empty() && begins(rest, &text[1..]),
        Some((character, rest)) => text.first() == Some(character) && begins(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(pattern: &str, number: &str) -> bool {
        NumberPattern::parse(pattern).unwrap().admits(number)
    }

    #[test]
    fn patterns_are_read_as_twilio_describes_them() {
        let number = "+12025552345";
        for pattern in
            ["+1202555", "+1202%45$", "202555****", "2025552345", "555", "55*23", "2345$", "202", "%45"]
        {
            assert!(admits(pattern, number), "{pattern}");
        }
        for pattern in
            ["+1555", "555*******", "202555***6", "+1202555****5", "555$", "12025", "ABC", "202556"]
        {
            assert!(!admits(pattern, number), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_two_to_sixteen_characters() {
        for wrong in ["2", "", "20255523452025552", "2é"] {
            assert!(NumberPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
