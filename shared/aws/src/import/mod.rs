//! Contact imports.

pub(crate) mod imports;

pub use self::imports::{
    FilePosition, Import, ImportCounts, ImportFile, ImportPage, ImportStatus, ImportTurn, Imports, OBJECTS,
    PendingChunk, ReleasedNumber,
};
