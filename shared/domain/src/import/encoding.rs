//! The bytes of a file: UTF-8, or what Excel writes where nobody asks it for UTF-8 (Windows-1252).

use std::borrow::Cow;

/// How the text of a file is written. Both write ASCII alike, so a CSV reader can split bytes before they are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Also plain ASCII.
    Utf8,
    /// Western European, one byte a character.
    Windows1252,
}

/// Why bytes are not the text of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// The magic of a zip archive, which `.xlsx` files are.
    #[error("this is a spreadsheet file or an archive: save it as CSV first")]
    Archive,
    /// The magic of an old `.xls` file.
    #[error("this is an Excel file: save it as CSV first")]
    OldSpreadsheet,
    /// A UTF-16 byte order mark.
    #[error("this is UTF-16 (\"Unicode text\"): save it as \"CSV UTF-8\"")]
    Utf16,
    /// A NUL byte.
    #[error("this is not a text file: it holds NUL bytes")]
    Binary,
}

const BOM: &[u8] = b"\xef\xbb\xbf";
/// Bytes that tell a file that is no text.
const MAX_MAGIC_LENGTH: usize = 4;
/// Bytes looked at, from the first one on that is not ASCII.
const LOOKED_AT: usize = 64 * 1024;

/// Finds out how a file is written, from its chunks one after the other: the 64 KiB from its first non-ASCII byte on are
/// UTF-8 as a whole, or they are Windows-1252.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    head: Vec<u8>,
    kept: Vec<u8>,
}

impl Detector {
    /// Looks at the next chunk. Says `true` once it has seen enough to decide; NUL bytes are refused wherever they stand,
    /// as long as chunks are fed.
    ///
    /// # Errors
    /// [`NotText`].
    pub fn feed(&mut self, chunk: &[u8]) -> Result<bool, NotText> {
        let room = MAX_MAGIC_LENGTH.saturating_sub(self.head.len());
        self.head.extend(chunk.iter().take(room));
        refuse_magic(&self.head)?;
        if chunk.contains(&0) {
            return Err(NotText::Binary);
        }
        // A byte order mark looks like any other UTF-8.
        let from = if self.kept.is_empty() { chunk.iter().position(|b| !b.is_ascii()) } else { Some(0) };
        if let Some(from) = from {
            let room = LOOKED_AT - self.kept.len();
            self.kept.extend(chunk[from..].iter().take(room));
        }
        Ok(self.kept.len() == LOOKED_AT)
    }

    /// How the file is written, as far as it was seen.
    pub fn finish(&self) -> Encoding {
        match std::str::from_utf8(&self.kept) {
            Ok(_) => Encoding::Utf8,
            // A character that is cut off at the end of what was looked at.
            Err(fault) if fault.error_len().is_none() && self.kept.len() == LOOKED_AT => Encoding::Utf8,
            Err(_) => Encoding::Windows1252,
        }
    }
}

fn refuse_magic(head: &[u8]) -> Result<(), NotText> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Err(NotText::Archive)
    } else if head.starts_with(b"\xd0\xcf\x11\xe0") {
        Err(NotText::OldSpreadsheet)
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        Err(NotText::Utf16)
    } else {
        Ok(())
    }
}

impl Encoding {
    /// How these bytes, the whole file or its beginning, are written.
    ///
    /// # Errors
    /// [`NotText`].
    pub fn of(bytes: &[u8]) -> Result<Self, NotText> {
        let mut detector = Detector::default();
        detector.feed(bytes)?;
        Ok(detector.finish())
    }

    /// The text of a field, a row or a file. Bytes that are no UTF-8, in a file that was UTF-8 as far as it was looked at,
    /// become U+FFFD, which rows are refused for.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Windows1252 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// The bytes without a UTF-8 byte order mark, for a reader that splits bytes.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// The text of a whole file, without a byte order mark.
///
/// # Errors
/// [`NotText`].
///
/// ```
/// use shared_domain::import::decode;
/// assert_eq!(decode(b"Zo\xeb").unwrap(), "Zoë");
/// assert_eq!(decode("\u{feff}Zoë".as_bytes()).unwrap(), "Zoë");
/// ```
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, NotText> {
    Ok(Encoding::of(bytes)?.decode(without_bom(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_csv_is_refused_with_the_reason() {
        for (bytes, reason) in [
            (&b"PK\x03\x04\x14\x00"[..], NotText::Archive),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NotText::OldSpreadsheet),
            (b"\xff\xfeC\x00", NotText::Utf16),
            (b"\xfe\xff\x00C", NotText::Utf16),
            (b"a,b\n1,\x002", NotText::Binary),
        ] {
            assert_eq!(decode(bytes), Err(reason));
        }
    }

    #[test]
    fn the_first_64_kib_that_are_not_ascii_decide() {
        assert_eq!(Encoding::of(b""), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of("naïve".as_bytes()), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of(b"na\xefve"), Ok(Encoding::Windows1252));
        assert_eq!(decode(b"\x80 5 \x93x\x94").unwrap(), "€ 5 “x”");
        let mut late = vec![b'a'; 100_000];
        late.extend(b"\xe9");
        assert_eq!(Encoding::of(&late), Ok(Encoding::Windows1252), "however late they come");
        let cut = "é".repeat(LOOKED_AT); // two bytes each, the second one odd
        assert_eq!(Encoding::of(&[b"x", cut.as_bytes()].concat()), Ok(Encoding::Utf8));
        let cut = "€".repeat(LOOKED_AT); // three bytes each: the last one is cut off
        assert_eq!(Encoding::of(cut.as_bytes()), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of(b"caf\xc3"), Ok(Encoding::Windows1252), "cut off at the end of the file");
        let mixed = [cut.as_bytes(), b"\xe9"].concat();
        assert!(decode(&mixed).unwrap().ends_with('\u{fffd}'));
    }

    #[test]
    fn a_detector_has_seen_enough_after_64_kib_and_is_not_moved_by_what_follows() {
        let mut detector = Detector::default();
        assert_eq!(detector.feed(b"Name,Bus"), Ok(false));
        assert_eq!(detector.feed("é".as_bytes()), Ok(false));
        assert_eq!(detector.feed("é".repeat(LOOKED_AT / 2).as_bytes()), Ok(true));
        assert_eq!(detector.feed(b"\xe9"), Ok(true));
        assert_eq!(detector.finish(), Encoding::Utf8);
    }

    #[test]
    fn a_byte_that_is_no_utf8_counts_within_64_kib_and_not_after() {
        let followed = |bytes: usize| Encoding::of(&["é".repeat(bytes / 2).as_bytes(), b"\xe9"].concat());
        assert_eq!(followed(65_534), Ok(Encoding::Windows1252));
        assert_eq!(followed(65_536), Ok(Encoding::Utf8));
    }

    #[test]
    fn what_is_no_csv_is_known_by_its_first_bytes_however_they_are_cut() {
        let mut detector = Detector::default();
        assert_eq!(detector.feed(b"PK"), Ok(false));
        assert_eq!(detector.feed(b"\x03\x04"), Err(NotText::Archive));
        assert_eq!(Encoding::of(b"PK\x05\x06"), Err(NotText::Archive), "an empty one");
        assert_eq!(Encoding::of(b"a PK\x03\x04"), Ok(Encoding::Utf8), "in the middle of a text");
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_are_judged_like_the_whole(
            bytes in prop_oneof![
                ".{0,200}".prop_map(String::into_bytes),
                prop::collection::vec(1_u8..=255, 0..200),
                prop::collection::vec(any::<u8>(), 0..20),
            ],
            size in 1_usize..50,
        ) {
            let mut detector = Detector::default();
            let fed: Result<Vec<bool>, NotText> = bytes.chunks(size).map(|chunk| detector.feed(chunk)).collect();
            match (fed, Encoding::of(&bytes)) {
                (Ok(_), whole) => prop_assert_eq!(Ok(detector.finish()), whole),
                (Err(_), whole) => prop_assert!(whole.is_err()),
            }
        }

        #[test]
        fn utf8_is_read_as_it_is_and_any_byte_as_something(text in "[^\u{0}]*", bytes in prop::collection::vec(1_u8..=255, 0..99)) {
            if !text.starts_with('\u{feff}') {
                prop_assert_eq!(decode(text.as_bytes()).unwrap(), text.as_str());
            }
            if let Ok(Encoding::Windows1252) = Encoding::of(&bytes) {
                prop_assert_eq!(decode(&bytes).unwrap().chars().count(), without_bom(&bytes).len());
            }
        }
    }
}
