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
    import::{
        MAX_CUSTOM_FIELDS, MAX_CUSTOM_NAME_LENGTH, MAX_CUSTOM_VALUE_LENGTH, MAX_EXTERNAL_ID_LENGTH,
        import_cell,
    },
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
    /// Whether the number is opted out of the team's messages. Read from the number, not stored with the
    /// contact.
    pub opted_out: bool,
    /// Whether the team blocked the number. Read from the number, not stored with the contact.
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

/// The name of a custom field, [clean](text::clean) and trimmed, as in the header of an import.
pub fn custom_name(name: &str) -> String {
    import_cell(text::clean(name).trim()).trim().to_owned()
}

/// The custom fields of a contact with their [names](custom_name). `None` unless there are at most 30, each
/// name once, with names of 1 to 60 and values of up to 500 characters, none of them a control character.
pub fn custom_fields(fields: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let fits = |text: &str, max: usize| text.chars().count() <= max && !text.contains(char::is_control);
    let named: BTreeMap<String, String> =
        fields.iter().map(|(name, value)| (custom_name(name), value.clone())).collect();
    let is_valid = named.len() == fields.len()
        && named.len() <= MAX_CUSTOM_FIELDS
        && named.iter().all(|(name, value)| {
            text::is_visible(name)
                && fits(name, MAX_CUSTOM_NAME_LENGTH)
                && fits(value, MAX_CUSTOM_VALUE_LENGTH)
        });
    is_valid.then_some(named)
}

/// The value of a custom field. The case of the name does not matter if no field has exactly this name.
pub fn custom_value<'a>(fields: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let alike = || {
        let wanted = name.to_lowercase();
        fields.iter().find(|(name, _)| name.to_lowercase() == wanted).map(|(_, value)| value)
    };
    fields.get(name).or_else(alike).map(String::as_str)
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
        assert!(custom_fields(&fields(30, "", &"ü".repeat(500))).is_some());
        assert!(custom_fields(&fields(1, &"ü".repeat(58), "")).is_some());
        assert_eq!(custom_fields(&fields(31, "", "")), None);
        assert_eq!(custom_fields(&fields(1, &"ü".repeat(59), "")), None);
        assert_eq!(custom_fields(&fields(1, "a", &"x".repeat(501))), None);
        assert_eq!(custom_fields(&fields(1, "a", "bell\u{7}")), None);
        assert_eq!(custom_fields(&BTreeMap::from([(String::new(), String::new())])), None);
    }

    #[test]
    fn the_names_of_custom_fields_are_clean_and_each_occurs_once() {
        let fields = |names: &[&str]| {
            names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(custom_fields(&fields(&["\u{200b} Cafe\u{301} "])), Some(fields(&["Café"])));
        assert_eq!(custom_fields(&fields(&["Café", "Cafe\u{301}"])), None);
        for blank in [" ", "\u{200b}", "\u{3164}"] {
            assert_eq!(custom_fields(&fields(&[blank])), None, "{blank:?}");
        }
    }
}
