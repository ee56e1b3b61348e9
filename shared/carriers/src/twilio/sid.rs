//! The shape of Twilio's identifiers: two letters for the kind, then 32 hexadecimal digits.

/// Whether `text` has the shape of a message's sid: `SM…` for a text, `MM…` for one with media.
pub fn is_message_sid(text: &str) -> bool {
    has_shape(text, "SM") || has_shape(text, "MM")
}

/// Whether `text` has the shape of an account's sid: `AC…`.
pub fn is_account_sid(text: &str) -> bool {
    has_shape(text, "AC")
}

/// Whether `text` has the shape of the sid of a number that is ours: `PN…`.
pub fn is_number_sid(text: &str) -> bool {
    has_shape(text, "PN")
}

/// Whether `text` has the shape of a Messaging Service's sid: `MG…`.
pub fn is_service_sid(text: &str) -> bool {
    has_shape(text, "MG")
}

/// Whether `text` has the shape of a campaign's sid, as its resource has it: `QE…`.
pub fn is_campaign_sid(text: &str) -> bool {
    has_shape(text, "QE")
}

/// Whether `text` has the shape of a call's sid: `CA…`.
pub fn is_call_sid(text: &str) -> bool {
    has_shape(text, "CA")
}

fn has_shape(text: &str, kind: &str) -> bool {
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
