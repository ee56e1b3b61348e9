//! The report of an import: counts, and why rows were refused.

use serde::{Deserialize, Serialize};

use super::row::RowError;

/// The most faults that a report keeps; more are only counted.
pub const MAX_ERRORS: usize = 1000;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A new contact.
    Created,
    /// A contact changed.
    Updated,
    /// Nothing new.
    Unchanged,
}

/// Why a row was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Counted from the header, which is row 1.
    pub row: u64,
    /// The column, or nothing.
    pub field: String,
    /// A sentence for people.
    pub reason: String,
}

/// The counts of an import, or of a part of one. `rows` is the sum of the four that follow it; the header and rows
/// without anything in them are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Rows read.
    pub rows: u64,
    /// New contacts.
    pub created: u64,
    /// Contacts that changed.
    pub updated: u64,
    /// Rows that said what was known.
    pub unchanged: u64,
    /// Rows refused.
    pub refused: u64,
    /// The first [`MAX_ERRORS`] faults, in the order of the rows.
    pub errors: Vec<Refusal>,
    /// How many faults there are beyond those.
    pub errors_beyond: u64,
}

impl Report {
    /// Counts a row that was taken.
    pub fn take(&mut self, outcome: Outcome) {
        self.rows += 1;
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Unchanged => self.unchanged += 1,
        }
    }

    /// Counts a row that was refused, once, with all its faults.
    pub fn refuse(&mut self, row: u64, faults: impl IntoIterator<Item = RowError>) {
        self.rows += 1;
        self.refused += 1;
        for RowError { field, reason } in faults {
            self.keep(Refusal { row, field, reason: reason.into_owned() });
        }
    }

    /// Adds the report of the part that follows.
    pub fn add(&mut self, next: Self) {
        self.rows += next.rows;
        self.created += next.created;
        self.updated += next.updated;
        self.unchanged += next.unchanged;
        self.refused += next.refused;
        self.errors_beyond += next.errors_beyond;
        next.errors.into_iter().for_each(|error| self.keep(error));
    }

    fn keep(&mut self, error: Refusal) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        } else {
            self.errors_beyond += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(row: u64, kind: u8) -> Report {
        let mut report = Report::default();
        match kind {
            0 => report.take(Outcome::Created),
            1 => report.take(Outcome::Updated),
            2 => report.take(Outcome::Unchanged),
            _ => report.refuse(row, [RowError::new("MobileNumber", "bad"), RowError::new("", "worse")]),
        }
        report
    }

    #[test]
    fn a_thousand_faults_are_kept_and_the_rest_counted() {
        let mut report = Report::default();
        for row in 2..802 {
            report.add(one(row, 3));
        }
        assert_eq!(
            (report.rows, report.refused, report.errors.len(), report.errors_beyond),
            (800, 800, 1000, 600)
        );
        assert_eq!(report.errors[0], Refusal { row: 2, field: "MobileNumber".into(), reason: "bad".into() });
    }

    #[test]
    fn faults_that_a_part_only_counted_are_counted_in_the_whole() {
        let beyond = |errors_beyond| Report { errors_beyond, ..Report::default() };
        let mut whole = beyond(2);
        whole.add(beyond(3));
        assert_eq!(whole, beyond(5));
    }

    #[test]
    fn it_is_written_as_the_api_says() {
        let json = serde_json::to_value(one(2, 0)).unwrap();
        assert_eq!(json["created"], 1);
        assert_eq!(json["errorsBeyond"], 0);
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), one(2, 0));
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(kinds in prop::collection::vec(0_u8..4, 0..1500), cut in any::<prop::sample::Index>()) {
            let whole = |kinds: &[(u64, u8)]| kinds.iter().fold(Report::default(), |mut all, (row, kind)| {
                all.add(one(*row, *kind));
                all
            });
            let kinds: Vec<(u64, u8)> = (2..).zip(kinds).collect();
            let (head, tail) = kinds.split_at(cut.index(kinds.len() + 1));
            let mut parts = whole(head);
            parts.add(whole(tail));
            let all = whole(&kinds);
            prop_assert_eq!(all.rows, all.created + all.updated + all.unchanged + all.refused);
            prop_assert_eq!(parts, all);
        }
    }
}
