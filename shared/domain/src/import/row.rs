//! A row: what it says of one contact.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    MAX_CUSTOM_VALUE_LENGTH, MAX_EXTERNAL_ID_LENGTH,
    cell::import_cell,
    columns::{Column, Columns},
};
use crate::{ids::UserId, phone::PhoneNumber, settings};

/// What the `StaffId` column says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staff {
    /// There is no such column: assignments stay.
    Absent,
    /// The cell is blank: nobody is assigned.
    Blank,
    /// This user is assigned.
    Is(UserId),
}

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The customer's own id of the contact.
    pub external_id: String,
    /// Given name; blank is none.
    pub first_name: Option<String>,
    /// Family name; blank is none.
    pub last_name: Option<String>,
    /// Where texts go.
    pub number: PhoneNumber,
    /// What `OptedOut` says; blank or no such column says nothing.
    pub opted_out: Option<bool>,
    /// Whom the contact is assigned to.
    pub staff: Staff,
    /// The custom fields of the file; a blank cell clears its field.
    pub custom: BTreeMap<String, Option<String>>,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The column as the file calls it; empty when it is about the whole row.
    pub field: String,
    /// A sentence for people.
    pub reason: Cow<'static, str>,
}

impl RowError {
    pub(super) fn new(field: &str, reason: &'static str) -> Self {
        Self { field: field.to_owned(), reason: Cow::Borrowed(reason) }
    }
}

/// What a cell breaks.
type Fault = &'static str;

const EXTERNAL_ID: Fault = "an id of 1 to 64 characters without control characters is expected";
const NAME: Fault = "at most 80 characters without control characters are expected";
const NUMBER: Fault = "not a phone number";
const SHORTENED: Fault = "the spreadsheet shortened this number: format the column as text, and save again";
const OPTED_OUT: Fault = "yes, true, y, 1, no, false, n, 0 or nothing is expected";
const VALUE: Fault = "at most 500 characters without control characters are expected";
const ENCODING: Fault = "holds characters that cannot be read: save the file as UTF-8";
const NAMELESS: Fault = "this column has no name";
pub(super) const NO_SUCH_USER: Fault = "no user with this id";

impl Columns {
    /// Whether nothing at all stands in a row, as at the end of many a spreadsheet: such rows are skipped.
    pub fn is_blank<'a>(fields: impl IntoIterator<Item = &'a str>) -> bool {
        fields.into_iter().all(|field| field.trim().is_empty())
    }

    /// Reads a row of the file.
    ///
    /// # Errors
    /// All [`RowError`]s, in the order of the columns.
    pub fn row(&self, fields: &[&str]) -> Result<Row, Vec<RowError>> {
        if fields.len() != self.count() {
            let reason = format!("{} columns instead of {}", fields.len(), self.count());
            return Err(vec![RowError { field: String::new(), reason: reason.into() }]);
        }
        let mut reading = Reading::default();
        let mut faults = Vec::new();
        for ((column, name), field) in self.all.iter().zip(&self.names).zip(fields) {
            if let Err(reason) = reading.take(column, import_cell(field.trim()).trim()) {
                faults.push(RowError::new(name, reason));
            }
        }
        match (reading.external_id, reading.number) {
            (Some(external_id), Some(number)) if faults.is_empty() => Ok(Row {
                external_id,
                number,
                first_name: reading.first_name,
                last_name: reading.last_name,
                opted_out: reading.opted_out,
                staff: reading.staff.unwrap_or(Staff::Absent),
                custom: reading.custom,
            }),
            _ => Err(faults),
        }
    }
}

#[derive(Default)]
struct Reading {
    external_id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    number: Option<PhoneNumber>,
    opted_out: Option<bool>,
    staff: Option<Staff>,
    custom: BTreeMap<String, Option<String>>,
}

impl Reading {
    fn take(&mut self, column: &Column, cell: &str) -> Result<(), Fault> {
        if cell.contains('\u{fffd}') {
            return Err(ENCODING);
        }
        match column {
            Column::ExternalId => self.external_id = Some(external_id(cell)?),
            Column::FirstName => self.first_name = name(cell)?,
            Column::LastName => self.last_name = name(cell)?,
            Column::MobileNumber => self.number = Some(number(cell)?),
            Column::OptedOut => self.opted_out = opted_out(cell)?,
            Column::Staff => self.staff = Some(staff(cell)?),
            Column::Custom(name) => {
                self.custom.insert(name.clone(), value(cell)?);
            }
            Column::Nameless if cell.is_empty() => {}
            Column::Nameless => return Err(NAMELESS),
        }
        Ok(())
    }
}

fn external_id(cell: &str) -> Result<String, Fault> {
    let fits = (1..=MAX_EXTERNAL_ID_LENGTH).contains(&cell.len()) && !cell.contains(char::is_control);
    fits.then(|| cell.to_owned()).ok_or(EXTERNAL_ID)
}

fn name(cell: &str) -> Result<Option<String>, Fault> {
    if cell.is_empty() { Ok(None) } else { settings::name(cell).map(Some).map_err(|_| NAME) }
}

/// `2.0256E+09` is what a spreadsheet makes of a long number in a narrow column: its digits are lost.
fn number(cell: &str) -> Result<PhoneNumber, Fault> {
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'+');
    match cell.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if digits(mantissa) && digits(exponent) => Err(SHORTENED),
        _ if cell.contains(char::is_alphabetic) => Err(NUMBER), // an extension cannot be texted
        _ => PhoneNumber::parse(cell).map_err(|_| NUMBER),
    }
}

fn opted_out(cell: &str) -> Result<Option<bool>, Fault> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "yes" | "true" | "y" | "1" => Ok(Some(true)),
        "no" | "false" | "n" | "0" => Ok(Some(false)),
        _ => Err(OPTED_OUT),
    }
}

fn staff(cell: &str) -> Result<Staff, Fault> {
    if cell.is_empty() {
        Ok(Staff::Blank)
    } else {
        UserId::parse(cell).map(Staff::Is).map_err(|_| NO_SUCH_USER)
    }
}

/// Line breaks and tabs, which cells with notes hold, become spaces.
fn value(cell: &str) -> Result<Option<String>, Fault> {
    let line = cell.replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
    let fits = line.chars().count() <= MAX_CUSTOM_VALUE_LENGTH && !line.contains(char::is_control);
    if line.is_empty() { Ok(None) } else { fits.then_some(Some(line)).ok_or(VALUE) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns() -> Columns {
        Columns::parse([
            "ContactId",
            "FirstName",
            "LastName",
            "MobileNumber",
            "OptedOut",
            "StaffId",
            "Bus",
            "",
        ])
        .unwrap()
    }

    fn row(fields: [&str; 8]) -> Result<Row, Vec<RowError>> {
        columns().row(&fields)
    }

    const ADA: [&str; 8] = [" S-7 ", "Ada", " Lovelace", "(202) 555-0143", "", "", "", ""];

    #[test]
    fn a_row_says_what_its_cells_say() {
        let read = row(["S-7", "Ada", "", "'+1 202 555 0143", "Yes", "ben", "B 12", " "]).unwrap();
        assert_eq!(read.external_id, "S-7");
        assert_eq!((read.first_name.as_deref(), read.last_name), (Some("Ada"), None));
        assert_eq!(read.number.as_str(), "+12025550143");
        assert_eq!(read.opted_out, Some(true));
        assert_eq!(read.staff, Staff::Is(UserId::parse("ben").unwrap()));
        assert_eq!(read.custom["Bus"].as_deref(), Some("B 12"));
        let read = row(ADA).unwrap();
        assert_eq!((read.external_id.as_str(), read.last_name.as_deref()), ("S-7", Some("Lovelace")));
        assert_eq!((read.opted_out, read.staff, &read.custom["Bus"]), (None, Staff::Blank, &None));
    }

    #[test]
    fn a_missing_column_is_not_a_blank_one() {
        let columns = Columns::parse(["LastName", "FirstName", "StudentId", "mobile_number"]).unwrap();
        let read = columns.row(&["Lovelace", "Ada", "S-7", "2025550143"]).unwrap();
        assert_eq!((read.staff, read.opted_out, read.custom.len()), (Staff::Absent, None, 0));
    }

    #[test]
    fn opted_out_is_read_in_its_notations() {
        for (cell, expected) in [
            ("YES", Some(true)),
            ("true", Some(true)),
            ("Y", Some(true)),
            ("1", Some(true)),
            ("No", Some(false)),
            ("FALSE", Some(false)),
            ("n", Some(false)),
            ("0", Some(false)),
            (" ", None),
        ] {
            assert_eq!(opted_out(cell.trim()), Ok(expected), "{cell}");
        }
        for bad in ["maybe", "2", "opted out", "x"] {
            assert_eq!(opted_out(bad), Err(OPTED_OUT));
        }
    }

    #[test]
    fn every_fault_of_a_row_is_told() {
        let long = "x".repeat(501);
        let faults = row(["", &long[..81], "a\u{7}b", "555-0143", "maybe", "no such#user", &long, "lost"])
            .unwrap_err();
        let told: Vec<_> = faults.iter().map(|fault| (fault.field.as_str(), fault.reason.as_ref())).collect();
        let all = [
            ("ContactId", EXTERNAL_ID),
            ("FirstName", NAME),
            ("LastName", NAME),
            ("MobileNumber", NUMBER),
            ("OptedOut", OPTED_OUT),
            ("StaffId", NO_SUCH_USER),
            ("Bus", VALUE),
            ("", NAMELESS),
        ];
        assert_eq!(told, all);
    }

    #[test]
    fn too_many_or_too_few_columns_are_told_with_their_count() {
        let faults = columns().row(&ADA[..7]).unwrap_err();
        assert_eq!((faults[0].field.as_str(), faults[0].reason.as_ref()), ("", "7 columns instead of 8"));
        assert!(columns().row(&[ADA.as_slice(), &[""]].concat()).is_err());
        assert!(Columns::is_blank(["", " ", "\u{a0}"]) && !Columns::is_blank(["", "x"]));
    }

    #[test]
    fn what_a_spreadsheet_made_of_a_number_is_no_number() {
        for bad in ["2.02556E+09", "2.0255501E+09", "1.2025550143e10", "2025550143E0"] {
            assert_eq!(number(bad), Err(SHORTENED), "{bad}");
        }
        for bad in
            ["", "none", "202-555-0143 ext 5", "202-555-0143x5", "555-0143", "72975", "2025550143e", "E5"]
        {
            assert_eq!(number(bad), Err(NUMBER), "{bad}");
        }
    }

    #[test]
    fn what_could_not_be_decoded_is_refused() {
        let faults = row(["S-7", "Ad\u{fffd}", "", "2025550143", "", "", "", ""]).unwrap_err();
        assert_eq!(faults, [RowError::new("FirstName", ENCODING)]);
    }

    #[test]
    fn a_note_of_several_lines_becomes_one() {
        assert_eq!(value("a\r\nb\nc\td"), Ok(Some("a b c d".into())));
        assert_eq!(value("bell\u{7}"), Err(VALUE));
        assert_eq!(value(&"ü".repeat(500)), Ok(Some("ü".repeat(500))));
    }

    proptest! {
        #[test]
        fn any_cells_make_a_row_or_faults(cells in prop::collection::vec(".{0,90}", 8)) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            match columns().row(&cells) {
                Ok(row) => prop_assert!(!row.external_id.is_empty()),
                Err(faults) => prop_assert!(!faults.is_empty()),
            }
        }
    }
}
