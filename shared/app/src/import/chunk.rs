//! Reads a file in chunks: rows that are written together.

use shared_domain::import::{CellError, Columns, Encoding, FilePosition, ImportFile, Row, Staff};

use super::{
    check::{NotImportable, read_header},
    rows::Rows,
};

/// A row with its number.
pub(crate) type NumberedRow = (u64, Result<Row, Vec<CellError>>);

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
        if done.offset > 0 {
            rows = Rows::after(content, done);
        }
        Ok(Self { rows, columns, encoding, max_rows, clear_missing_assignments })
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
                chunk.push((self.position().row, row));
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
    fn row(&self) -> Option<Result<Row, Vec<CellError>>> {
        let texts = self.rows.texts(self.encoding);
        let fields: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        if Columns::is_blank(fields.iter().copied()) {
            return None;
        }
        let row = self.columns.row(&fields).map(|row| match row.staff {
            Staff::Absent if self.clear_missing_assignments => Row { staff: Staff::Blank, ..row },
            _ => row,
        });
        Some(row)
    }
}
