//! Form bodies, decoded once for the signature and once for the fields by the same rules, so that what was verified
//! is what is read. The bytes are kept: a decoder that repairs broken UTF-8 would change the text that was signed.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;

use super::MAX_BODY_BYTES;
use super::webhook::WebhookError;

/// More parameters than this are refused. Twilio sends about thirty.
const MAX_PARAMETERS: usize = 500;

/// Each name and value of a form, in its order: `+` is a space, `%2B` a plus, nothing is trimmed.
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

/// The fields of a webhook by name. Of a name that comes twice the first value counts.
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

    /// The field's value; empty counts as absent.
    pub(crate) fn optional(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// The field's value, which has to be there and must not be empty.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<String, WebhookError> {
        self.optional(name).ok_or(WebhookError::Missing(name))
    }

    /// The field's value, which has to be there and to have a shape.
    pub(crate) fn shaped(
        &mut self,
        name: &'static str,
        shape: impl Fn(&str) -> bool,
    ) -> Result<String, WebhookError> {
        let value = self.required(name)?;
        if shape(&value) { Ok(value) } else { Err(WebhookError::Malformed(name)) }
    }

    /// The field's value as a number; absent when it is not one.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        self.optional(name)?.parse().ok()
    }
}

/// What a person wrote must not be lost for a broken byte: it becomes U+FFFD.
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
    fn broken_escapes_and_broken_utf8_stay_as_they_came() {
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
