//! Keys of the pace of a number and of sending pauses.

use shared_domain::{ids::OrganizationId, keys::InboxKey};

use super::{Key, inbox_partition};

pub fn pace(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "PACE")
}

/// Partition of the sending states of all organizations.
pub const SENDING: &str = "SENDING";

/// Sending state of an organization.
pub fn sending(organization: &OrganizationId) -> Key {
    Key::new(SENDING, organization.as_str())
}
