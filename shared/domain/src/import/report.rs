//! What rows amounted to: counts, and why rows were refused.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::row::CellError;

/// How many errors an import keeps. Further ones are only counted.
pub const MAX_ERRORS: usize = 1000;

/// What an accepted row did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It created a contact.
    Created,
    /// It changed a contact.
    Updated,
    /// The contact already was as the row says.
    Unchanged,
}

/// Why a row was refused, or what to check about a row that was imported. A row may have several errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// As a spreadsheet counts: the header is row 1.
    pub row: u64,
    /// The column as named in the file; empty if the error concerns the whole row.
    pub field: String,
    /// A sentence for the user.
    pub reason: String,
    /// Whether the row was imported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// Counts of an import, or of a chunk of it. `rows` is the sum of `created`, `updated`, `unchanged` and
/// `refused`. The header and blank rows are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct ImportCounts {
    pub rows: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub refused: u64,
    /// Errors that are kept.
    pub errors: usize,
    /// Errors beyond [`MAX_ERRORS`], which are only counted.
    pub errors_beyond: u64,
}

impl AddAssign for ImportCounts {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.refused += other.refused;
        self.errors += other.errors;
        self.errors_beyond += other.errors_beyond;
    }
}

/// What the rows of a chunk amounted to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkReport {
    /// `counts.errors` is the length of `errors`.
    pub counts: ImportCounts,
    /// The first [`MAX_ERRORS`] errors, in the order of the rows.
    pub errors: Vec<RowError>,
}

impl ChunkReport {
    /// Counts a row that was accepted.
    pub fn accept(&mut self, outcome: Outcome) {
        self.counts.rows += 1;
        match outcome {
            Outcome::Created => self.counts.created += 1,
            Outcome::Updated => self.counts.updated += 1,
            Outcome::Unchanged => self.counts.unchanged += 1,
        }
    }

    /// Counts a row that was refused: once, with all its errors.
    pub fn refuse(&mut self, row: u64, errors: impl IntoIterator<Item = CellError>) {
        self.counts.rows += 1;
        self.counts.refused += 1;
        for CellError { column, reason } in errors {
            self.keep(RowError { row, field: column, reason: reason.into_owned(), imported: false });
        }
    }

    /// Reports something about an accepted row.
    pub fn warn(&mut self, row: u64, CellError { column, reason }: CellError) {
        self.keep(RowError { row, field: column, reason: reason.into_owned(), imported: true });
    }

    fn keep(&mut self, error: RowError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
            self.counts.errors += 1;
        } else {
            self.counts.errors_beyond += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn add(report: &mut ChunkReport, row: u64, kind: u8) {
        match kind {
            0 => report.accept(Outcome::Created),
            1 => report.accept(Outcome::Updated),
            2 => report.accept(Outcome::Unchanged),
            _ => report.refuse(row, [CellError::new("MobileNumber", "bad"), CellError::new("", "worse")]),
        }
    }

    #[test]
    fn a_thousand_errors_are_kept_and_the_rest_counted() {
        let mut report = ChunkReport::default();
        for row in 2..802 {
            add(&mut report, row, 3);
        }
        let ImportCounts { rows, refused, errors, errors_beyond, .. } = report.counts;
        assert_eq!((rows, refused, errors, errors_beyond), (800, 800, 1000, 600));
        assert_eq!(report.errors.len(), 1000);
        assert_eq!(
            report.errors[0],
            RowError { row: 2, field: "MobileNumber".into(), reason: "bad".into(), imported: false }
        );
    }

    #[test]
    fn every_count_of_a_chunk_is_added_to_the_import() {
        let one = ImportCounts {
            rows: 10,
            created: 1,
            updated: 2,
            unchanged: 3,
            refused: 4,
            errors: 5,
            errors_beyond: 6,
        };
        let mut all = one;
        all += one;
        let twice = ImportCounts {
            rows: 20,
            created: 2,
            updated: 4,
            unchanged: 6,
            refused: 8,
            errors: 10,
            errors_beyond: 12,
        };
        assert_eq!(all, twice);
    }

    #[test]
    fn counts_are_stored_under_the_names_they_always_had() {
        let mut report = ChunkReport::default();
        add(&mut report, 2, 0);
        let json = serde_json::to_value(report.counts).unwrap();
        let expected = serde_json::json!({
            "rows": 1, "created": 1, "updated": 0, "unchanged": 0, "refused": 0, "errors": 0, "errors_beyond": 0,
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<ImportCounts>(json).unwrap(), report.counts);
    }

    proptest! {
        #[test]
        fn the_counts_of_chunks_add_up_to_the_whole(
            kinds in prop::collection::vec(0_u8..4, 0..1500),
            cut in any::<prop::sample::Index>(),
        ) {
            let report = |kinds: &[(u64, u8)]| {
                let mut report = ChunkReport::default();
                for (row, kind) in kinds {
                    add(&mut report, *row, *kind);
                }
                report
            };
            let kinds: Vec<(u64, u8)> = (2..).zip(kinds).collect();
            let (head, tail) = kinds.split_at(cut.index(kinds.len() + 1));
            let (whole, mut parts) = (report(&kinds).counts, report(head).counts);
            parts += report(tail).counts;
            prop_assert_eq!(whole.rows, whole.created + whole.updated + whole.unchanged + whole.refused);
            let total = |counts: &ImportCounts| counts.errors as u64 + counts.errors_beyond;
            prop_assert_eq!(total(&parts), total(&whole));
            let without_errors = |counts| ImportCounts { errors: 0, errors_beyond: 0, ..counts };
            prop_assert_eq!(without_errors(parts), without_errors(whole));
        }
    }
}
