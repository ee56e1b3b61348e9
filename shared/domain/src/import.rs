//! Contact imports from a spreadsheet: encoding, columns, rows, what a row changes, and the state of the
//! whole import.
//!
//! The worker reads CSV and passes fields that are already split, one row at a time, so that a file of any
//! length needs the memory of one chunk. `ContactId` (or `StudentId`), `FirstName`, `LastName` and
//! `MobileNumber` are required columns, `OptedOut`, `StaffId` and `Tags` are optional, and every other column
//! is a custom field. Rows are matched to contacts by contact id. An import deletes no contact.
//!
//! ```
//! use shared_domain::import::{Columns, Upsert, plan};
//!
//! let columns = Columns::parse(["ContactId", "First Name", "Last Name", "Mobile Number"]).unwrap();
//! let row = columns.row(&["S-7", "Ada", "Lovelace", "(202) 555-0143"]).unwrap();
//! assert_eq!(row.number.as_str(), "+12025550143");
//! assert!(matches!(plan(None, &row, None), Upsert::Create(_)));
//! ```

mod cell;
mod columns;
mod encoding;
mod plan;
mod progress;
mod report;
mod row;
mod separator;

pub use cell::{export_safe, import_cell};
pub use columns::{Columns, HeaderError};
pub use encoding::{Detector, Encoding, NotText, decode, without_bom};
pub use plan::{Changes, Existing, TOO_MANY_TAGS, Upsert, plan, unassigned};
pub use progress::{
    FilePosition, Import, ImportFile, ImportOptions, ImportStatus, PendingChunk, ReleasedNumber,
};
pub use report::{ChunkReport, ImportCounts, MAX_ERRORS, Outcome, RowError};
pub use row::{CellError, Row, Staff};
pub use separator::{Layout, Separator};

/// How many custom fields a file may have.
pub const MAX_CUSTOM_FIELDS: usize = 30;
/// The maximum length of a custom field's name, in characters.
pub const MAX_CUSTOM_NAME_LENGTH: usize = 60;
/// The maximum length of a custom field's value, in characters.
pub const MAX_CUSTOM_VALUE_LENGTH: usize = 500;
/// The maximum length of a contact id, in bytes.
pub const MAX_EXTERNAL_ID_LENGTH: usize = 64;
/// The row number of the header.
pub const HEADER_ROW: u64 = 1;
