//! What separates the columns of a file: commas, semicolons or tabs.
//!
//! Spreadsheets write semicolons where the comma is the decimal mark, and tabs for "text". A first line
//! `sep=;` tells Excel the separator. Excel does not show that line, so it is no row.

use super::{columns, encoding::without_bom};

/// How a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The byte between two columns.
    pub separator: u8,
    /// Where the rows begin, after a byte order mark and a line `sep=;`.
    pub start: usize,
}

const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
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
        let known = |separator: u8| {
            let names = line.split(char::from(separator));
            names.filter(|name| columns::is_known(name.trim().trim_matches('"'))).count()
        };
        // The first of several equal counts, so that a comma is preferred.
        let separator = SEPARATORS.into_iter().rev().max_by_key(|separator| known(*separator));
        Self { separator: separator.unwrap_or(b','), start }
    }
}

/// The separator that the line `sep=;` declares.
fn declared(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, value) = line.split_at_checked(4)?;
    let separator = *value.first()?;
    let is_declared = name.eq_ignore_ascii_case(b"sep=") && SEPARATORS.contains(&separator);
    // A spreadsheet that saves the file again adds separators up to the number of columns.
    let is_alone = value[1..].iter().all(|byte| SEPARATORS.contains(byte) || *byte == b' ' || *byte == b'"');
    (is_declared && is_alone).then_some(separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_separator_is_the_one_that_gives_known_columns() {
        for (file, separator) in [
            ("ContactId,FirstName,LastName,MobileNumber\n", b','),
            ("ContactId;FirstName;LastName;MobileNumber\r\n1;a;b;2025550143", b';'),
            ("ContactId\tFirst Name\tlast_name\tMobileNumber", b'\t'),
            ("\"ContactId\";\"FirstName\";\"LastName\";\"MobileNumber\"\n", b';'),
            ("ContactId,FirstName,LastName,MobileNumber,a;b;c;d;e;f\n", b','),
            ("\u{feff}\r\nStaffId;ContactId\n", b';'),
            ("Name;Phone\n", b','),
            ("", b','),
        ] {
            assert_eq!(Layout::of(file.as_bytes()).separator, separator, "{file:?}");
        }
    }

    #[test]
    fn a_line_that_declares_the_separator_is_no_row() {
        for (file, separator, start) in [
            ("sep=;\r\nContactId,x", b';', 5),
            ("SEP=,\nContactId", b',', 5),
            ("\u{feff}sep=\t\nContactId", b'\t', 8),
            ("\"sep=;\"\nContactId", b';', 7),
            ("sep=;;;;\nContactId", b';', 8),
            ("sep=;", b';', 5),
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
            prop_assert!(SEPARATORS.contains(&layout.separator));
        }
    }
}
