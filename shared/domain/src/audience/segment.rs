//! Stored segments: a named group of contacts of a team.

use super::Filter;
use crate::{field::FieldError, ids::SegmentId, settings, time::Timestamp};

/// Which contacts belong to a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentKind {
    /// The contacts that users put in.
    Static,
    /// The contacts that the filter matches, evaluated at each use.
    Filter(Filter),
}

impl SegmentKind {
    /// The name in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Filter(_) => "filter",
        }
    }
}

/// A segment of contacts of a team. The team is part of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct AudienceSegment {
    pub id: SegmentId,
    pub name: String,
    pub kind: SegmentKind,
    /// How many contacts belonged to it when they were last counted.
    pub count: u64,
    /// Whether all contacts of the team were read to count it. If not, it may have more.
    pub complete: bool,
    pub counted_at: Timestamp,
}

impl AudienceSegment {
    /// The name of a segment, as [other names](settings::name).
    ///
    /// # Errors
    /// [`FieldError`] at `/name`.
    pub fn parse_name(text: &str) -> Result<String, FieldError> {
        settings::name("/name", text)
    }
}
