//! The header of the file: what each column contains.

use std::fmt;

use super::{MAX_CUSTOM_FIELDS, MAX_CUSTOM_NAME_LENGTH};
use crate::{contact, text};

/// What a column contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    ExternalId,
    FirstName,
    LastName,
    MobileNumber,
    OptedOut,
    Staff,
    Tags,
    Custom(String),
    /// A column without a name, as spreadsheets add them at the right edge. Its cells must be blank.
    Unnamed,
}

/// The columns of a file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub(super) names: Vec<String>,
    pub(super) all: Vec<Column>,
}

/// Everything that is wrong with a header. The message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct HeaderError {
    /// Whether the header is blank.
    pub empty: bool,
    /// Required columns that are missing.
    pub missing: Vec<&'static str>,
    /// Columns that occur more than once. `ContactId` and `StudentId` are the same column.
    pub duplicates: Vec<String>,
    /// Custom fields whose name is too long or has unprintable characters, as column numbers from 1.
    pub misnamed: Vec<usize>,
    /// The number of custom fields, if it is over the limit.
    pub too_many: Option<usize>,
    /// Whether the columns seem to be separated by semicolons or tabs.
    pub separator: bool,
}

const REQUIRED: [(Column, &str); 4] = [
    (Column::ExternalId, "ContactId (or StudentId)"),
    (Column::FirstName, "FirstName"),
    (Column::LastName, "LastName"),
    (Column::MobileNumber, "MobileNumber"),
];

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.empty {
            f.write_str("the file is empty; ")?;
        } else if !self.missing.is_empty() {
            write!(f, "columns missing: {}; ", self.missing.join(", "))?;
        }
        if !self.duplicates.is_empty() {
            write!(f, "columns that occur more than once: {}; ", self.duplicates.join(", "))?;
        }
        for place in &self.misnamed {
            write!(
                f,
                "the name of column {place} is longer than 60 characters or has unprintable characters; "
            )?;
        }
        if let Some(count) = self.too_many {
            write!(f, "there are {count} custom fields; ")?;
        }
        if self.separator {
            f.write_str("the columns seem to be separated by semicolons or tabs; ")?;
        }
        f.write_str(
            "expected the columns ContactId (or StudentId), FirstName, LastName and MobileNumber, optionally OptedOut, \
             StaffId and Tags, and at most 30 custom fields, each once and separated by commas, semicolons or tabs",
        )?;
        Ok(())
    }
}

impl Columns {
    /// Parses a header. Columns may be in any order. Case, spaces, underscores and invisible characters in
    /// names do not matter, nor do hyphens in those that are not custom fields.
    ///
    /// # Errors
    /// [`HeaderError`] with everything that is wrong.
    pub fn parse<'a>(header: impl IntoIterator<Item = &'a str>) -> Result<Self, HeaderError> {
        let names: Vec<String> = header.into_iter().map(contact::custom_name).collect();
        let all: Vec<Column> = names.iter().map(|name| column(name)).collect();
        let missing =
            REQUIRED.iter().filter(|(column, _)| !all.contains(column)).map(|(_, name)| *name).collect();
        let error = HeaderError {
            empty: names.iter().all(String::is_empty),
            missing,
            duplicates: duplicates(&names, &all),
            misnamed: misnamed(&all),
            too_many: Some(customs(&all).count()).filter(|count| *count > MAX_CUSTOM_FIELDS),
            separator: names.len() == 1 && names[0].contains([';', '\t']),
        };
        if error == HeaderError::default() { Ok(Self { names, all }) } else { Err(error) }
    }

    /// The custom fields of the file.
    pub fn custom(&self) -> impl Iterator<Item = &str> {
        customs(&self.all)
    }

    /// How many columns a row has.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

fn customs(all: &[Column]) -> impl Iterator<Item = &str> {
    all.iter().filter_map(|column| match column {
        Column::Custom(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The form of a name that is compared.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

/// Whether the name belongs to a standard column and not to a custom field.
pub(super) fn is_known(name: &str) -> bool {
    !matches!(column(text::clean(name).trim()), Column::Custom(_) | Column::Unnamed)
}

fn column(name: &str) -> Column {
    let known: String =
        folded(name).chars().filter(|c| !matches!(c, '-' | '\u{2010}'..='\u{2014}')).collect();
    match known.as_str() {
        "contactid" | "studentid" => Column::ExternalId,
        "firstname" => Column::FirstName,
        "lastname" => Column::LastName,
        "mobilenumber" => Column::MobileNumber,
        "optedout" => Column::OptedOut,
        "staffid" => Column::Staff,
        "tags" => Column::Tags,
        _ if name.is_empty() => Column::Unnamed,
        _ => Column::Custom(name.to_owned()),
    }
}

fn duplicates(names: &[String], all: &[Column]) -> Vec<String> {
    let same = |one: &Column, other: &Column| match (one, other) {
        (Column::Unnamed, _) => false,
        (Column::Custom(one), Column::Custom(other)) => folded(one) == folded(other),
        (one, other) => one == other,
    };
    let again = |place: &usize| all[..*place].iter().any(|other| same(&all[*place], other));
    (0..all.len()).filter(again).map(|place| names[place].clone()).collect()
}

fn misnamed(all: &[Column]) -> Vec<usize> {
    let wrong = |column: &Column| match column {
        Column::Custom(name) => {
            name.chars().count() > MAX_CUSTOM_NAME_LENGTH
                || name.contains(|c: char| c.is_control() || c == '\u{fffd}')
        }
        _ => false,
    };
    (1..).zip(all).filter(|(_, column)| wrong(column)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<Columns, HeaderError> {
        Columns::parse(header.split(','))
    }

    #[test]
    fn columns_are_recognized_in_any_order_case_and_spelling() {
        let columns =
            parse("Mobile Number,last_name,FIRSTNAME,Home Room, student id ,Staff_ID,optedOut,").unwrap();
        let all = [
            Column::MobileNumber,
            Column::LastName,
            Column::FirstName,
            Column::Custom("Home Room".into()),
            Column::ExternalId,
            Column::Staff,
            Column::OptedOut,
            Column::Unnamed,
        ];
        assert_eq!(columns.all, all);
        assert_eq!(columns.count(), 8);
        assert_eq!(columns.custom().collect::<Vec<_>>(), ["Home Room"]);
    }

    #[test]
    fn invisible_characters_hyphens_and_other_forms_in_column_names_do_not_matter() {
        let columns = parse(
            "\u{200b}Contact-Id,First-Name,\u{feff}last\u{2011}name,Mobile\u{200b}Number,Opted-Out,Staff-Id,Cafe\u{301},B-1,B1",
        );
        let columns = columns.unwrap();
        let known = [
            Column::ExternalId,
            Column::FirstName,
            Column::LastName,
            Column::MobileNumber,
            Column::OptedOut,
            Column::Staff,
        ];
        assert_eq!(columns.all[..6], known);
        assert_eq!(columns.custom().collect::<Vec<_>>(), ["Café", "B-1", "B1"]);
        assert!(
            parse("ContactId,FirstName,LastName,MobileNumber,\u{200b}").is_ok(),
            "a column without a name"
        );
    }

    #[test]
    fn one_error_reports_everything_that_is_wrong_and_what_was_expected() {
        let long = "x".repeat(61);
        let error = parse(&format!("ContactId,StudentId,FirstName,Bus,b_us,{long}")).unwrap_err();
        assert_eq!(error.missing, ["LastName", "MobileNumber"]);
        assert_eq!(error.duplicates, ["StudentId", "b_us"]);
        assert_eq!(error.misnamed, [6]);
        let text = error.to_string();
        for part in [
            "expected the columns ContactId",
            "missing: LastName, MobileNumber",
            "StudentId, b_us",
            "column 6",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_file_has_at_most_thirty_custom_fields() {
        let with = |count: usize| {
            let custom: Vec<_> = (0..count).map(|n| format!("c{n}")).collect();
            parse(&format!("ContactId,FirstName,LastName,MobileNumber,{}", custom.join(",")))
        };
        assert!(with(30).is_ok());
        assert_eq!(with(31).unwrap_err().too_many, Some(31));
    }

    #[test]
    fn a_wrong_separator_is_reported() {
        let error = Columns::parse(["ContactId;FirstName;LastName;MobileNumber"]).unwrap_err();
        assert!(error.separator && error.to_string().contains("semicolons"));
        assert!(!parse("").unwrap_err().separator);
    }

    #[test]
    fn an_empty_file_is_reported_as_empty() {
        let error = parse("").unwrap_err();
        assert!(error.empty && error.to_string().starts_with("the file is empty; expected"), "{error}");
        assert!(!parse("ContactId,").unwrap_err().empty);
    }

    #[test]
    fn the_name_of_a_custom_field_has_at_most_sixty_printable_characters() {
        let with = |name: &str| parse(&format!("ContactId,FirstName,LastName,MobileNumber,{name}"));
        assert!(with(&"ü".repeat(60)).is_ok());
        for bad in ["ü".repeat(61), "a\u{7}b".into(), "a\u{fffd}b".into()] {
            assert_eq!(with(&bad).unwrap_err().misnamed, [5], "{bad:?}");
        }
    }
}
