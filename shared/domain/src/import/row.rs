//! A row of the file: what it says about one contact.
//!
//! Cells are read leniently where the meaning is clear (`Yes`, `y`, `1`; any notation of a phone number) and
//! refused with a reason where it is not. All errors of a row are reported at once.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    MAX_CUSTOM_VALUE_LENGTH, MAX_EXTERNAL_ID_LENGTH,
    cell::{import_cell, without_marks, without_text_formula},
    columns::{Column, Columns},
};
use crate::{
    contact,
    ids::UserId,
    phone::{EXTENSION, PhoneNumber, PhoneNumberError},
    settings,
    tag::Tags,
    text,
};

/// What the `StaffId` column says about the assigned user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staff {
    /// The file has no such column: the assignment stays.
    Absent,
    /// The cell is blank: the assignment is cleared.
    Blank,
    /// This user is assigned.
    Is(UserId),
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The customer's own id of the contact.
    pub external_id: String,
    /// Other [forms](text::stored_forms) in which the id may be stored.
    pub other_ids: Vec<String>,
    /// `None` if blank.
    pub first_name: Option<String>,
    /// `None` if blank.
    pub last_name: Option<String>,
    /// The contact's number.
    pub number: PhoneNumber,
    /// `None` if the cell is blank or the file has no such column.
    pub opted_out: Option<bool>,
    /// The assigned user.
    pub staff: Staff,
    /// Tags to add. Empty if the cell is blank or the file has no such column.
    pub tags: Tags,
    /// Custom fields by name. `None` is a blank cell, which clears the field.
    pub custom: BTreeMap<String, Option<String>>,
}

impl Row {
    /// The ids under which the contact may be stored, the one for new contacts first.
    pub fn stored_ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.external_id).chain(&self.other_ids).map(String::as_str)
    }
}

/// Why a cell, and with it its row, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// The column as named in the file; empty if the error concerns the whole row.
    pub column: String,
    /// A sentence for the user.
    pub reason: Cow<'static, str>,
}

impl CellError {
    /// An error in this column.
    pub fn new(column: &str, reason: &'static str) -> Self {
        Self { column: column.to_owned(), reason: Cow::Borrowed(reason) }
    }
}

type Reason = &'static str;

const EXTERNAL_ID: Reason = "expected an id of 1 to 64 characters without control characters";
const NAME: Reason = "expected at most 80 characters without control characters";
const NUMBER: Reason = "not a phone number";
const SHORTENED: Reason =
    "the spreadsheet shortened this number: format the column as text and save the file again";
const FORMULA_ERROR: Reason =
    "the spreadsheet shows an error in this cell: correct the cell and save the file again";
const OPTED_OUT: Reason = "expected yes, true, y, 1, no, false, n, 0, or a blank cell";
const VALUE: Reason = "expected at most 500 characters without control characters";
const ENCODING: Reason = "contains unreadable characters: save the file as UTF-8";
const UNNAMED: Reason = "this cell has a value, but its column has no name";
const NO_SUCH_USER: Reason = "no user with this id";

impl Columns {
    /// Whether all fields of a row are blank, as in the last rows of many spreadsheets. Such rows are
    /// skipped.
    pub fn is_blank<'a>(fields: impl IntoIterator<Item = &'a str>) -> bool {
        !fields.into_iter().any(text::is_visible)
    }

    /// Reports that an earlier row has the contact id of a row, with another name or number.
    pub fn repeated_id(&self, earlier: u64) -> CellError {
        let place = self.all.iter().position(|column| *column == Column::ExternalId);
        let column = place.map(|place| self.names[place].clone()).unwrap_or_default();
        let reason =
            format!("row {earlier} has this contact ID with another name or number: the last row applies");
        CellError { column, reason: reason.into() }
    }

    /// Reads a row of the file. Missing cells are blank, but a missing `StaffId` leaves the assignment as it
    /// is. Blank cells beyond the columns are ignored.
    ///
    /// # Errors
    /// Every [`CellError`], in the order of the columns.
    pub fn row(&self, fields: &[&str]) -> Result<Row, Vec<CellError>> {
        if fields.iter().skip(self.count()).any(|field| text::is_visible(field)) {
            let reason = format!("expected {} columns, found {}", self.count(), fields.len());
            return Err(vec![CellError { column: String::new(), reason: reason.into() }]);
        }
        let mut cells = Cells::default();
        let mut errors = Vec::new();
        for (index, (column, name)) in self.all.iter().zip(&self.names).enumerate() {
            let Some(field) = fields.get(index) else {
                if *column != Column::Staff
                    && let Err(reason) = cells.read(column, "")
                {
                    errors.push(CellError::new(name, reason));
                }
                continue;
            };
            let field = field.trim();
            let cell = if field.starts_with('\'') { import_cell(field) } else { without_text_formula(field) };
            if let Err(reason) = cells.read(column, cell.trim()) {
                errors.push(CellError::new(name, reason));
            }
        }
        match (cells.external_id, cells.number) {
            (Some(external_id), Some(number)) if errors.is_empty() => Ok(Row {
                external_id,
                other_ids: cells.other_ids,
                number,
                first_name: cells.first_name,
                last_name: cells.last_name,
                opted_out: cells.opted_out,
                staff: cells.staff.unwrap_or(Staff::Absent),
                tags: cells.tags,
                custom: cells.custom,
            }),
            _ => Err(errors),
        }
    }
}

#[derive(Default)]
struct Cells {
    external_id: Option<String>,
    other_ids: Vec<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    number: Option<PhoneNumber>,
    opted_out: Option<bool>,
    staff: Option<Staff>,
    tags: Tags,
    custom: BTreeMap<String, Option<String>>,
}

impl Cells {
    fn read(&mut self, column: &Column, cell: &str) -> Result<(), Reason> {
        if cell.contains('\u{fffd}') {
            return Err(ENCODING);
        }
        let entered = cell;
        let clean;
        let cell = match column {
            Column::FirstName | Column::LastName | Column::Tags | Column::Custom(_) | Column::Unnamed => cell,
            Column::ExternalId | Column::MobileNumber | Column::OptedOut | Column::Staff => {
                clean = text::clean(cell);
                without_marks(without_text_formula(clean.trim()))
            }
        };
        if let Some(reason) = damage(cell) {
            return Err(reason);
        }
        match column {
            Column::ExternalId => {
                let id = contact::external_id(cell).ok_or(EXTERNAL_ID)?;
                self.other_ids = other_ids(&id, entered);
                self.external_id = Some(id);
            }
            Column::FirstName => self.first_name = name(cell)?,
            Column::LastName => self.last_name = name(cell)?,
            Column::MobileNumber => self.number = Some(number(cell)?),
            Column::OptedOut => self.opted_out = opted_out(cell)?,
            Column::Staff => self.staff = Some(staff(cell)?),
            Column::Tags => self.tags = Tags::from_cell(cell)?,
            Column::Custom(name) => {
                self.custom.insert(name.clone(), value(cell)?);
            }
            Column::Unnamed if text::trim(cell).is_empty() => {}
            Column::Unnamed => return Err(UNNAMED),
        }
        Ok(())
    }
}

/// The forms other than `id` in which an id may be stored that was `entered` in the file.
fn other_ids(id: &str, entered: &str) -> Vec<String> {
    let mut forms = text::stored_forms(id);
    forms.extend(text::stored_forms(entered));
    let mut other: Vec<String> = Vec::new();
    for form in forms {
        if form != id && !other.contains(&form) && (1..=MAX_EXTERNAL_ID_LENGTH).contains(&form.len()) {
            other.push(form);
        }
    }
    other
}

/// Errors that spreadsheets write in place of a value.
const FORMULA_ERRORS: [&str; 10] =
    ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#ERROR!"];

/// Why the value of a cell is lost, or `None`. Spreadsheets write a long number in a narrow column as
/// `2.0256E+09`, always with the sign of the exponent.
fn damage(cell: &str) -> Option<Reason> {
    let is_shortened = || {
        let (mantissa, exponent) = cell.split_once(['e', 'E'])?;
        let exponent = exponent.strip_prefix(['+', '-'])?;
        let digits = |part: &str, marks: &[u8]| {
            part.starts_with(|c: char| c.is_ascii_digit())
                && part.bytes().all(|b| b.is_ascii_digit() || marks.contains(&b))
        };
        let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
        (digits(mantissa, b".,") && digits(exponent, b"")).then_some(())
    };
    if FORMULA_ERRORS.contains(&cell) { Some(FORMULA_ERROR) } else { is_shortened().map(|()| SHORTENED) }
}

fn name(cell: &str) -> Result<Option<String>, Reason> {
    if text::trim(cell).is_empty() { Ok(None) } else { settings::name("", cell).map(Some).map_err(|_| NAME) }
}

/// In this column, an exponent without a sign is a shortened number too.
fn number(cell: &str) -> Result<PhoneNumber, Reason> {
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'+');
    match cell.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if digits(mantissa) && digits(exponent) => Err(SHORTENED),
        _ => match PhoneNumber::parse(cell) {
            Err(PhoneNumberError::Extension) => Err(EXTENSION),
            Ok(number) if !cell.contains(char::is_alphabetic) => Ok(number),
            _ => Err(NUMBER),
        },
    }
}

fn opted_out(cell: &str) -> Result<Option<bool>, Reason> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "yes" | "true" | "y" | "1" | "opted out" | "opted-out" | "optedout" | "unsubscribed" => {
            Ok(Some(true))
        }
        "no" | "false" | "n" | "0" | "opted in" | "opted-in" | "optedin" | "subscribed" => Ok(Some(false)),
        _ => Err(OPTED_OUT),
    }
}

fn staff(cell: &str) -> Result<Staff, Reason> {
    if cell.is_empty() {
        Ok(Staff::Blank)
    } else {
        UserId::parse(cell).map(Staff::Is).map_err(|_| NO_SUCH_USER)
    }
}

/// Line breaks and tabs, as in cells with notes, become spaces.
fn value(cell: &str) -> Result<Option<String>, Reason> {
    let line = text::trim(cell).replace("\r\n", " ").replace(['\n', '\r', '\t'], " ");
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

    fn row(fields: [&str; 8]) -> Result<Row, Vec<CellError>> {
        columns().row(&fields)
    }

    const ADA: [&str; 8] = [" S-7 ", "Ada", " Lovelace", "(202) 555-0143", "", "", "", ""];

    #[test]
    fn a_row_is_read_from_its_cells() {
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
    fn a_missing_column_differs_from_a_blank_cell() {
        let columns = Columns::parse(["LastName", "FirstName", "StudentId", "mobile_number"]).unwrap();
        let read = columns.row(&["Lovelace", "Ada", "S-7", "2025550143"]).unwrap();
        assert_eq!((read.staff, read.opted_out, read.custom.len()), (Staff::Absent, None, 0));
    }

    #[test]
    fn opted_out_is_read_in_all_its_notations() {
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
        for (cell, expected) in [
            ("opted out", true),
            ("Opted-Out", true),
            ("unsubscribed", true),
            ("1.0", true),
            ("0.0", false),
            ("opted in", false),
            ("Subscribed", false),
        ] {
            let cells = ["S-7", "Ada", "", "2025550143", cell, "", "", ""];
            assert_eq!(row(cells).map(|row| row.opted_out), Ok(Some(expected)), "{cell}");
        }
        for bad in ["maybe", "2", "x"] {
            assert_eq!(opted_out(bad), Err(OPTED_OUT));
        }
    }

    #[test]
    fn all_errors_of_a_row_are_reported_in_the_order_of_the_columns() {
        let long = "x".repeat(501);
        let errors = row(["", &long[..81], "a\u{7}b", "555-0143", "maybe", "no such#user", &long, "lost"])
            .unwrap_err();
        let reported: Vec<_> =
            errors.iter().map(|error| (error.column.as_str(), error.reason.as_ref())).collect();
        let all = [
            ("ContactId", EXTERNAL_ID),
            ("FirstName", NAME),
            ("LastName", NAME),
            ("MobileNumber", NUMBER),
            ("OptedOut", OPTED_OUT),
            ("StaffId", NO_SUCH_USER),
            ("Bus", VALUE),
            ("", UNNAMED),
        ];
        assert_eq!(reported, all);
    }

    #[test]
    fn a_row_with_a_value_beyond_the_columns_is_refused_with_both_counts() {
        let errors = columns().row(&[ADA.as_slice(), &["", "x"]].concat()).unwrap_err();
        assert_eq!(
            (errors[0].column.as_str(), errors[0].reason.as_ref()),
            ("", "expected 8 columns, found 10")
        );
        assert!(Columns::is_blank(["", " ", "\u{a0}"]) && !Columns::is_blank(["", "x"]));
    }

    #[test]
    fn surplus_blank_cells_are_ignored_and_missing_cells_are_blank() {
        let full = columns().row(&ADA).unwrap();
        assert_eq!(columns().row(&[ADA.as_slice(), &["", " ", "\u{feff}"]].concat()), Ok(full.clone()));
        assert_eq!(columns().row(&ADA[..7]), Ok(full.clone()));
        let short = columns().row(&ADA[..4]).unwrap();
        assert_eq!((short.opted_out, &short.custom["Bus"]), (None, &None));
        assert_eq!(short.staff, Staff::Absent, "a missing cell leaves the assignment as it is");
        let errors = columns().row(&ADA[..2]).unwrap_err();
        assert_eq!(errors, [CellError::new("MobileNumber", NUMBER)]);
    }

    #[test]
    fn marks_that_spreadsheets_add_are_no_part_of_numbers_and_ids() {
        for (id, number) in [
            ("'1007", "'2025550143"),
            ("=\"1007\"", "=\"2025550143\""),
            ("1007.0", "2025550143.0"),
            ("'1007.0", "12025550143.0"),
            ("\u{200b}'1007", "\u{202a}'2025550143\u{202c}"),
        ] {
            let read = row([id, "'t Hooft", "=\"Lee\"", number, "'yes", "'ben", "=\"B 1.0\"", ""]).unwrap();
            assert_eq!(
                (read.external_id.as_str(), read.number.as_str()),
                ("1007", "+12025550143"),
                "{id} {number}"
            );
            assert_eq!(
                (read.first_name.as_deref(), read.last_name.as_deref()),
                (Some("'t Hooft"), Some("Lee"))
            );
            assert_eq!((read.opted_out, read.custom["Bus"].as_deref()), (Some(true), Some("B 1.0")));
            assert_eq!(read.staff, Staff::Is(UserId::parse("ben").unwrap()));
        }
        let read = row(["'1007", "", "", "2025550143", "", "", "", ""]).unwrap();
        assert!(read.stored_ids().any(|id| id == "'1007"), "an id that was stored with the mark is found");
        assert_eq!(row(["S-1.0", "", "", "2025550143", "", "", "", ""]).unwrap().external_id, "S-1.0");
    }

    #[test]
    fn a_cell_that_a_spreadsheet_damaged_is_refused_in_every_column() {
        for (bad, reason) in [
            ("1.23457E+11", SHORTENED),
            ("1,23457E+11", SHORTENED),
            ("2E+10", SHORTENED),
            ("#N/A", FORMULA_ERROR),
            ("#REF!", FORMULA_ERROR),
            ("#VALUE!", FORMULA_ERROR),
            ("#NAME?", FORMULA_ERROR),
            ("#DIV/0!", FORMULA_ERROR),
        ] {
            let errors = row([bad, bad, bad, bad, bad, bad, bad, ""]).unwrap_err();
            let reasons: Vec<_> = errors.iter().map(|error| error.reason.as_ref()).collect();
            assert_eq!(reasons, [reason; 7], "{bad}");
        }
        for kept in ["12E4", "#7", "E+11", "#N/A until May", "1E"] {
            let read = row([kept, kept, "", "2025550143", "", "", kept, ""]).unwrap();
            assert_eq!((read.external_id.as_str(), read.custom["Bus"].as_deref()), (kept, Some(kept)));
        }
    }

    #[test]
    fn invisible_characters_in_cells_are_ignored() {
        let read = row([
            "\u{200b}S-7",
            "Ada",
            "\u{feff}",
            "\u{202a}2025550143\u{202c}",
            "\u{feff}yes",
            "\u{200b}ben",
            "\u{200b}",
            "\u{200b}",
        ])
        .unwrap();
        assert_eq!((read.external_id.as_str(), read.opted_out, read.last_name), ("S-7", Some(true), None));
        assert_eq!((read.staff, &read.custom["Bus"]), (Staff::Is(UserId::parse("ben").unwrap()), &None));
        assert!(Columns::is_blank(["\u{feff}", "\u{200b} "]));
    }

    #[test]
    fn a_number_that_a_spreadsheet_shortened_is_refused_with_that_reason() {
        for bad in ["2.02556E+09", "2.0255501E+09", "1.2025550143e10", "2025550143E0"] {
            assert_eq!(number(bad), Err(SHORTENED), "{bad}");
        }
        for bad in ["", "none", "555-0143", "72975", "2025550143e", "E5", "1-800-FLOWERS"] {
            assert_eq!(number(bad), Err(NUMBER), "{bad}");
        }
        for bad in ["202-555-0143 ext 5", "202-555-0143x5"] {
            assert_eq!(number(bad), Err(EXTENSION), "{bad}");
        }
    }

    #[test]
    fn a_cell_that_could_not_be_decoded_is_refused() {
        let errors = row(["S-7", "Ad\u{fffd}", "", "2025550143", "", "", "", ""]).unwrap_err();
        assert_eq!(errors, [CellError::new("FirstName", ENCODING)]);
    }

    #[test]
    fn a_note_of_several_lines_becomes_one_line() {
        assert_eq!(value("a\r\nb\nc\td"), Ok(Some("a b c d".into())));
        assert_eq!(value("bell\u{7}"), Err(VALUE));
        assert_eq!(value(&"ü".repeat(500)), Ok(Some("ü".repeat(500))));
    }

    proptest! {
        #[test]
        fn any_cells_give_a_row_or_errors(cells in prop::collection::vec(".{0,90}", 8)) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            match columns().row(&cells) {
                Ok(row) => prop_assert!(!row.external_id.is_empty()),
                Err(errors) => prop_assert!(!errors.is_empty()),
            }
        }
    }
}
