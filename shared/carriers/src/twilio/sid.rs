//! Twilio's identifiers (sids): two letters for the kind, then 32 hexadecimal digits.

/// Whether `text` is the sid of a message: `SM…`, or `MM…` with media.
pub fn is_message_sid(text: &str) -> bool {
    is_sid_of_kind(text, "SM") || is_sid_of_kind(text, "MM")
}

/// Whether `text` is the sid of an account: `AC…`.
pub fn is_account_sid(text: &str) -> bool {
    is_sid_of_kind(text, "AC")
}

/// Whether `text` is the sid of a number of the account: `PN…`.
pub fn is_number_sid(text: &str) -> bool {
    is_sid_of_kind(text, "PN")
}

/// Whether `text` is the sid of a Messaging Service: `MG…`.
pub fn is_service_sid(text: &str) -> bool {
    is_sid_of_kind(text, "MG")
}

/// Whether `text` is the sid of a campaign in the API: `QE…`. Events use `CM…`.
pub fn is_campaign_sid(text: &str) -> bool {
    is_sid_of_kind(text, "QE")
}

/// Whether `text` is the sid of a call: `CA…`.
pub fn is_call_sid(text: &str) -> bool {
    is_sid_of_kind(text, "CA")
}

fn is_sid_of_kind(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_kind_and_32_hex_digits() {
        let digits = "0123456789abcdefABCDEF0123456789";
        assert!(is_message_sid(&format!("SM{digits}")));
        assert!(is_message_sid(&format!("MM{digits}")));
        assert!(is_account_sid(&format!("AC{digits}")));
        assert!(is_number_sid(&format!("PN{digits}")));
        assert!(is_service_sid(&format!("MG{digits}")));
        assert!(is_campaign_sid(&format!("QE{digits}")));
        assert!(is_call_sid(&format!("CA{digits}")));
        for wrong in [
            String::new(),
            "SM".into(),
            digits.into(),
            format!("sm{digits}"),
            format!("AC{digits}"),
            format!("SM{digits}0"),
            format!("SM{}", &digits[1..]),
            format!("SM{}g", &digits[1..]),
            format!("SM{}é", &digits[2..]),
        ] {
            assert!(!is_message_sid(&wrong), "{wrong}");
        }
    }
}
