//! Optimistic concurrency: a write requires the version that its caller read.

/// A value with the version of its item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versioned<T> {
    pub value: T,
    /// Grows with each change. 0 for an item that was never written with a version.
    pub version: u64,
}
