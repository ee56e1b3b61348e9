//! Contact imports.

pub(crate) mod imports;

pub use self::imports::{ImportTurn, Imports, OBJECTS, object_key};
