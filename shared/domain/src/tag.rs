//! Tags of contacts: words by which a team groups its contacts, such as `parent` or `Grade 7`.
//!
//! Users add tags by hand, imports add them from the column `Tags`, and keyword replies add one. Case does
//! not matter: `VIP` and `vip` are one tag, which is shown as it was first written. Import and keyword reply
//! only add tags, because a file or a reply knows nothing about the tags that users added.
//!
//! ```
//! use shared_domain::tag::Tags;
//!
//! let tags = Tags::from_cell("VIP; Grade  7, vip").unwrap();
//! assert_eq!(tags.iter().collect::<Vec<_>>(), ["Grade 7", "VIP"]);
//! ```

use std::{cmp::Ordering, collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    field::{FieldError, FieldErrors},
    text,
};

/// The maximum number of tags of a contact.
pub const MAX_TAGS: usize = 50;
/// The maximum length of a tag, in characters.
pub const MAX_TAG_LENGTH: usize = 40;

const TAG: &str = "1 to 40 characters without commas, semicolons and control characters";
const TAGS: &str = "at most 50 tags";

/// A tag, in the spelling that was entered. Tags that differ only in case are equal.
#[derive(Clone)]
pub struct Tag(Box<str>);

impl Tag {
    /// Parses a tag. Invisible characters are removed, and each run of spaces becomes one space.
    ///
    /// # Errors
    /// [`FieldError`] at `pointer` unless it has 1 to 40 characters and something visible. Commas and
    /// semicolons separate the tags of a cell, and so cannot be part of one.
    pub fn parse(pointer: &str, text: &str) -> Result<Self, FieldError> {
        let words = text::clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let fits = words.chars().count() <= MAX_TAG_LENGTH
            && text::is_visible(&words)
            && !words.contains(|c: char| c.is_control() || is_separator(c) || c == '\u{fffd}');
        fits.then(|| Self(words.into())).ok_or_else(|| FieldError::new(pointer, TAG))
    }

    /// The tag as it was entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}
impl Eq for Tag {}
impl PartialOrd for Tag {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Tag {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tags of a contact, in alphabetical order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(BTreeSet<Tag>);

impl Tags {
    /// Parses the tags of a contact. A tag that occurs twice counts once.
    ///
    /// # Errors
    /// All [`FieldError`]s; those of single tags are at `pointer` and their index.
    pub fn parse(pointer: &str, tags: &[impl AsRef<str>]) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let mut all = BTreeSet::new();
        for (index, tag) in tags.iter().enumerate() {
            all.extend(errors.check(Tag::parse(&format!("{pointer}/{index}"), tag.as_ref())));
        }
        if all.len() > MAX_TAGS {
            errors.add(pointer, TAGS);
        }
        errors.finish()?;
        Ok(Self(all))
    }

    /// Reads a cell of the column `Tags` of an import: tags separated by commas, semicolons or line breaks.
    /// A blank cell has none.
    ///
    /// # Errors
    /// What the cell should contain, for the report of the import.
    pub fn from_cell(cell: &str) -> Result<Self, &'static str> {
        let tags: Vec<&str> = cell
            .split(|c: char| is_separator(c) || matches!(c, '\n' | '\r'))
            .filter(|tag| !text::trim(tag).is_empty())
            .collect();
        Self::parse("", &tags).map_err(|errors| match errors.first() {
            Some(error) if error.expected == TAGS => "expected at most 50 tags",
            _ => "expected tags of 1 to 40 characters, separated by commas or semicolons",
        })
    }

    /// These tags and `more`. A tag that both have keeps its spelling. `None` if the contact would have more
    /// than 50 tags.
    #[must_use]
    pub fn with(&self, more: &Self) -> Option<Self> {
        let mut all = self.0.clone();
        for tag in &more.0 {
            if !all.contains(tag) {
                all.insert(tag.clone());
            }
        }
        (all.len() <= MAX_TAGS).then_some(Self(all))
    }

    /// These tags and one more. `None` if the contact would have more than 50 tags.
    #[must_use]
    pub fn with_tag(&self, tag: &Tag) -> Option<Self> {
        self.with(&Self(BTreeSet::from([tag.clone()])))
    }

    /// The tags in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Tag::as_str)
    }

    /// Whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Serializes as a list of texts.
impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Deserializes with the checks of [`Tags::parse`], so that an invalid tag in a stored item is an error.
impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tags = Vec::<String>::deserialize(deserializer)?;
        Self::parse("", &tags).map_err(|errors| {
            D::Error::custom(errors.first().map_or_else(String::new, |error| error.expected.to_string()))
        })
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(all: &[&str]) -> Tags {
        Tags::parse("", all).unwrap()
    }

    #[test]
    fn tags_are_stored_as_a_list_and_checked_when_they_are_read() {
        let tags = Tags::from_cell("VIP, Grade 7").unwrap();
        assert_eq!(serde_json::to_value(&tags).unwrap(), serde_json::json!(["Grade 7", "VIP"]));
        assert_eq!(serde_json::from_str::<Tags>(r#"["vip","grade 7"]"#).unwrap(), tags);
        assert!(serde_json::from_str::<Tags>(r#"["a,b"]"#).is_err());
    }

    #[test]
    fn tags_that_differ_in_case_spaces_or_invisible_characters_are_one_tag() {
        let parsed = tags(&["VIP", "vip", " \u{200b}Vip ", "Grade  7", "Cafe\u{301}", "CAFÉ"]);
        assert_eq!(parsed.iter().collect::<Vec<_>>(), ["Café", "Grade 7", "VIP"]);
    }

    #[test]
    fn a_tag_has_1_to_40_visible_characters_without_separators() {
        assert!(Tag::parse("/tag", &"ü".repeat(40)).is_ok());
        for bad in ["", " ", "\u{200b}", "\u{3164}", "a,b", "a;b", "a\u{7}b", "a\u{fffd}", &"ü".repeat(41)] {
            assert_eq!(Tag::parse("/tag", bad), Err(FieldError::new("/tag", TAG)), "{bad:?}");
        }
    }

    #[test]
    fn a_contact_has_at_most_50_tags_and_each_invalid_one_is_reported() {
        let names = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>();
        assert!(Tags::parse("/tags", &names(50)).is_ok());
        assert_eq!(Tags::parse("/tags", &names(51)), Err(vec![FieldError::new("/tags", TAGS)]));
        let errors = Tags::parse("/tags", &["ok", "", "a,b"]).unwrap_err();
        assert_eq!(errors, [FieldError::new("/tags/1", TAG), FieldError::new("/tags/2", TAG)]);
        let full = Tags::parse("", &names(50)).unwrap();
        assert_eq!(full.with(&tags(&["T7"])), Some(full.clone()));
        assert_eq!(full.with(&tags(&["one more"])), None);
        assert_eq!(full.with_tag(&Tag::parse("", "one more").unwrap()), None);
        assert_eq!(tags(&["a"]).with_tag(&Tag::parse("", "b").unwrap()), Some(tags(&["a", "b"])));
    }

    #[test]
    fn a_tag_that_a_contact_has_keeps_its_spelling() {
        let all = tags(&["VIP"]).with(&tags(&["vip", "new"])).unwrap();
        assert_eq!(all.iter().collect::<Vec<_>>(), ["new", "VIP"]);
        assert!(!all.is_empty() && Tags::default().is_empty());
    }

    #[test]
    fn a_cell_has_tags_separated_by_commas_semicolons_or_lines() {
        for (cell, expected) in [
            ("", vec![]),
            (" ; ,\u{feff}", vec![]),
            ("parent", vec!["parent"]),
            ("b, a;c\r\nd", vec!["a", "b", "c", "d"]),
        ] {
            let read = Tags::from_cell(cell).unwrap();
            assert_eq!(read.iter().collect::<Vec<_>>(), expected, "{cell:?}");
        }
        let many = (0..51).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(Tags::from_cell(&many), Err("expected at most 50 tags"));
        let reason = "expected tags of 1 to 40 characters, separated by commas or semicolons";
        assert_eq!(Tags::from_cell(&format!("a,{}", "x".repeat(41))), Err(reason));
    }

    proptest! {
        #[test]
        fn the_tags_of_a_cell_are_read_again_from_their_list(cell in "([a-cA-C ü\u{200b}]{0,5}[,;\n]){0,8}") {
            let read = Tags::from_cell(&cell).unwrap();
            let list = read.iter().collect::<Vec<_>>().join(", ");
            prop_assert_eq!(Tags::from_cell(&list), Ok(read.clone()));
            prop_assert_eq!(read.with(&read), Some(read));
        }
    }
}
