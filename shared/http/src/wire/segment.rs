//! Segments of contacts.

use serde::{Deserialize, Serialize};
use shared_domain::audience::{AudienceSegment, SegmentKind};
use utoipa::ToSchema;

use super::contact::ContactView;

/// Kind of a segment: `static` has the contacts that users put in, `filter` those that its filter matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KindOfSegment {
    Static,
    Filter,
}

/// A segment of the contacts of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SegmentView {
    /// ID of the segment.
    pub segment_id: String,
    /// Name.
    pub name: String,
    pub kind: KindOfSegment,
    /// The filter. Only for segments with a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub filter: Option<serde_json::Value>,
    /// Number of contacts when they were last counted, including those who opted out. A filter is counted
    /// when it is written.
    pub count: u64,
    /// Whether all contacts of the team were read for the count, at most 10,000 for a filter. If not, the
    /// segment may have more.
    pub complete: bool,
    /// Time of the count.
    #[schema(format = DateTime)]
    pub counted_at: String,
}

impl SegmentView {
    pub fn of(segment: &AudienceSegment) -> Self {
        let (kind, filter) = match &segment.kind {
            SegmentKind::Static => (KindOfSegment::Static, None),
            SegmentKind::Filter(filter) => (KindOfSegment::Filter, Some(filter.to_json())),
        };
        Self {
            segment_id: segment.id.to_string(),
            name: segment.name.clone(),
            kind,
            filter,
            count: segment.count,
            complete: segment.complete,
            counted_at: segment.counted_at.to_string(),
        }
    }
}

/// A segment to create.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSegment {
    /// 1 to 80 characters.
    pub name: String,
    pub kind: KindOfSegment,
    /// A tree of `{"all": […]}`, `{"any": […]}`, `{"not": …}` and `{"field", "op", "value"}`. Required if
    /// `kind` is `filter`.
    #[schema(value_type = Option<Object>)]
    pub filter: Option<serde_json::Value>,
}

/// Changes to a segment. Absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SegmentChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Replaces the filter. Not for static segments.
    #[schema(value_type = Option<Object>)]
    pub filter: Option<serde_json::Value>,
}

/// A filter to evaluate.
#[derive(Debug, Deserialize, ToSchema)]
pub struct FilterToPreview {
    /// A tree of `{"all": […]}`, `{"any": […]}`, `{"not": …}` and `{"field", "op", "value"}`.
    #[schema(value_type = Object)]
    pub filter: serde_json::Value,
}

/// What a filter matches.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// Number of contacts that match, including those that are excluded.
    pub count: u64,
    /// The first ten contacts that match.
    pub sample: Vec<ContactView>,
    /// How many of them would get no text from a broadcast, by reason.
    pub excluded: Vec<ExcludedView>,
    /// Whether all contacts of the team were read. A preview reads at most 10,000, and fewer if the filter
    /// asks for the messages of many inboxes or for several broadcasts.
    pub complete: bool,
}

/// A number of contacts that get no text.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExcludedView {
    #[schema(value_type = super::values::SkipReason)]
    pub reason: &'static str,
    /// Number of contacts.
    pub count: u64,
}

/// Contacts to put into a static segment, or to take out. At most 1,000 in total.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SegmentContacts {
    /// IDs of contacts.
    #[serde(default)]
    pub contact_ids: Vec<String>,
    /// Your own IDs of contacts.
    #[serde(default)]
    pub external_ids: Vec<String>,
    /// Phone numbers in any common format.
    #[serde(default)]
    pub phone_numbers: Vec<String>,
}

/// The result of putting contacts into a segment.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedContacts {
    /// Number of contacts that were not in the segment before.
    pub added: usize,
    /// IDs and numbers that no contact of the team has.
    pub missing: Vec<String>,
}

/// The result of taking contacts out of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedContacts {
    /// IDs and numbers that no contact of the team has.
    pub missing: Vec<String>,
}
