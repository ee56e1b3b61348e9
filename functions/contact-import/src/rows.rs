//! Rows out of the bytes of a file, which come in pieces of any size; memory is a piece and a row.
//!
//! A row's number is that of a spreadsheet that shows the file with its header in row 1: blank lines count, line breaks
//! within quotes do not.

use csv_core::{ReadRecordResult, Reader};
use shared_domain::import::{Encoding, FilePosition, HEADER_ROW};

/// The longest row, in bytes: thirty custom fields of the longest kind are a quarter of it. A quote that is never closed
/// would make one row of all that follows.
pub(crate) const MAX_ROW_BYTES: usize = 256 * 1024;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A row, which [`Rows::fields`] shows.
    Row,
    /// More bytes are needed: [`Rows::feed`] them.
    Piece,
    /// There is nothing more.
    End,
    /// The row is longer than [`MAX_ROW_BYTES`]; nothing can be read after it.
    TooLong,
}

/// Splits bytes into rows.
pub(crate) struct Rows {
    core: Reader,
    piece: Vec<u8>,
    used: usize,
    ended: bool,
    /// The file's offset of the next byte that is taken.
    offset: u64,
    /// Where the last row ended.
    place: FilePosition,
    row: u64,
    state: State,
    text: Vec<u8>,
    text_end: usize,
    ends: Vec<usize>,
    ends_end: usize,
    length: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a row, perhaps before blank lines.
    Between {
        after_return: bool,
    },
    Within,
    /// After a row; a line feed belongs to it if it ended in a carriage return.
    After {
        returned: bool,
    },
}

impl Rows {
    /// The rows after this place. The header is among them at the beginning of a file.
    pub(crate) fn after(place: FilePosition) -> Self {
        Self {
            core: Reader::new(),
            piece: Vec::new(),
            used: 0,
            ended: false,
            offset: place.offset,
            place,
            row: place.row,
            state: State::Between { after_return: false },
            text: vec![0; 1024],
            text_end: 0,
            ends: vec![0; 64],
            ends_end: 0,
            length: 0,
        }
    }

    /// Where the next piece begins in the file.
    pub(crate) fn wants(&self) -> u64 {
        self.offset
    }

    /// Takes the next piece; an empty one is the end of the file.
    pub(crate) fn feed(&mut self, piece: Vec<u8>) {
        self.ended = piece.is_empty();
        self.piece = piece;
        self.used = 0;
        if self.offset == 0 && self.piece.starts_with(b"\xef\xbb\xbf") {
            self.take(3);
        }
    }

    /// Goes on to the next row.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            match self.state {
                State::Between { after_return } => match self.peek() {
                    None if self.ended => return Next::End,
                    None => return Next::Piece,
                    Some(byte @ (b'\r' | b'\n')) => {
                        self.take(1);
                        let second_half = byte == b'\n' && after_return;
                        self.row += u64::from(!second_half && self.row >= HEADER_ROW);
                        self.state = State::Between { after_return: byte == b'\r' };
                    }
                    Some(_) => self.begin(),
                },
                State::Within => match self.read() {
                    ReadRecordResult::InputEmpty => return Next::Piece,
                    ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull
                        if self.length > MAX_ROW_BYTES =>
                    {
                        return Next::TooLong;
                    }
                    ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                    ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                    ReadRecordResult::Record => {
                        let returned = self.used > 0 && self.piece[self.used - 1] == b'\r';
                        self.state = State::After { returned };
                    }
                    ReadRecordResult::End => return Next::End,
                },
                State::After { returned } => {
                    match self.peek() {
                        Some(b'\n') if returned => self.take(1),
                        None if returned && !self.ended => return Next::Piece,
                        _ => {}
                    }
                    self.row = (self.row + 1).max(HEADER_ROW);
                    self.place = FilePosition { offset: self.offset, row: self.row };
                    self.state = State::Between { after_return: false };
                    return Next::Row;
                }
            }
            if self.length > MAX_ROW_BYTES {
                return Next::TooLong;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.piece.get(self.used).copied()
    }

    fn take(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset += bytes as u64;
    }

    fn begin(&mut self) {
        self.core.reset();
        (self.text_end, self.ends_end, self.length) = (0, 0, 0);
        self.state = State::Within;
    }

    fn read(&mut self) -> ReadRecordResult {
        let input = &self.piece[self.used..];
        if input.is_empty() && !self.ended {
            return ReadRecordResult::InputEmpty; // to the splitter no bytes are the end of all
        }
        let (result, taken, text, ends) =
            self.core.read_record(input, &mut self.text[self.text_end..], &mut self.ends[self.ends_end..]);
        self.take(taken);
        self.length += taken;
        self.text_end += text;
        self.ends_end += ends;
        result
    }

    /// Where the row that was read last ended.
    pub(crate) fn place(&self) -> FilePosition {
        self.place
    }

    /// The bytes of its fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends[..self.ends_end].iter().copied());
        starts.zip(&self.ends[..self.ends_end]).map(|(start, end)| &self.text[start..*end])
    }

    /// Its fields as text.
    pub(crate) fn texts(&self, encoding: Encoding) -> Vec<std::borrow::Cow<'_, str>> {
        self.fields().map(|field| encoding.decode(field)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (u64, u64, Vec<String>);

    fn read(place: FilePosition, bytes: &[u8], piece: usize) -> (Vec<Row>, Next) {
        let (mut rows, mut found) = (Rows::after(place), Vec::new());
        loop {
            match rows.next() {
                Next::Piece => {
                    let from = usize::try_from(rows.wants()).unwrap();
                    rows.feed(bytes[from..].iter().take(piece).copied().collect());
                }
                Next::Row => {
                    let texts = rows.texts(Encoding::Utf8).into_iter().map(String::from).collect();
                    found.push((rows.place().row, rows.place().offset, texts));
                }
                end => return (found, end),
            }
        }
    }

    fn numbered(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        read(FilePosition::default(), bytes, 7).0.into_iter().map(|(row, _, texts)| (row, texts)).collect()
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
    fn the_header_is_row_one_wherever_it_stands() {
        assert_eq!(numbered(b"\n\r\na\n\n\nb")[..], [(1, vec!["a".into()]), (4, vec!["b".into()])]);
        assert_eq!(numbered(b"\n\n"), []);
        assert_eq!(numbered(b""), []);
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_reading() {
        let file = [b"a,b\n\"1,2\n".as_slice(), &vec![b'x'; 2 * MAX_ROW_BYTES]].concat();
        let (rows, end) = read(FilePosition::default(), &file, 64 * 1024);
        assert_eq!((rows.len(), end), (1, Next::TooLong));
        let commas = vec![b','; 2 * MAX_ROW_BYTES];
        assert_eq!(read(FilePosition::default(), &commas, 64 * 1024).1, Next::TooLong);
    }

    proptest! {
        #[test]
        fn pieces_and_resuming_change_nothing(
            file in "([a\",\r\n]|ü|\"x\"|\r\n){0,60}", piece in 1_usize..9, cut in any::<prop::sample::Index>(),
        ) {
            let bytes = file.as_bytes();
            let (whole, _) = read(FilePosition::default(), bytes, 1000);
            let (rows, _) = read(FilePosition::default(), bytes, piece);
            prop_assert_eq!(&rows, &whole);
            if !whole.is_empty() {
                let at = cut.index(whole.len());
                let (row, offset, _) = whole[at];
                let (rest, _) = read(FilePosition { offset, row }, bytes, piece);
                prop_assert_eq!(&rest[..], &whole[at + 1..]);
            }
        }
    }
}
