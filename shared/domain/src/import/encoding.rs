//! The encoding of a file: UTF-8, or Windows-1252, which is what Excel writes by default.

use std::borrow::Cow;

/// The encoding of a file. ASCII characters are the same in both, so a CSV reader can split the bytes before
/// decoding them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, which includes ASCII.
    Utf8,
    /// Western European, with one byte per character.
    Windows1252,
}

/// Why a file is not CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// The file is a zip archive. `.xlsx` files are zip archives.
    #[error("this is a spreadsheet or an archive: save it as CSV first")]
    Archive,
    /// The file is an `.xls` file.
    #[error("this is an Excel file: save it as CSV first")]
    OldSpreadsheet,
    /// The file is UTF-16, with or without a byte order mark.
    #[error("this is UTF-16 (\"Unicode text\"): save it as \"CSV UTF-8\"")]
    Utf16,
    /// The file contains a NUL byte.
    #[error("this is not a text file: it contains NUL bytes")]
    Binary,
}

const BOM: &[u8] = b"\xef\xbb\xbf";
/// The number of first bytes that identify a file that is not text.
const MAX_MAGIC_LENGTH: usize = 8;
/// How many bytes decide the encoding, from the first one that is not ASCII.
const SAMPLE_SIZE: usize = 64 * 1024;

/// Detects the encoding of a file from its parts, one after the other. The file is UTF-8 if the 64 KiB from
/// the first non-ASCII byte on are valid UTF-8, and Windows-1252 if not.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    head: Vec<u8>,
    sample: Vec<u8>,
}

impl Detector {
    /// Adds the next part of the file. Returns `true` once the encoding is decided. Parts that are added
    /// later are still checked for NUL bytes.
    ///
    /// # Errors
    /// [`NotText`] if the file is not CSV.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<bool, NotText> {
        let room = MAX_MAGIC_LENGTH.saturating_sub(self.head.len());
        self.head.extend(chunk.iter().take(room));
        refuse_magic(&self.head)?;
        if chunk.contains(&0) {
            return Err(if is_utf16(&self.head) { NotText::Utf16 } else { NotText::Binary });
        }
        // A byte order mark is valid UTF-8 and needs no special treatment.
        let from = if self.sample.is_empty() { chunk.iter().position(|b| !b.is_ascii()) } else { Some(0) };
        if let Some(from) = from {
            let room = SAMPLE_SIZE - self.sample.len();
            self.sample.extend(chunk[from..].iter().take(room));
        }
        Ok(self.sample.len() == SAMPLE_SIZE)
    }

    /// The encoding according to the parts that were added.
    pub fn finish(&self) -> Encoding {
        match std::str::from_utf8(&self.sample) {
            Ok(_) => Encoding::Utf8,
            // The last character of the sample is cut off.
            Err(error) if error.error_len().is_none() && self.sample.len() == SAMPLE_SIZE => Encoding::Utf8,
            Err(_) => Encoding::Windows1252,
        }
    }
}

/// Two invalid bytes after a gateway replaced each of them by U+FFFD.
const REPLACED: &[u8] = b"\xef\xbf\xbd\xef\xbf\xbd";

/// Whether the beginning of a file that contains NUL bytes is UTF-16. Each ASCII character has a NUL byte
/// before or after it, and a byte order mark may have been replaced by a gateway.
fn is_utf16(head: &[u8]) -> bool {
    let bytes = head.strip_prefix(REPLACED).unwrap_or(head);
    let has_nul = |first: usize| bytes.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let has_text = |first: usize| bytes.iter().skip(first).step_by(2).all(|byte| *byte != 0);
    (has_text(0) && has_nul(1)) || (has_nul(0) && has_text(1))
}

fn refuse_magic(head: &[u8]) -> Result<(), NotText> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Err(NotText::Archive)
    } else if head.starts_with(b"\xd0\xcf\x11\xe0") || head.starts_with(b"\xef\xbf\xbd\xef\xbf\xbd\x11") {
        Err(NotText::OldSpreadsheet)
    } else if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        Err(NotText::Utf16)
    } else {
        Ok(())
    }
}

impl Encoding {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1252 => "windows-1252",
        }
    }

    /// The encoding of a file, or of its beginning.
    ///
    /// # Errors
    /// [`NotText`] if the file is not CSV.
    pub fn of(bytes: &[u8]) -> Result<Self, NotText> {
        let mut detector = Detector::default();
        detector.feed(bytes)?;
        Ok(detector.finish())
    }

    /// Decodes a field, a row or a file. If a later part of a UTF-8 file is not valid UTF-8, its invalid
    /// bytes become U+FFFD, and the row is refused.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Windows1252 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// The bytes without a UTF-8 byte order mark.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// Decodes a whole file and removes a byte order mark.
///
/// # Errors
/// [`NotText`] if the file is not CSV.
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
    fn a_file_that_is_not_csv_is_refused_with_the_reason() {
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
    fn utf16_and_xls_are_recognized_without_a_byte_order_mark_and_after_a_repair_by_a_gateway() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big_endian = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let header = "ContactId,FirstName";
        let marked = format!("\u{feff}{header}");
        let workbook = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00";
        // A gateway that takes a body for UTF-8 replaces each invalid byte by U+FFFD.
        let repaired = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes();
        for (bytes, reason) in [
            (utf16(header), NotText::Utf16),
            (big_endian(header), NotText::Utf16),
            (repaired(&utf16(&marked)), NotText::Utf16),
            (repaired(&big_endian(&marked)), NotText::Utf16),
            (repaired(workbook), NotText::OldSpreadsheet),
        ] {
            assert_eq!(decode(&bytes), Err(reason), "{bytes:?}");
            for size in 1..9 {
                let mut detector = Detector::default();
                let refused = bytes.chunks(size).find_map(|chunk| detector.feed(chunk).err());
                assert_eq!(refused, Some(reason), "{bytes:?} in parts of {size}");
            }
        }
    }

    #[test]
    fn the_64_kib_from_the_first_non_ascii_byte_decide_the_encoding() {
        assert_eq!(Encoding::of(b""), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of("naïve".as_bytes()), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of(b"na\xefve"), Ok(Encoding::Windows1252));
        assert_eq!(decode(b"\x80 5 \x93x\x94").unwrap(), "€ 5 “x”");
        let mut late = vec![b'a'; 100_000];
        late.extend(b"\xe9");
        assert_eq!(Encoding::of(&late), Ok(Encoding::Windows1252), "however late the byte is");
        let cut = "é".repeat(SAMPLE_SIZE); // two bytes each, the second one odd
        assert_eq!(Encoding::of(&[b"x", cut.as_bytes()].concat()), Ok(Encoding::Utf8));
        let cut = "€".repeat(SAMPLE_SIZE); // three bytes each: the last one is cut off
        assert_eq!(Encoding::of(cut.as_bytes()), Ok(Encoding::Utf8));
        assert_eq!(Encoding::of(b"caf\xc3"), Ok(Encoding::Windows1252), "cut off at the end of the file");
        let mixed = [cut.as_bytes(), b"\xe9"].concat();
        assert!(decode(&mixed).unwrap().ends_with('\u{fffd}'));
    }

    #[test]
    fn a_detector_decides_after_64_kib_and_ignores_what_follows() {
        let mut detector = Detector::default();
        assert_eq!(detector.feed(b"Name,Bus"), Ok(false));
        assert_eq!(detector.feed("é".as_bytes()), Ok(false));
        assert_eq!(detector.feed("é".repeat(SAMPLE_SIZE / 2).as_bytes()), Ok(true));
        assert_eq!(detector.feed(b"\xe9"), Ok(true));
        assert_eq!(detector.finish(), Encoding::Utf8);
    }

    #[test]
    fn a_byte_that_is_not_utf8_counts_within_64_kib_and_not_after() {
        let followed = |bytes: usize| Encoding::of(&["é".repeat(bytes / 2).as_bytes(), b"\xe9"].concat());
        assert_eq!(followed(65_534), Ok(Encoding::Windows1252));
        assert_eq!(followed(65_536), Ok(Encoding::Utf8));
    }

    #[test]
    fn a_file_that_is_not_csv_is_recognized_by_its_first_bytes_in_parts_of_any_size() {
        let mut detector = Detector::default();
        assert_eq!(detector.feed(b"PK"), Ok(false));
        assert_eq!(detector.feed(b"\x03\x04"), Err(NotText::Archive));
        assert_eq!(Encoding::of(b"PK\x05\x06"), Err(NotText::Archive), "an empty archive");
        assert_eq!(Encoding::of(b"a PK\x03\x04"), Ok(Encoding::Utf8), "in the middle of a text");
    }

    proptest! {
        #[test]
        fn parts_of_any_size_give_the_result_of_the_whole_file(
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
        fn utf8_is_decoded_exactly_and_windows_1252_byte_by_byte(text in "[^\u{0}]*", bytes in prop::collection::vec(1_u8..=255, 0..99)) {
            if !text.starts_with('\u{feff}') {
                prop_assert_eq!(decode(text.as_bytes()).unwrap(), text.as_str());
            }
            if let Ok(Encoding::Windows1252) = Encoding::of(&bytes) {
                prop_assert_eq!(decode(&bytes).unwrap().chars().count(), without_bom(&bytes).len());
            }
        }
    }
}
