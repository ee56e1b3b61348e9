//! Contact IDs that occur again in a file with another name or number. Such rows are probably different
//! people with the same ID. Without a warning, only the last of them would be kept.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use shared_domain::import::Row;

/// The contact ids of the rows that were read.
#[derive(Debug, Default)]
pub(crate) struct SeenIds(HashMap<String, SeenRow>);

/// The last row with a contact id.
#[derive(Debug, Clone, Copy)]
struct SeenRow {
    number: u64,
    /// Of the name and the number.
    digest: u64,
}

impl SeenIds {
    /// Adds a row. Returns the number of the last row with its contact id if that row has another name or
    /// number.
    pub(crate) fn add(&mut self, number: u64, row: &Row) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (&row.first_name, &row.last_name, &row.number).hash(&mut hasher);
        let digest = hasher.finish();
        let last = self.0.insert(row.external_id.clone(), SeenRow { number, digest })?;
        (last.digest != digest).then_some(last.number)
    }
}

#[cfg(test)]
mod tests {
    use shared_domain::import::Columns;

    use super::*;

    #[test]
    fn an_id_with_another_name_or_number_names_the_row_before_it() {
        let columns = Columns::parse(["ContactId", "FirstName", "LastName", "MobileNumber", "Bus"]).unwrap();
        let mut seen = SeenIds::default();
        let mut add = |number, cells: [&str; 5]| seen.add(number, &columns.row(&cells).unwrap());
        assert_eq!(add(2, ["S-1", "Ada", "King", "2025550141", "1"]), None);
        assert_eq!(add(3, ["S-2", "Bo", "King", "2025550141", "1"]), None, "another id");
        assert_eq!(add(4, ["S-1", "Ada", "King", "(202) 555-0141", "2"]), None, "the same person");
        assert_eq!(add(5, ["S-1", "Ada", "Byron", "2025550141", ""]), Some(4));
        assert_eq!(add(6, ["\u{200b}S-1", "Ada", "Byron", "2025550142", ""]), Some(5));
    }
}
