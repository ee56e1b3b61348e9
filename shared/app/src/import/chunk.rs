//! Reads a file in chunks: rows that are written together.

use shared_domain::import::{CellError, Columns, Encoding, FilePosition, ImportFile, Row, Staff};

use super::{
    check::{NotImportable, read_header},
    repeats::SeenIds,
    rows::Rows,
};

/// A row of the file.
pub(crate) struct NumberedRow {
    pub(crate) number: u64,
    pub(crate) row: Result<Row, Vec<CellError>>,
    /// What to check about the row, although it is valid.
    pub(crate) warning: Option<CellError>,
}

pub(crate) struct Chunk {
    pub(crate) rows: Vec<NumberedRow>,
    /// Where it ends in the file.
    pub(crate) end: FilePosition,
    /// Whether the file ends there.
    pub(crate) is_last: bool,
}

pub(crate) struct ChunkReader<'a> {
    rows: Rows<'a>,
    columns: Columns,
    encoding: Encoding,
    seen: SeenIds,
    max_rows: usize,
    /// Whether a file without the column `StaffId` clears assignments.
    clear_missing_assignments: bool,
}

impl<'a> ChunkReader<'a> {
    /// Starts after `done`, or after the header if no row is done.
    pub(crate) fn after(
        done: FilePosition,
        file: &ImportFile,
        content: &'a [u8],
        max_rows: usize,
        clear_missing_assignments: bool,
    ) -> Result<Self, NotImportable> {
        let encoding = file.encoding();
        let mut rows = Rows::after(content, FilePosition::default());
        let columns = read_header(&mut rows, encoding)?;
        let seen = SeenIds::default();
        let mut reader = Self { rows, columns, encoding, seen, max_rows, clear_missing_assignments };
        while reader.position().offset < done.offset && reader.rows.advance()? {
            reader.row(); // its id counts for the rows after it
        }
        Ok(reader)
    }

    pub(crate) fn position(&self) -> FilePosition {
        self.rows.position()
    }

    /// Reads the next chunk: up to `end` if the chunk was begun before, otherwise as many rows as a chunk
    /// has.
    pub(crate) fn next_chunk(&mut self, end: Option<FilePosition>) -> Result<Chunk, NotImportable> {
        let mut chunk = Vec::with_capacity(self.max_rows);
        let mut is_last = false;
        while !is_last && !self.is_full(&chunk, end) {
            is_last = !self.rows.advance()?;
            if !is_last && let Some(row) = self.row() {
                chunk.push(row);
            }
        }
        Ok(Chunk { rows: chunk, end: self.position(), is_last })
    }

    fn is_full(&self, chunk: &[NumberedRow], end: Option<FilePosition>) -> bool {
        match end {
            Some(end) => self.position().offset >= end.offset,
            None => chunk.len() >= self.max_rows,
        }
    }

    /// Returns the current row. `None` if it is blank.
    fn row(&mut self) -> Option<NumberedRow> {
        let texts = self.rows.texts(self.encoding);
        let fields: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        if Columns::is_blank(fields.iter().copied()) {
            return None;
        }
        let row = self.columns.row(&fields).map(|row| match row.staff {
            Staff::Absent if self.clear_missing_assignments => Row { staff: Staff::Blank, ..row },
            _ => row,
        });
        let number = self.rows.position().row;
        let earlier = row.as_ref().ok().and_then(|row| self.seen.add(number, row));
        Some(NumberedRow { number, row, warning: earlier.map(|earlier| self.columns.repeated_id(earlier)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::check_file;

    #[test]
    fn a_repeated_id_is_reported_in_whatever_chunk_the_reading_continues() {
        let content = b"Student ID,FirstName,LastName,MobileNumber\n1,A,B,2025550141\n2,A,B,2025550142\n\
                        1,C,D,2025550143\n2,A,B,2025550142\n";
        let file = check_file("\"e\"", content).unwrap();
        let mut done = FilePosition::default();
        let mut warnings = Vec::new();
        loop {
            let mut reader = ChunkReader::after(done, &file, content, 1, false).unwrap();
            let chunk = reader.next_chunk(None).unwrap();
            warnings.extend(chunk.rows.into_iter().filter_map(|row| Some((row.number, row.warning?.column))));
            done = chunk.end;
            if chunk.is_last {
                break;
            }
        }
        assert_eq!(warnings, [(4, "Student ID".to_owned())]);
    }
}
