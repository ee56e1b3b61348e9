//! Segments of contacts, and the contacts in static ones.

pub(crate) mod segments;

pub use self::segments::{SegmentWrite, Segments};
