//! Templates: prepared texts with merge fields, such as `Hi {{firstName|there}}, this is {{senderName}}.`
//!
//! A merge field is `{{name}}` or `{{name|fallback}}`; the fallback is used if the contact has no value. The
//! names are `firstName`, `lastName`, `contactId` (the customer's own id), `senderName` and `custom.Field
//! Name`. A template with any other name cannot be saved. Values are inserted literally: braces in a value
//! are not merge fields. Control characters of a value are removed.
//!
//! ```
//! use std::collections::BTreeMap;
//! use shared_domain::template::{MergeValues, TemplateText};
//!
//! let text = TemplateText::parse("Hi {{firstName|there}}!").unwrap();
//! let custom = BTreeMap::new();
//! let values = MergeValues {
//!     first_name: None,
//!     last_name: None,
//!     contact_id: None,
//!     sender_name: None,
//!     custom: &custom,
//! };
//! assert_eq!(text.render(&values).unwrap(), "Hi there!");
//! ```

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    contact::{self, Contact},
    field::{FieldError, FieldErrors},
    ids::TemplateId,
    import::MAX_CUSTOM_NAME_LENGTH,
    segment::is_gsm7,
    text,
    user::UserRef,
};

/// The maximum length of a template's name, in characters.
pub const MAX_NAME_LENGTH: usize = 80;
/// The maximum length of a template's text, in characters. Carriers accept no longer message.
pub const MAX_TEXT_LENGTH: usize = 1600;

/// A template of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Template {
    pub id: TemplateId,
    /// Unique in the team, without regard to case.
    pub name: String,
    /// A valid [`TemplateText`].
    pub text: String,
}

impl Template {
    /// Checks what a user entered. Each run of spaces in the name becomes one space.
    ///
    /// # Errors
    /// All [`FieldError`]s.
    pub fn parse(id: TemplateId, name: &str, text: &str) -> Result<Self, Vec<FieldError>> {
        let name = text::composed(name).split_whitespace().collect::<Vec<_>>().join(" ");
        let mut errors = FieldErrors::default();
        if !text::is_visible(&name)
            || name.chars().count() > MAX_NAME_LENGTH
            || name.contains(char::is_control)
        {
            errors.add("/name", format!("1 to {MAX_NAME_LENGTH} characters on one line"));
        }
        if !text::is_visible(text) || text.chars().count() > MAX_TEXT_LENGTH {
            errors.add("/text", format!("1 to {MAX_TEXT_LENGTH} characters"));
        } else if let Err(invalid) = TemplateText::parse(text) {
            for error in invalid {
                errors.add("/text", error.to_string());
            }
        }
        errors.finish()?;
        Ok(Self { id, name, text: text.to_owned() })
    }

    /// The name in lowercase, for comparisons.
    pub fn folded_name(&self) -> String {
        self.name.to_lowercase()
    }
}

/// A merge field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MergeField {
    /// The contact's first name.
    FirstName,
    /// The contact's last name.
    LastName,
    /// The customer's own id of the contact.
    ContactId,
    /// The name of the user who sends the message.
    SenderName,
    /// A custom field of the contact. The case of the name does not matter.
    Custom(String),
}

impl MergeField {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "firstName" => Some(Self::FirstName),
            "lastName" => Some(Self::LastName),
            "contactId" => Some(Self::ContactId),
            "senderName" => Some(Self::SenderName),
            _ => {
                let name = name.strip_prefix("custom.")?.trim();
                let fits = (1..=MAX_CUSTOM_NAME_LENGTH).contains(&name.chars().count())
                    && !name.contains(|c: char| c.is_control() || c == '{' || c == '}');
                fits.then(|| Self::Custom(name.to_owned()))
            }
        }
    }
}

impl fmt::Display for MergeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstName => f.write_str("firstName"),
            Self::LastName => f.write_str("lastName"),
            Self::ContactId => f.write_str("contactId"),
            Self::SenderName => f.write_str("senderName"),
            Self::Custom(name) => write!(f, "custom.{name}"),
        }
    }
}

/// Why a text is not a valid template. The message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A merge field has an unknown name.
    #[error("firstName, lastName, contactId, senderName or custom.<name> at character {at}, not {name:?}")]
    UnknownField {
        /// The text between the braces.
        name: String,
        /// The position of the opening braces, in characters from 1.
        at: usize,
    },
    /// A `{{` has no `}}`.
    #[error("closing braces for the opening braces at character {at}")]
    Unclosed {
        /// The position of the opening braces, in characters from 1.
        at: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Merge { field: MergeField, fallback: Option<String> },
}

/// The parsed text of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateText(Vec<Part>);

/// The values of merge fields. A blank value counts as absent.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct MergeValues<'a> {
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    /// The customer's own id of the contact.
    pub contact_id: Option<&'a str>,
    /// The name of the user who sends the message.
    pub sender_name: Option<&'a str>,
    /// The contact's custom fields by name.
    pub custom: &'a BTreeMap<String, String>,
}

impl<'a> MergeValues<'a> {
    /// The values of this contact in a message of this user. A machine has no `sender` name.
    pub fn of(
        contact: &'a Contact,
        custom: &'a BTreeMap<String, String>,
        sender: Option<&'a UserRef>,
    ) -> Self {
        Self {
            first_name: contact.first_name.as_deref(),
            last_name: contact.last_name.as_deref(),
            contact_id: contact.external_id.as_deref(),
            sender_name: sender.map(|sender| sender.name.as_str()),
            custom,
        }
    }

    fn get(&self, field: &MergeField) -> Option<Cow<'a, str>> {
        let value = match field {
            MergeField::FirstName => self.first_name,
            MergeField::LastName => self.last_name,
            MergeField::ContactId => self.contact_id,
            MergeField::SenderName => self.sender_name,
            MergeField::Custom(name) => contact::custom_value(self.custom, name),
        };
        value.map(printable).filter(|value| !value.is_empty())
    }
}

impl TemplateText {
    /// Parses the text of a template.
    ///
    /// # Errors
    /// All [`TemplateError`]s, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let (mut parts, mut faults) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(opening) = rest.find("{{") {
            let at = text[..text.len() - rest.len() + opening].chars().count() + 1;
            let inside = &rest[opening + 2..];
            push(&mut parts, &rest[..opening]);
            let closing = inside.find("}}").filter(|closing| !inside[..*closing].contains("{{"));
            let Some(closing) = closing else {
                faults.push(TemplateError::Unclosed { at });
                rest = inside;
                continue;
            };
            let (name, fallback) = match inside[..closing].split_once('|') {
                Some((name, fallback)) => (name.trim(), Some(fallback.trim().to_owned())),
                None => (inside[..closing].trim(), None),
            };
            match MergeField::parse(name) {
                Some(field) => parts.push(Part::Merge { field, fallback }),
                None => faults.push(TemplateError::UnknownField { name: name.to_owned(), at }),
            }
            rest = &inside[closing + 2..];
        }
        push(&mut parts, rest);
        if faults.is_empty() { Ok(Self(parts)) } else { Err(faults) }
    }

    /// A text without merge fields.
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// The merge fields of the text, without duplicates.
    pub fn fields(&self) -> Vec<&MergeField> {
        let mut fields: Vec<_> = self.merges().map(|(field, _)| field).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    fn merges(&self) -> impl Iterator<Item = (&MergeField, &Option<String>)> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Merge { field, fallback } => Some((field, fallback)),
        })
    }

    /// Inserts the values.
    ///
    /// # Errors
    /// The merge fields that have neither a value nor a fallback, without duplicates.
    pub fn render(&self, values: &MergeValues<'_>) -> Result<String, Vec<MergeField>> {
        let (mut text, mut missing) = (String::new(), Vec::new());
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Merge { field, fallback } => match (values.get(field), fallback) {
                    (Some(value), _) => text.push_str(&value),
                    (None, Some(fallback)) => text.push_str(fallback),
                    (None, None) if missing.contains(field) => {}
                    (None, None) => missing.push(field.clone()),
                },
            }
        }
        if missing.is_empty() { Ok(text) } else { Err(missing) }
    }

    /// The characters of the rendered text that GSM-7 does not have, with where they come from: the name of a
    /// merge field, or `text`. One of them makes the whole text UCS-2, with less room in each segment.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// # use shared_domain::template::{MergeValues, TemplateText};
    /// # let custom = BTreeMap::new();
    /// # let values = MergeValues {
    /// #     first_name: Some("Zoë"),
    /// #     last_name: None,
    /// #     contact_id: None,
    /// #     sender_name: None,
    /// #     custom: &custom,
    /// # };
    /// let text = TemplateText::parse("Hi {{firstName}} ✓").unwrap();
    /// let expected = [('ë', "firstName".to_owned()), ('✓', "text".to_owned())];
    /// assert!(text.unicode_characters(&values).into_iter().eq(expected));
    /// ```
    pub fn unicode_characters(&self, values: &MergeValues<'_>) -> BTreeSet<(char, String)> {
        let mut found = BTreeSet::new();
        for part in &self.0 {
            let (text, field) = match part {
                Part::Text(literal) => (Cow::Borrowed(literal.as_str()), None),
                Part::Merge { field, fallback } => {
                    let fallback = || Cow::Borrowed(fallback.as_deref().unwrap_or_default());
                    (values.get(field).unwrap_or_else(fallback), Some(field))
                }
            };
            let name = || field.map_or_else(|| "text".to_owned(), MergeField::to_string);
            found.extend(text.chars().filter(|c| !is_gsm7(*c)).map(|c| (c, name())));
        }
        found
    }
}

fn push(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// The value on one line. Line breaks and tabs become spaces. Other control characters are removed, and so
/// are the marks that change the direction of writing, because they would garble the text around the value.
fn printable(value: &str) -> Cow<'_, str> {
    let breaks =
        |c: char| matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if value.contains(|c| breaks(c) || hidden(c)) {
        let kept = value.chars().map(|c| if breaks(c) { ' ' } else { c }).filter(|c| !hidden(*c));
        Cow::Owned(kept.collect::<String>().trim().to_owned())
    } else {
        Cow::Borrowed(value.trim())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn custom(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_template_has_a_name_and_a_text_with_known_merge_fields() {
        let parse = |name: &str, text: &str| Template::parse(TemplateId::parse("tpl_1").unwrap(), name, text);
        let kept = parse("  Office \t hours ", "Hi {{firstName|there}}").unwrap();
        assert_eq!((kept.name.as_str(), kept.folded_name().as_str()), ("Office hours", "office hours"));
        let errors = parse(" ", "{{nick}} and {{name}} {{firstName}}").unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/text", "/text"]);
        let names = errors[1].expected.contains("\"nick\"") && errors[2].expected.contains("\"name\"");
        assert!(names, "{errors:?}");
        assert!(parse(&"n".repeat(80), &"t".repeat(1600)).is_ok());
        assert_eq!(parse(&"n".repeat(81), &"t".repeat(1601)).unwrap_err().len(), 2);
        assert_eq!(parse("Empty", " \n").unwrap_err().len(), 1);
    }

    fn values<'a>(first_name: Option<&'a str>, custom: &'a BTreeMap<String, String>) -> MergeValues<'a> {
        MergeValues {
            first_name,
            last_name: Some("Lovelace"),
            contact_id: None,
            sender_name: Some("Ben"),
            custom,
        }
    }

    #[test]
    fn values_are_inserted_and_fallbacks_replace_absent_values() {
        let fields = custom(&[("Home Room", "B 12")]);
        let text = "Hi {{firstName|there}} {{ lastName }}, room {{custom.home room}}. {{senderName}}";
        let template = TemplateText::parse(text).unwrap();
        let ada = template.render(&values(Some("Ada"), &fields));
        assert_eq!(ada.as_deref(), Ok("Hi Ada Lovelace, room B 12. Ben"));
        let nameless = template.render(&values(Some("  "), &fields));
        assert_eq!(nameless.as_deref(), Ok("Hi there Lovelace, room B 12. Ben"));
        assert_eq!(template.fields().len(), 4);
    }

    #[test]
    fn each_missing_field_is_reported_once() {
        let none = custom(&[]);
        let template =
            TemplateText::parse("{{firstName}} {{custom.Bus}} {{firstName}} {{contactId|}}").unwrap();
        let missing = template.render(&values(None, &none)).unwrap_err();
        let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["firstName", "custom.Bus"]);
    }

    #[test]
    fn every_error_is_reported_with_its_position() {
        let faults = TemplateText::parse("é {{first}} {{custom.}} {{lastName {{firstName}} {{").unwrap_err();
        let unknown = |name: &str, at| TemplateError::UnknownField { name: name.into(), at };
        let all = vec![
            unknown("first", 3),
            unknown("custom.", 13),
            TemplateError::Unclosed { at: 25 },
            TemplateError::Unclosed { at: 50 },
        ];
        assert_eq!(faults, all);
        for bad in ["{{}}", "{{FirstName}}", "{{custom}}", "{{custom.{x}}", "{{|there}}"] {
            assert!(TemplateText::parse(bad).is_err(), "{bad}");
        }
        assert!(TemplateText::parse(&format!("{{{{custom.{}}}}}", "x".repeat(61))).is_err());
    }

    #[test]
    fn single_braces_and_closing_braces_without_opening_ones_are_text() {
        let none = custom(&[]);
        for text in ["", "{a} }} {", "100 % {{"] {
            let rendered = TemplateText::parse(text).map(|template| template.render(&values(None, &none)));
            assert_eq!(rendered.is_ok(), !text.ends_with("{{"), "{text}");
            assert!(rendered.is_err() || rendered == Ok(Ok(text.to_owned())));
        }
    }

    #[test]
    fn the_values_of_a_contact_are_merged() {
        let number = crate::phone::PhoneNumber::from_carrier("+12025550143").unwrap();
        let team = crate::ids::TeamId::parse("team_1").unwrap();
        let contact = Contact { external_id: Some("S-7".into()), ..Contact::provisional(&team, &number) };
        let none = custom(&[]);
        let template = TemplateText::parse("{{contactId}}/{{senderName|we}}").unwrap();
        assert_eq!(template.render(&MergeValues::of(&contact, &none, None)).as_deref(), Ok("S-7/we"));
    }

    #[test]
    fn a_template_needs_a_name_and_a_text_that_can_be_seen() {
        let id = TemplateId::parse("tpl_1").unwrap();
        let errors = Template::parse(id.clone(), "\u{200b}", "\u{feff}").unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/text"]);
        assert_eq!(Template::parse(id, "Jose\u{301}", "Hi").unwrap().name, "José");
    }

    proptest! {
        #[test]
        fn a_value_is_inserted_literally_and_without_control_characters(value in "(\\{\\{firstName\\}\\}|.|[\\x00-\\x1f\u{202e}])*") {
            let fields = custom(&[("X", &value)]);
            let template = TemplateText::parse("[{{custom.X|}}]").unwrap();
            let text = template.render(&values(Some("Ada"), &fields)).unwrap();
            prop_assert!(!text.contains(char::is_control));
            prop_assert!(!text.contains("Ada") || value.contains("Ada"));
            if !value.contains(|c: char| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c) || c == '\u{feff}') {
                prop_assert_eq!(text, format!("[{}]", value.trim()));
            }
        }

        #[test]
        fn a_text_without_double_braces_renders_as_itself(text in "[^{]*") {
            let none = custom(&[]);
            prop_assert_eq!(TemplateText::parse(&text).unwrap().render(&values(None, &none)), Ok(text));
        }

        #[test]
        fn no_text_causes_a_panic(text in "(\\{\\{|\\}\\}|\\||custom\\.|firstName|é| )*") {
            if let Ok(template) = TemplateText::parse(&text) {
                let none = custom(&[]);
                let _ = template.render(&values(None, &none));
            }
        }
    }
}
