//! Form bodies. The signature and the fields use the same decoding, so that the verified text is the text
//! that is read. Decoding keeps the bytes: repairing invalid UTF-8 would change the text that was signed.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;

use super::MAX_BODY_BYTES;
use super::webhook::WebhookError;

/// Maximum number of parameters. Twilio sends about thirty.
const MAX_PARAMETERS: usize = 500;

/// The names and values of a form in order. `+` is a space and `%2B` a plus; nothing is trimmed.
pub(crate) fn pairs(raw: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    raw.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut sides = pair.splitn(2, |byte| *byte == b'=');
        (decode(sides.next().unwrap_or_default()), decode(sides.next().unwrap_or_default()))
    })
}

fn decode(raw: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

/// The fields of a webhook by name. If a name repeats, the first value counts.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(crate) fn read(body: &[u8]) -> Result<Self, WebhookError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(WebhookError::TooLarge);
        }
        let mut fields = BTreeMap::new();
        for (count, (name, value)) in pairs(body).enumerate() {
            if count == MAX_PARAMETERS {
                return Err(WebhookError::TooManyParameters);
            }
            fields.entry(text(name)).or_insert_with(|| text(value));
        }
        Ok(Self(fields))
    }

    /// The value of a field. An empty value counts as absent.
    pub(crate) fn optional(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// The value of a required field.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<String, WebhookError> {
        self.optional(name).ok_or(WebhookError::Missing(name))
    }

    /// The value of a required field with a certain format.
    pub(crate) fn formatted(
        &mut self,
        name: &'static str,
        is_valid: impl Fn(&str) -> bool,
    ) -> Result<String, WebhookError> {
        let value = self.required(name)?;
        if is_valid(&value) { Ok(value) } else { Err(WebhookError::Malformed(name)) }
    }

    /// The value of a field as a number. `None` if it is not a number.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        self.optional(name)?.parse().ok()
    }
}

/// Invalid UTF-8 becomes U+FFFD, so that the text of a message is not lost.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|broken| String::from_utf8_lossy(broken.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        pairs(raw).collect()
    }

    #[test]
    fn a_plus_is_a_space_and_its_escape_a_plus() {
        assert_eq!(decoded(b"a+b=%2B1+2"), [(b"a b".to_vec(), b"+1 2".to_vec())]);
    }

    #[test]
    fn empty_pairs_are_skipped_and_empty_values_kept() {
        let expected = [(b"a".to_vec(), vec![]), (b"b".to_vec(), vec![]), (b"c".to_vec(), b"=".to_vec())];
        assert_eq!(decoded(b"&a=&&b&c==&"), expected);
    }

    #[test]
    fn invalid_escapes_and_invalid_utf8_are_kept() {
        assert_eq!(decoded(b"a=%ff%zz%4"), [(b"a".to_vec(), b"\xff%zz%4".to_vec())]);
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let mut form = Form::read(b"a=1&a=2").expect("within bounds");
        assert_eq!(form.optional("a").as_deref(), Some("1"));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        assert!(Form::read("a=1&".repeat(MAX_PARAMETERS).as_bytes()).is_ok());
        let over = Form::read("a=1&".repeat(MAX_PARAMETERS + 1).as_bytes());
        assert_eq!(over.err(), Some(WebhookError::TooManyParameters));
    }

    #[test]
    fn the_length_is_bounded() {
        assert!(Form::read(&vec![b'a'; MAX_BODY_BYTES]).is_ok());
        assert_eq!(Form::read(&vec![b'a'; MAX_BODY_BYTES + 1]).err(), Some(WebhookError::TooLarge));
    }
}
