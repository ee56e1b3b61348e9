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
pub use columns::{Columns, HeaderError};
pub use encoding::{Detector, Encoding, NotText, decode, without_bom};
pub use plan::{Changes, Existing, Upsert, plan};
pub use report::{MAX_ERRORS, Outcome, Refusal, Report};
pub use row::{Row, RowError, Staff};

/// The most custom fields that a file may bring.
pub const MAX_CUSTOM_FIELDS: usize = 30;
/// The longest name of a custom field, in characters.
pub const MAX_CUSTOM_NAME_LENGTH: usize = 60;
/// The longest value of a custom field, in characters.
pub const MAX_CUSTOM_VALUE_LENGTH: usize = 500;
/// The longest contact id, in bytes.
pub const MAX_EXTERNAL_ID_LENGTH: usize = 64;
/// The row that the header is.
pub const HEADER_ROW: u64 = 1;
