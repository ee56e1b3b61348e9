//! Contacts: the people a team exchanges messages with.
//!
//! ```
//! use shared_domain::{contact::Contact, ids::TeamId, phone::PhoneNumber};
//!
//! let team = TeamId::parse("team_1").unwrap();
//! let number = PhoneNumber::parse("(202) 555-0143").unwrap();
//! let contact = Contact::provisional(&team, &number);
//! assert!(contact.provisional);
//! assert_eq!(contact.id, Contact::provisional(&team, &number).id);
//! ```

use std::collections::BTreeMap;

use crate::{
    ids::{ContactId, TeamId},
    import::{MAX_CUSTOM_FIELDS, MAX_CUSTOM_NAME_LENGTH, MAX_CUSTOM_VALUE_LENGTH, MAX_EXTERNAL_ID_LENGTH},
    phone::PhoneNumber,
    text,
    user::UserRef,
};

/// A contact of a team, or a number that sent a message before anyone added it. The team is part of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Contact {
    pub id: ContactId,
    /// The customer's own id (`ContactId` or `StudentId` in imports).
    pub external_id: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub number: PhoneNumber,
    /// The user that an import, or an admin, assigned.
    pub assigned: Option<UserRef>,
    /// Whether the number is opted out of the team's messages.
    pub opted_out: bool,
    /// Whether the team blocked the number.
    pub blocked: bool,
    /// Whether only the number is known.
    pub provisional: bool,
}

impl Contact {
    /// The contact created from an unknown number.
    pub fn provisional(team: &TeamId, number: &PhoneNumber) -> Self {
        Self {
            id: ContactId::provisional(team, number),
            external_id: None,
            first_name: None,
            last_name: None,
            number: number.clone(),
            assigned: None,
            opted_out: false,
            blocked: false,
            provisional: true,
        }
    }
}

/// What an external id has to be.
pub const EXTERNAL_ID: &str = "1 to 64 characters without control characters";

/// The customer's own id of a contact, [clean](text::clean) and trimmed, or `None` unless it is [as
/// expected](EXTERNAL_ID).
pub fn external_id(text: &str) -> Option<String> {
    let text = text::clean(text);
    let text = text.trim();
    let fits = (1..=MAX_EXTERNAL_ID_LENGTH).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

/// Whether a contact can have these custom fields: at most 30, with names of up to 60 and values of up to 500
/// characters, none of them a control character.
pub fn are_custom_fields(fields: &BTreeMap<String, String>) -> bool {
    let fits = |text: &str, max: usize| text.chars().count() <= max && !text.contains(char::is_control);
    fields.len() <= MAX_CUSTOM_FIELDS
        && fields.iter().all(|(name, value)| {
            !name.is_empty() && fits(name, MAX_CUSTOM_NAME_LENGTH) && fits(value, MAX_CUSTOM_VALUE_LENGTH)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_has_1_to_64_bytes_that_can_be_shown() {
        assert_eq!(external_id("S-7").as_deref(), Some("S-7"));
        assert!(external_id(&"x".repeat(64)).is_some());
        for bad in ["", &"x".repeat(65), "a\u{7}b"] {
            assert_eq!(external_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_external_id_has_no_invisible_characters_and_one_form() {
        assert_eq!(external_id("\u{200b}S-7\u{feff}").as_deref(), Some("S-7"));
        assert_eq!(external_id("Jose\u{301}").as_deref(), Some("José"));
        assert_eq!(external_id("\u{200b}"), None);
        assert_eq!(external_id(" \u{feff} "), None);
    }

    #[test]
    fn custom_fields_are_bounded_in_number_name_and_value() {
        let fields = |count: usize, name: &str, value: &str| {
            (0..count).map(|n| (format!("{name}{n:02}"), value.to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert!(are_custom_fields(&fields(30, "", &"ü".repeat(500))));
        assert!(are_custom_fields(&fields(1, &"ü".repeat(58), "")));
        assert!(!are_custom_fields(&fields(31, "", "")));
        assert!(!are_custom_fields(&fields(1, &"ü".repeat(59), "")));
        assert!(!are_custom_fields(&fields(1, "a", &"x".repeat(501))));
        assert!(!are_custom_fields(&fields(1, "a", "bell\u{7}")));
        assert!(!are_custom_fields(&BTreeMap::from([(String::new(), String::new())])));
    }
}
