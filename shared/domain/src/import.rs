//! Contacts from a spreadsheet: what its bytes and columns mean, what a row says, and what a row changes.
//!
//! Reading CSV is the function's; here come fields that are already split, one row at a time, so a file of any length
//! needs no more than one row of memory. `ContactId` (or `StudentId`), `FirstName`, `LastName` and `MobileNumber` are
//! required columns, `OptedOut` and `StaffId` optional ones, every other column is a custom field. Rows are matched to
//! contacts by contact id; nothing is deleted.

mod cell;
mod columns;
mod encoding;
mod plan;
mod report;
mod row;

pub use cell::{export_safe, import_cell};
pub use columns::{Columns, HeaderFault};
pub use encoding::{Detector, Encoding, NotText, decode, without_bom};
pub use plan::{Changes, Existing, Upsert, plan};
pub use report::{MOST_ERRORS, Outcome, Refusal, Report};
pub use row::{Row, RowFault, Staff};

/// The most custom fields that a file may bring.
pub const MOST_CUSTOM: usize = 30;
/// The longest name of a custom field, in characters.
pub const LONGEST_CUSTOM_NAME: usize = 60;
/// The longest value of a custom field, in characters.
pub const LONGEST_CUSTOM_VALUE: usize = 500;
/// The longest contact id, in bytes.
pub const LONGEST_EXTERNAL_ID: usize = 64;
/// The row that the header is.
pub const HEADER_ROW: u64 = 1;
