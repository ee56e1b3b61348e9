//! Contact imports.

pub(crate) mod imports;

pub use self::imports::{ImportPage, ImportTurn, Imports, OBJECTS, object_key};
