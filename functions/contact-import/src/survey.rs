//! The first reading of a file, before anything is written: how it is written, whether its header is right, and how many
//! rows there are.

use shared_domain::import::{Columns, Detector, Encoding, FilePosition, ImportFile};

use crate::rows::{MAX_ROW_BYTES, Next, Rows};

/// The most rows of a file.
pub const MAX_ROWS: u64 = 100_000;
/// The largest file, in bytes: 400 for each of the most rows.
pub const MAX_FILE_BYTES: u64 = 40 * 1024 * 1024;

/// Why a file is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImported {
    /// A sentence for people.
    pub reason: String,
    /// Whether it is about the header, which is row 1.
    pub header: bool,
}

/// Looks through a whole file that is at hand, as its import will at first.
///
/// # Errors
/// [`NotImported`]: why it will not be read.
pub fn look(file: &[u8]) -> Result<(), NotImported> {
    let mut survey = Survey::of(file.len() as u64)?;
    if !file.is_empty() {
        survey.feed(file.to_vec())?;
    }
    survey.feed(Vec::new())?;
    survey.finish(String::new(), file.len() as u64).map(|_| ())
}

fn not(reason: impl Into<String>) -> NotImported {
    NotImported { reason: reason.into(), header: false }
}

/// Looks through a file, piece by piece.
pub(crate) struct Survey {
    rows: Rows,
    detector: Detector,
    header: Option<Vec<Vec<u8>>>,
    count: u64,
}

impl Survey {
    /// Of a file of this size.
    pub(crate) fn of(size: u64) -> Result<Self, NotImported> {
        if size > MAX_FILE_BYTES {
            return Err(not(format!(
                "the file has {size} bytes; at most {MAX_FILE_BYTES} (40 MiB) are read"
            )));
        }
        let rows = Rows::after(FilePosition::default());
        Ok(Self { rows, detector: Detector::default(), header: None, count: 0 })
    }

    /// Where the next piece begins.
    pub(crate) fn wants(&self) -> u64 {
        self.rows.wants()
    }

    /// Takes the next piece, an empty one at the end of the file. `true` when that was it.
    pub(crate) fn feed(&mut self, piece: Vec<u8>) -> Result<bool, NotImported> {
        self.detector.feed(&piece).map_err(|fault| not(fault.to_string()))?;
        self.rows.feed(piece);
        loop {
            match self.rows.next() {
                Next::Piece => return Ok(false),
                Next::End => return Ok(true),
                Next::TooLong => return Err(too_long(self.rows.place().row + 1)),
                Next::Row if self.header.is_none() => {
                    self.header = Some(self.rows.fields().map(<[u8]>::to_vec).collect());
                }
                Next::Row => {
                    let blank = self.rows.fields().all(|field| field.iter().all(u8::is_ascii_whitespace));
                    self.count += u64::from(!blank);
                    if self.count > MAX_ROWS {
                        return Err(not(format!("the file has more than {MAX_ROWS} rows")));
                    }
                }
            }
        }
    }

    /// What was found in a file that the bucket calls by this etag.
    pub(crate) fn finish(self, etag: String, size: u64) -> Result<ImportFile, NotImported> {
        let encoding = self.detector.finish();
        columns(encoding, self.header.unwrap_or_default().iter().map(Vec::as_slice))?;
        Ok(ImportFile { etag, size, western: encoding == Encoding::Windows1252, rows: self.count })
    }
}

pub(crate) fn too_long(row: u64) -> NotImported {
    not(format!("row {row} is longer than {} KiB: perhaps a quote is missing its end", MAX_ROW_BYTES / 1024))
}

/// The columns that a header names.
pub(crate) fn columns<'a>(
    encoding: Encoding,
    header: impl Iterator<Item = &'a [u8]>,
) -> Result<Columns, NotImported> {
    let names: Vec<_> = header.map(|field| encoding.decode(field)).collect();
    let columns = Columns::parse(names.iter().map(AsRef::as_ref));
    columns.map_err(|fault| NotImported { reason: fault.to_string(), header: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"ContactId,FirstName,LastName,MobileNumber\n";

    fn survey(bytes: &[u8]) -> Result<ImportFile, NotImported> {
        let looked = look(bytes);
        let surveyed = in_pieces(bytes);
        assert_eq!(looked.err(), surveyed.as_ref().err().cloned());
        surveyed
    }

    fn in_pieces(bytes: &[u8]) -> Result<ImportFile, NotImported> {
        let mut survey = Survey::of(bytes.len() as u64)?;
        for piece in bytes.chunks(5000).chain([[].as_slice()]) {
            survey.feed(piece.to_vec())?;
        }
        survey.finish("\"e\"".into(), bytes.len() as u64)
    }

    #[test]
    fn rows_with_something_in_them_are_counted_and_the_encoding_is_found() {
        let file = [HEADER, b"1,Zo\xeb,,2025550143\r\n\r\n,,,\n2,A,B,2025550144"].concat();
        let found = survey(&file).unwrap();
        assert_eq!((found.rows, found.western), (2, true));
        assert!(!survey(HEADER).unwrap().western);
    }

    #[test]
    fn what_is_no_list_of_contacts_is_told() {
        let bad = survey(b"Name,Number\n").unwrap_err();
        assert!(bad.header && bad.reason.contains("missing: ContactId"));
        assert!(survey(b"").unwrap_err().header);
        assert!(survey(b"PK\x03\x04xxxxxxxx").unwrap_err().reason.contains("archive"));
        let many = [HEADER, "1,a,b,2025550143\n".repeat(100_001).as_bytes()].concat();
        assert!(survey(&many).unwrap_err().reason.contains("more than 100000 rows"));
        assert!(Survey::of(MAX_FILE_BYTES + 1).is_err());
        let open = [HEADER, b"1,\"", "x\n".repeat(200_000).as_bytes()].concat();
        assert!(survey(&open).unwrap_err().reason.starts_with("row 2 is longer"));
    }
}
