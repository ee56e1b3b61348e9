//! Contact imports.

pub(crate) mod imports;

pub use self::imports::{ImportTurn, Imports, OBJECTS, OpenImport, object_key, objects_of};
