//! Keys of segments of contacts.

use shared_domain::{
    ids::{ContactId, OrganizationId, SegmentId},
    keys::TeamKey,
};

use super::{Key, team_partition};

pub fn segment(team: TeamKey<'_>, segment: &SegmentId) -> Key {
    Key::new(team_partition(team), segment.as_str())
}

/// Prefix of the segments in a team's partition.
pub const SEGMENTS: &str = "seg_";

/// Partition of the contacts of a static segment.
pub fn segment_partition(organization: &OrganizationId, segment: &SegmentId) -> String {
    format!("{organization}#{segment}")
}

/// Contact in a static segment.
pub fn segment_contact(organization: &OrganizationId, segment: &SegmentId, contact: &ContactId) -> Key {
    Key::new(segment_partition(organization, segment), contact.as_str())
}
