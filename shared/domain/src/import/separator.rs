//! What separates the columns of a file: commas, semicolons or tabs.
//!
//! Spreadsheets write semicolons where the comma is the decimal mark, and tabs for "text". A first line
//! `sep=;` tells Excel the separator. Excel does not show that line, so it does not count as a row.

use serde::{Deserialize, Serialize};

use super::{columns, encoding::without_bom};

/// What separates two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Separator {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

impl Separator {
    /// In the order of preference.
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// The ASCII character.
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }

    fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|separator| separator.byte() == byte)
    }
}

/// How a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    #[expect(missing_docs, reason = "the name says it all")]
    pub separator: Separator,
    /// Where the rows begin, after a byte order mark and a line `sep=;`.
    pub start: usize,
}

/// How much of the header is read to recognize the separator, in bytes.
const MAX_HEADER_SAMPLE: usize = 64 * 1024;

impl Layout {
    /// Recognizes the layout of a file. The separator is the one that gives the most known columns, and a
    /// comma if none gives any.
    pub fn of(content: &[u8]) -> Self {
        let text = without_bom(content);
        let start = content.len() - text.len();
        let blank = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let text = &text[blank..];
        let end = text.iter().take(MAX_HEADER_SAMPLE).position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = &text[..end.unwrap_or(text.len().min(MAX_HEADER_SAMPLE))];
        if let Some(separator) = declared(line) {
            return Self { separator, start: start + blank + line.len() };
        }
        let line = String::from_utf8_lossy(line);
        let known = |separator: &Separator| {
            let names = line.split(char::from(separator.byte()));
            names.filter(|name| columns::is_known(name.trim().trim_matches('"'))).count()
        };
        // The first of several equal counts, so that a comma is preferred.
        let separator = Separator::ALL.into_iter().rev().max_by_key(known);
        Self { separator: separator.unwrap_or_default(), start }
    }
}

/// The separator that the line `sep=;` declares.
fn declared(line: &[u8]) -> Option<Separator> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, value) = line.split_at_checked(4)?;
    let separator = Separator::of_byte(*value.first()?)?;
    // A spreadsheet that saves the file again adds separators up to the number of columns.
    let is_filler = |byte: &u8| Separator::of_byte(*byte).is_some() || *byte == b' ' || *byte == b'"';
    let is_declared = name.eq_ignore_ascii_case(b"sep=") && value[1..].iter().all(is_filler);
    is_declared.then_some(separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_separator_is_the_one_that_gives_known_columns() {
        for (file, separator) in [
            ("ContactId,FirstName,LastName,MobileNumber\n", Separator::Comma),
            ("ContactId;FirstName;LastName;MobileNumber\r\n1;a;b;2025550143", Separator::Semicolon),
            ("ContactId\tFirst Name\tlast_name\tMobileNumber", Separator::Tab),
            ("\"ContactId\";\"FirstName\";\"LastName\";\"MobileNumber\"\n", Separator::Semicolon),
            ("ContactId,FirstName,LastName,MobileNumber,a;b;c;d;e;f\n", Separator::Comma),
            ("\u{feff}\r\nStaffId;ContactId\n", Separator::Semicolon),
            ("Name;Phone\n", Separator::Comma),
            ("", Separator::Comma),
        ] {
            assert_eq!(Layout::of(file.as_bytes()).separator, separator, "{file:?}");
        }
    }

    #[test]
    fn a_line_that_declares_the_separator_is_no_row() {
        for (file, separator, start) in [
            ("sep=;\r\nContactId,x", Separator::Semicolon, 5),
            ("SEP=,\nContactId", Separator::Comma, 5),
            ("\u{feff}sep=\t\nContactId", Separator::Tab, 8),
            ("\"sep=;\"\nContactId", Separator::Semicolon, 7),
            ("sep=;;;;\nContactId", Separator::Semicolon, 8),
            ("sep=;", Separator::Semicolon, 5),
        ] {
            assert_eq!(Layout::of(file.as_bytes()), Layout { separator, start }, "{file:?}");
        }
        for header in ["sep=|\n", "sep=\n", "separator,ContactId\n", "sep=,ContactId\n"] {
            assert_eq!(Layout::of(header.as_bytes()).start, 0, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn the_rows_begin_within_the_file(content in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "(\u{feff}|sep=|[;,\t\r\n\"]|ContactId){0,8}".prop_map(String::into_bytes),
        ]) {
            let layout = Layout::of(&content);
            prop_assert!(layout.start <= content.len());
            prop_assert_eq!(Separator::of_byte(layout.separator.byte()), Some(layout.separator));
        }
    }
}
