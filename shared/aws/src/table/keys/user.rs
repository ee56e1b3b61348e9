//! Keys of users, with their roles and inboxes.

use shared_domain::ids::{InboxId, OrganizationId, TeamId, UserId};

use super::Key;

/// Partition of a user: the user, roles, inboxes.
pub fn user_partition(organization: &OrganizationId, user: &UserId) -> String {
    format!("{organization}#USER#{user}")
}

pub fn user(organization: &OrganizationId, user: &UserId) -> Key {
    Key::new(user_partition(organization, user), "USER")
}

/// Role of a user in a team.
pub fn user_team(organization: &OrganizationId, user: &UserId, team: &TeamId) -> Key {
    Key::new(user_partition(organization, user), team.as_str())
}

/// Membership in an inbox, in the user's partition.
pub fn user_inbox(organization: &OrganizationId, user: &UserId, inbox: &InboxId) -> Key {
    Key::new(user_partition(organization, user), inbox.as_str())
}
