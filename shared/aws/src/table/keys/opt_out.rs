//! Keys of opt-outs, their ledgers, and the reviews of messages that may be opt-outs.

use shared_domain::{
    ids::{ContactId, OrganizationId, ReviewId},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{Key, digest, inbox_partition, team_partition};

/// Opt-out state of a number. `scope` is a team's id, `ORGANIZATION` or `PERSONAL`. The digest differs in
/// each organization and scope.
pub fn opt_out(organization: &OrganizationId, scope: &str, number: &PhoneNumber) -> Key {
    let digest = digest([organization.as_str(), scope, number.as_str()]);
    Key::new(format!("{organization}#OPTOUT#{scope}#{digest}"), "STATE")
}

/// Partition of a contact's ledger.
pub fn contact_partition(organization: &OrganizationId, contact: &ContactId) -> String {
    format!("{organization}#{contact}")
}

/// Prefix of the opt-out changes in the partitions of a team and of a contact.
pub const OPT_OUTS: &str = "OUT#";

/// Prefix of the opt-out changes at a time.
pub fn opt_outs_at(at: Timestamp) -> String {
    format!("{OPT_OUTS}{:013}", at.millis())
}

/// Sort key after all opt-out changes.
pub fn opt_outs_end() -> String {
    "OUT$".into()
}

/// Entry of a team's opt-out ledger.
pub fn opt_out_of_team(team: TeamKey<'_>, at: Timestamp, contact: &ContactId) -> Key {
    Key::new(team_partition(team), format!("{}#{contact}", opt_outs_at(at)))
}

/// Entry of a contact's opt-out ledger.
pub fn opt_out_of_contact(organization: &OrganizationId, contact: &ContactId, at: Timestamp) -> Key {
    Key::new(contact_partition(organization, contact), opt_outs_at(at))
}

/// Prefix of all reviews in an inbox's partition.
pub const REVIEWS: &str = "REVIEW#";

/// Prefix of the open reviews in an inbox's partition.
pub const OPEN_REVIEWS: &str = "REVIEW#OPEN#";

pub fn open_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("{OPEN_REVIEWS}{review}"))
}

/// Prefix of the resolved reviews in an inbox's partition.
pub const RESOLVED_REVIEWS: &str = "REVIEW#DONE#";

/// Sort key before all resolved reviews of messages that were received at `at` or later.
pub fn resolved_reviews_until(at: Timestamp) -> String {
    format!("{RESOLVED_REVIEWS}{}", ReviewId::new(at, 0))
}

pub fn resolved_review(inbox: InboxKey<'_>, review: &ReviewId) -> Key {
    Key::new(inbox_partition(inbox), format!("{RESOLVED_REVIEWS}{review}"))
}
