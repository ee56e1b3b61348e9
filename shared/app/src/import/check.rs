//! Checks a whole file before anything is written: its encoding, its header and its number of rows.

use shared_domain::import::{Columns, Detector, Encoding, FilePosition, ImportFile, Layout};

use super::rows::{Rows, UnreadableRow};

/// The maximum number of rows of a file.
pub const MAX_ROWS: u64 = 100_000;
/// The maximum size of a file, in bytes: 400 for each of [`MAX_ROWS`].
pub const MAX_FILE_BYTES: u64 = 40 * 1024 * 1024;

/// Why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotImportable {
    /// A sentence for the user.
    pub reason: String,
    /// Whether the header, which is row 1, is wrong.
    pub in_header: bool,
}

impl NotImportable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), in_header: false }
    }
}

impl From<UnreadableRow> for NotImportable {
    fn from(row: UnreadableRow) -> Self {
        Self::new(row.to_string())
    }
}

/// Errors if a file of `size` bytes is too large.
pub fn check_size(size: u64) -> Result<(), NotImportable> {
    if size <= MAX_FILE_BYTES {
        return Ok(());
    }
    Err(NotImportable::new(format!("the file has {size} bytes; the maximum is {MAX_FILE_BYTES} (40 MiB)")))
}

/// Checks a file and returns what an import stores about it. `etag` identifies the content in the bucket.
pub fn check_file(etag: &str, content: &[u8]) -> Result<ImportFile, NotImportable> {
    check_size(content.len() as u64)?;
    let encoding = encoding(content)?;
    let mut rows = Rows::after(content, FilePosition::default());
    read_header(&mut rows, encoding)?;
    let mut count = 0;
    while rows.advance()? {
        count += u64::from(!is_blank(&rows, encoding));
        if count > MAX_ROWS {
            return Err(NotImportable::new(format!("the file has more than {MAX_ROWS} rows")));
        }
    }
    let western = encoding == Encoding::Windows1252;
    let Layout { separator, .. } = Layout::of(content);
    Ok(ImportFile { etag: etag.to_owned(), size: content.len() as u64, western, separator, rows: count })
}

/// Whether the current row is [blank](Columns::is_blank). Most rows need no decoding to say that they are
/// not.
fn is_blank(rows: &Rows<'_>, encoding: Encoding) -> bool {
    !rows.fields().flatten().any(u8::is_ascii_graphic)
        && Columns::is_blank(rows.texts(encoding).iter().map(AsRef::as_ref))
}

fn encoding(content: &[u8]) -> Result<Encoding, NotImportable> {
    let mut detector = Detector::default();
    detector.feed(content).map_err(|error| NotImportable::new(error.to_string()))?;
    Ok(detector.finish())
}

/// Reads the header of a file, and returns its columns.
pub(crate) fn read_header(rows: &mut Rows<'_>, encoding: Encoding) -> Result<Columns, NotImportable> {
    rows.advance()?;
    let names = rows.texts(encoding);
    let columns = Columns::parse(names.iter().map(AsRef::as_ref));
    columns.map_err(|error| NotImportable { reason: error.to_string(), in_header: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"ContactId,FirstName,LastName,MobileNumber\n";

    fn check(content: &[u8]) -> Result<ImportFile, NotImportable> {
        check_file("\"e\"", content)
    }

    #[test]
    fn rows_that_are_not_blank_are_counted_and_the_encoding_is_detected() {
        let file = [HEADER, b"1,Zo\xeb,,2025550143\r\n\r\n,,,\n\xa0,\xa0,,\n2,A,B,2025550144"].concat();
        let found = check(&file).unwrap();
        assert_eq!((found.rows, found.western), (2, true));
        assert!(!check(HEADER).unwrap().western);
    }

    #[test]
    fn a_file_that_is_not_a_list_of_contacts_is_refused_with_the_reason() {
        let wrong = check(b"Name,Number\n").unwrap_err();
        assert!(wrong.in_header && wrong.reason.contains("missing: ContactId"));
        assert!(check(b"").unwrap_err().in_header);
        assert!(check(b"PK\x03\x04xxxxxxxx").unwrap_err().reason.contains("archive"));
        let many = [HEADER, "1,a,b,2025550143\n".repeat(100_001).as_bytes()].concat();
        assert!(check(&many).unwrap_err().reason.contains("more than 100000 rows"));
        assert!(check_size(MAX_FILE_BYTES + 1).is_err() && check_size(MAX_FILE_BYTES).is_ok());
        let open = [HEADER, b"1,\"", "x\n".repeat(200_000).as_bytes()].concat();
        assert!(check(&open).unwrap_err().reason.starts_with("row 2 is longer"));
        let open = [HEADER, b"1,\"a,b,2025550143\n2,c,d,2025550144\n"].concat();
        assert_eq!(check(&open).unwrap_err().reason, "row 2 has a quote that is never closed");
    }
}
