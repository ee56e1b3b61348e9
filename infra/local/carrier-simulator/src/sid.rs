//! Twilio's identifiers (sids): two letters and 32 hexadecimal digits.

use data_encoding::HEXLOWER;

/// A new random sid.
pub(crate) fn new(prefix: &str) -> String {
    format!("{prefix}{}", random_hex())
}

/// Whether a text is a sid with one of these prefixes.
pub(crate) fn is_valid(text: &str, prefixes: &[&str]) -> bool {
    prefixes
        .iter()
        .filter_map(|prefix| text.strip_prefix(prefix))
        .any(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// 32 random hexadecimal digits.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    HEXLOWER.encode(&bytes)
}
