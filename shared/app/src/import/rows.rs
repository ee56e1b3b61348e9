//! Splits a file into rows and numbers them as a spreadsheet does: the header is row 1, blank lines count,
//! line breaks within quotes do not.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use shared_domain::import::{Encoding, FilePosition, HEADER_ROW, Layout};

/// The longest row, in bytes. Thirty custom fields of the maximum length are a quarter of it. Without a
/// limit, a quote that is never closed would make one row of the rest of the file.
pub(crate) const MAX_ROW_BYTES: usize = 256 * 1024;

/// Why a row, and no row after it, can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnreadableRow {
    /// It is longer than [`MAX_ROW_BYTES`].
    #[error("row {0} is longer than {limit} KiB: check for a missing closing quote", limit = MAX_ROW_BYTES / 1024)]
    TooLong(u64),
    /// The rest of the file is within its quote.
    #[error("row {0} has a quote that is never closed")]
    OpenQuote(u64),
}

/// The rows of a file, one at a time.
pub(crate) struct Rows<'a> {
    content: &'a [u8],
    core: Reader,
    /// The next byte to read.
    offset: usize,
    /// The number of the last row or blank line.
    row: u64,
    /// Where the current row ends.
    position: FilePosition,
    text: Vec<u8>,
    /// Where each field of the current row ends in `text`.
    ends: Vec<usize>,
    fields: usize,
}

impl<'a> Rows<'a> {
    /// Reads the rows after a position. At the start of the file, the header is among them.
    pub(crate) fn after(content: &'a [u8], position: FilePosition) -> Self {
        let mut offset = usize::try_from(position.offset).unwrap_or(usize::MAX).min(content.len());
        let layout = Layout::of(content);
        if offset == 0 {
            offset = layout.start;
        }
        Self {
            content,
            core: ReaderBuilder::new().delimiter(layout.separator.byte()).build(),
            offset,
            row: position.row,
            position,
            // A row's text and number of fields are never larger than its bytes.
            text: vec![0; MAX_ROW_BYTES],
            ends: vec![0; MAX_ROW_BYTES + 1],
            fields: 0,
        }
    }

    /// Reads the next row. `false` at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool, UnreadableRow> {
        self.skip_blank_lines();
        if self.offset == self.content.len() || !self.read_row()? {
            return Ok(false);
        }
        let ended_in_return = self.content[self.offset - 1] == b'\r';
        if ended_in_return && self.content.get(self.offset) == Some(&b'\n') {
            self.offset += 1;
        }
        self.row = (self.row + 1).max(HEADER_ROW);
        self.position = FilePosition { offset: self.offset as u64, row: self.row };
        Ok(true)
    }

    /// Lines before the header do not count.
    fn skip_blank_lines(&mut self) {
        let mut after_return = false;
        while let Some(byte @ (b'\r' | b'\n')) = self.content.get(self.offset) {
            let completes_return = *byte == b'\n' && after_return;
            self.row += u64::from(!completes_return && self.row >= HEADER_ROW);
            after_return = *byte == b'\r';
            self.offset += 1;
        }
    }

    fn read_row(&mut self) -> Result<bool, UnreadableRow> {
        let rest = &self.content[self.offset..];
        let mut input = &rest[..rest.len().min(MAX_ROW_BYTES)];
        let mut is_rest = input.len() == rest.len();
        let row = (self.row + 1).max(HEADER_ROW);
        let mut text_end = 0;
        self.fields = 0;
        self.core.reset();
        loop {
            let (text, ends) = (&mut self.text[text_end..], &mut self.ends[self.fields..]);
            let (result, read, written, ended) = self.core.read_record(input, text, ends);
            self.offset = (self.offset + read).min(self.content.len());
            text_end += written;
            self.fields += ended;
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                // A line break after the file ends its last row, unless the row is within a quote.
                ReadRecordResult::InputEmpty if is_rest => (input, is_rest) = (b"\n", false),
                ReadRecordResult::InputEmpty if self.offset == self.content.len() => {
                    return Err(UnreadableRow::OpenQuote(row));
                }
                ReadRecordResult::InputEmpty
                | ReadRecordResult::OutputFull
                | ReadRecordResult::OutputEndsFull => return Err(UnreadableRow::TooLong(row)),
            }
        }
    }

    /// Returns the end of the current row.
    pub(crate) fn position(&self) -> FilePosition {
        self.position
    }

    /// Returns the fields of the current row.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let ends = &self.ends[..self.fields];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(start, end)| &self.text[start..*end])
    }

    /// Returns the decoded fields of the current row.
    pub(crate) fn texts(&self, encoding: Encoding) -> Vec<Cow<'_, str>> {
        self.fields().map(|field| encoding.decode(field)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (u64, u64, Vec<String>);

    fn read(content: &[u8], position: FilePosition) -> (Vec<Row>, Result<(), UnreadableRow>) {
        let (mut rows, mut found) = (Rows::after(content, position), Vec::new());
        loop {
            match rows.advance() {
                Ok(true) => {
                    let texts = rows.texts(Encoding::Utf8).into_iter().map(String::from).collect();
                    found.push((rows.position().row, rows.position().offset, texts));
                }
                Ok(false) => return (found, Ok(())),
                Err(error) => return (found, Err(error)),
            }
        }
    }

    fn read_all(content: &[u8]) -> (Vec<Row>, Result<(), UnreadableRow>) {
        read(content, FilePosition::default())
    }

    fn numbered(content: &[u8]) -> Vec<(u64, Vec<String>)> {
        read_all(content).0.into_iter().map(|(row, _, texts)| (row, texts)).collect()
    }

    #[test]
    fn rows_are_numbered_as_a_spreadsheet_does() {
        let file = b"\xef\xbb\xbfa,b\r\n1,\"x\r\ny\"\r\n\r\n,\r\n2,\"say \"\"hi\"\"\"";
        let expected = [(1, ["a", "b"]), (2, ["1", "x\r\ny"]), (4, ["", ""]), (5, ["2", "say \"hi\""])];
        let expected: Vec<_> =
            expected.into_iter().map(|(row, cells)| (row, cells.map(String::from).to_vec())).collect();
        assert_eq!(numbered(file), expected);
        let unix: Vec<u8> = file.iter().copied().filter(|byte| *byte != b'\r').collect();
        assert_eq!(numbered(&unix).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2, 4, 5]);
    }

    #[test]
    fn the_header_is_row_one_wherever_it_is() {
        assert_eq!(numbered(b"\n\r\na\n\n\nb")[..], [(1, vec!["a".into()]), (4, vec!["b".into()])]);
        assert_eq!(numbered(b"\n\n"), []);
        assert_eq!(numbered(b""), []);
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_reading() {
        let file = [b"a,b\n\"1,2\n".as_slice(), &vec![b'x'; 2 * MAX_ROW_BYTES]].concat();
        let (rows, end) = read_all(&file);
        assert_eq!((rows.len(), end), (1, Err(UnreadableRow::TooLong(2))));
        let commas = vec![b','; 2 * MAX_ROW_BYTES];
        assert_eq!(read_all(&commas).1, Err(UnreadableRow::TooLong(1)));
    }

    #[test]
    fn a_quote_that_is_open_at_the_end_of_the_file_is_reported_with_the_row_in_which_it_begins() {
        for (file, row) in [
            ("a,b\n1,\"x\n2,y\n3,z", 2),
            ("a,b\n1,x\n\n2,\"y\n", 4),
            ("a,b\r\n1,\"\"\"x\r\n", 2),
            ("a,\"b", 1),
            ("\"", 1),
        ] {
            let (rows, end) = read_all(file.as_bytes());
            assert_eq!(end, Err(UnreadableRow::OpenQuote(row)), "{file:?}");
            assert!(rows.iter().all(|(number, ..)| *number < row), "{file:?}");
        }
        for closed in ["a,\"b\"", "a,\"b\"\n", "a,5\" pipe", "a,\"b\" c", "a,\"\""] {
            assert_eq!(read_all(closed.as_bytes()).1, Ok(()), "{closed:?}");
        }
    }

    #[test]
    fn a_row_of_the_maximum_length_is_read_whether_a_row_follows_or_not() {
        let row = vec![b','; MAX_ROW_BYTES - 1];
        for (end, rows) in [("", 1), ("\n", 1), ("\r\nx", 2)] {
            let (found, ended) = read_all(&[&row, end.as_bytes()].concat());
            assert_eq!((found.len(), found[0].2.len(), ended), (rows, MAX_ROW_BYTES, Ok(())), "{end:?}");
        }
        assert!(read_all(&[&row, b",\n".as_slice()].concat()).1.is_err());
    }

    #[test]
    fn rows_are_split_at_the_separator_of_the_header() {
        for (file, separator) in [
            ("ContactId;FirstName\r\n1;\"a;b, c\"\r\n", ";"),
            ("ContactId\tFirstName\n1\ta;b, c\n", "tab"),
            ("sep=;\r\nContactId;FirstName\r\n1;\"a;b, c\"\r\n", "declared"),
            ("\u{feff}sep=\t\nContactId\tFirstName\n1\ta;b, c\n", "declared tab"),
        ] {
            let expected = [(1, ["ContactId", "FirstName"]), (2, ["1", "a;b, c"])];
            let expected = expected.map(|(row, cells)| (row, cells.map(String::from).to_vec()));
            assert_eq!(numbered(file.as_bytes()), expected, "{separator}");
            let (all, _) = read_all(file.as_bytes());
            let (rest, _) = read(file.as_bytes(), FilePosition { offset: all[0].1, row: 1 });
            assert_eq!(rest, all[1..], "{separator}: after the header");
        }
    }

    proptest! {
        #[test]
        fn resuming_after_any_row_changes_nothing(
            file in "([a\",\r\n]|ü|\"x\"|\r\n){0,60}", cut in any::<prop::sample::Index>(),
        ) {
            let content = file.as_bytes();
            let (whole, _) = read_all(content);
            if !whole.is_empty() {
                let at = cut.index(whole.len());
                let (row, offset, _) = whole[at];
                let (rest, _) = read(content, FilePosition { offset, row });
                prop_assert_eq!(&rest[..], &whole[at + 1..]);
            }
        }

        #[test]
        fn without_quotes_a_rows_number_is_that_of_its_line(lines in prop::collection::vec("[a,]{0,4}", 0..30), crlf: bool) {
            let file = lines.join(if crlf { "\r\n" } else { "\n" });
            let from_header = lines.iter().skip_while(|line| line.is_empty());
            let expected: Vec<_> = (HEADER_ROW..).zip(from_header).filter(|(_, line)| !line.is_empty())
                .map(|(row, line)| (row, line.split(',').map(String::from).collect())).collect();
            prop_assert_eq!(numbered(file.as_bytes()), expected);
        }
    }
}
