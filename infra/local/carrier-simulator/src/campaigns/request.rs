//! The validation of campaign forms, as Twilio does it.
//!
//! A missing field has code 21727, a wrong length 21728, an invalid brand 21717, and an invalid use case
//! 21720. The message names the field. Brands need not be registered here, because the product gets them from
//! its configuration. Source: `CreateUsAppToPerson` and `UpdateUsAppToPerson` of Twilio's OpenAPI
//! description, and the error dictionary.

use crate::attribute::{Attribute, Kind};
use crate::failure::Failure;
use crate::form::Fields;
use crate::sid;

/// The attributes that a new campaign and an update can set.
pub(crate) const ATTRIBUTES: [Attribute; 16] = [
    Attribute("Description", "description", Kind::Text),
    Attribute("MessageFlow", "message_flow", Kind::Text),
    Attribute("MessageSamples", "message_samples", Kind::Texts(&[])),
    Attribute("HasEmbeddedLinks", "has_embedded_links", Kind::Flag(false)),
    Attribute("HasEmbeddedPhone", "has_embedded_phone", Kind::Flag(false)),
    Attribute("AgeGated", "age_gated", Kind::Flag(false)),
    Attribute("DirectLending", "direct_lending", Kind::Flag(false)),
    Attribute("SubscriberOptIn", "subscriber_opt_in", Kind::Flag(false)),
    Attribute("OptInMessage", "opt_in_message", Kind::Text),
    Attribute("OptOutMessage", "opt_out_message", Kind::Text),
    Attribute("HelpMessage", "help_message", Kind::Text),
    Attribute("OptInKeywords", "opt_in_keywords", Kind::Texts(&["START"])),
    Attribute("OptOutKeywords", "opt_out_keywords", Kind::Texts(&["STOP"])),
    Attribute("HelpKeywords", "help_keywords", Kind::Texts(&["HELP"])),
    Attribute("PrivacyPolicyUrl", "privacy_policy_url", Kind::Url),
    Attribute("TermsAndConditionsUrl", "terms_and_conditions_url", Kind::Url),
];

const REQUIRED: [&str; 7] = [
    "BrandRegistrationSid",
    "UsAppToPersonUsecase",
    "Description",
    "MessageFlow",
    "MessageSamples",
    "HasEmbeddedLinks",
    "HasEmbeddedPhone",
];

/// An update requires two flags that a new campaign does not.
const REQUIRED_IN_UPDATE: [&str; 7] = [
    "Description",
    "MessageFlow",
    "MessageSamples",
    "HasEmbeddedLinks",
    "HasEmbeddedPhone",
    "AgeGated",
    "DirectLending",
];

/// Fields with the minimum and maximum number of characters of each value.
const LENGTHS: [(&str, usize, usize); 6] = [
    ("Description", 40, 4096),
    ("MessageFlow", 40, 2048),
    ("MessageSamples", 20, 1024),
    ("OptInMessage", 20, 320),
    ("OptOutMessage", 20, 320),
    ("HelpMessage", 20, 320),
];

/// The maximum number of characters of all keywords of one kind.
const MAX_KEYWORDS_LENGTH: usize = 255;

/// Checks the form of a new campaign.
pub(crate) fn check_new(fields: &Fields) -> Result<(), Failure> {
    check_required(fields, &REQUIRED)?;
    if !fields.get("BrandRegistrationSid").is_some_and(|brand| sid::is_valid(brand, &["BN"])) {
        return Err(Failure::of(21717));
    }
    if !fields.get("UsAppToPersonUsecase").is_some_and(is_usecase) {
        return Err(Failure::of(21720));
    }
    check_lengths(fields)
}

/// Checks the form of an update.
pub(crate) fn check_update(fields: &Fields) -> Result<(), Failure> {
    check_required(fields, &REQUIRED_IN_UPDATE)?;
    check_lengths(fields)
}

fn check_required(fields: &Fields, required: &[&str]) -> Result<(), Failure> {
    match required.iter().find(|name| fields.get(name).is_none()) {
        Some(name) => Err(Failure::naming(21727, format!("Missing required parameter {name}"))),
        None => Ok(()),
    }
}

fn check_lengths(fields: &Fields) -> Result<(), Failure> {
    for (name, min, max) in LENGTHS {
        if fields.all(name).any(|text| !(min..=max).contains(&text.chars().count())) {
            return Err(wrong_length(format!("{name} must have {min} to {max} characters")));
        }
    }
    if !(2..=5).contains(&fields.all("MessageSamples").count()) {
        return Err(wrong_length("There must be 2 to 5 MessageSamples".to_owned()));
    }
    for name in ["OptInKeywords", "OptOutKeywords", "HelpKeywords"] {
        if fields.all(name).map(|keyword| keyword.chars().count()).sum::<usize>() > MAX_KEYWORDS_LENGTH {
            return Err(wrong_length(format!(
                "{name} can have at most {MAX_KEYWORDS_LENGTH} characters in total"
            )));
        }
    }
    Ok(())
}

fn wrong_length(message: String) -> Failure {
    Failure::naming(21728, message)
}

/// Whether the name has the form of a use case, such as `LOW_VOLUME`.
fn is_usecase(name: &str) -> bool {
    name.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == b'_')
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::campaigns::campaign::Campaign;

    fn form(changes: &[(&str, &str)]) -> Fields {
        let (brand, text, sample) = (format!("BN{}", "a".repeat(32)), "a".repeat(40), "a".repeat(20));
        let fields = [
            ("BrandRegistrationSid", brand.as_str()),
            ("UsAppToPersonUsecase", "LOW_VOLUME"),
            ("Description", &text),
            ("MessageFlow", &text),
            ("MessageSamples", &sample),
            ("MessageSamples", &sample),
            ("HasEmbeddedLinks", "false"),
            ("HasEmbeddedPhone", "false"),
            ("AgeGated", "false"),
            ("DirectLending", "false"),
        ];
        let kept = fields.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        Fields(kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) fn campaign(now: Timestamp) -> Campaign {
        Campaign::submit(&form(&[]), 40, now).unwrap()
    }

    #[test]
    fn every_required_field_is_required() {
        assert!(check_new(&form(&[])).is_ok() && check_update(&form(&[])).is_ok());
        for name in REQUIRED {
            assert!(check_new(&form(&[(name, "")])).is_err(), "{name}");
        }
        for name in REQUIRED_IN_UPDATE {
            assert!(check_update(&form(&[(name, "")])).is_err(), "{name}");
        }
    }

    #[test]
    fn lengths_are_checked_at_both_ends() {
        for (name, min, max) in LENGTHS {
            let is_fine = |length: usize| {
                let text = "é".repeat(length);
                check_new(&form(&[(name, &text), (name, &text)])).is_ok()
            };
            assert_eq!([min - 1, min, max, max + 1].map(is_fine), [false, true, true, false], "{name}");
        }
        let sample = "a".repeat(20);
        let is_fine =
            |count: usize| check_new(&form(&vec![("MessageSamples", sample.as_str()); count])).is_ok();
        assert_eq!([1, 2, 5, 6].map(is_fine), [false, true, true, false]);
        let keyword = "a".repeat(128);
        assert!(check_new(&form(&[("HelpKeywords", &keyword[1..]), ("HelpKeywords", &keyword)])).is_ok());
        assert!(check_new(&form(&[("HelpKeywords", &keyword), ("HelpKeywords", &keyword)])).is_err());
    }

    #[test]
    fn an_invalid_brand_or_use_case_is_refused() {
        assert!(check_new(&form(&[("BrandRegistrationSid", "BN1")])).is_err());
        assert!(check_new(&form(&[("UsAppToPersonUsecase", "low volume")])).is_err());
    }
}
