//! Memberships and roles: who may do what.
//!
//! Members of an inbox read its conversations and reply in them. For all other users the inbox does not
//! exist. Admins of the team and the owner of the organization manage the inbox, but read its conversations
//! only if they are members.
//!
//! ```
//! use shared_domain::membership::{Role, manages, may_assign_role};
//!
//! assert!(manages(false, Some(Role::Admin)));
//! assert!(may_assign_role(false, Some(Role::Admin), Role::Member));
//! assert!(!may_assign_role(false, Some(Role::Admin), Role::Admin));
//! ```

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, TeamId},
    inbox::InboxKind,
    user::UserRef,
};

/// The role of a user in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Manages the team's inboxes, members and registration.
    Admin,
    /// Works in the inboxes that an admin gave access to.
    Member,
}

impl Role {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// A team and a user's role in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct TeamRole {
    pub team: TeamId,
    pub role: Role,
    /// See [`may_broadcast`].
    pub can_broadcast: bool,
}

/// The right of a user to read an inbox and reply from it. The access check reads nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Membership {
    pub inbox: InboxId,
    /// The kind of the inbox. Personal inboxes have no lock.
    pub kind: InboxKind,
    /// The team that owns the inbox.
    pub team: TeamId,
    pub user: UserRef,
}

/// A user as a member of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct TeamMember {
    pub user: UserRef,
    /// The address for notifications.
    pub email: String,
    pub role: Role,
    /// See [`may_broadcast`].
    pub can_broadcast: bool,
}

/// Whether a user manages a team. The owner of the organization and the admins of the team do.
pub fn manages(owner: bool, role: Option<Role>) -> bool {
    owner || role == Some(Role::Admin)
}

/// Whether a user may send broadcasts from the inboxes of a team. Those who manage the team may, and members
/// to whom an admin gave the right.
pub fn may_broadcast(owner: bool, role: Option<Role>, can_broadcast: bool) -> bool {
    manages(owner, role) || (role.is_some() && can_broadcast)
}

/// Whether a user may assign or remove a role. Only the owner may do so for admins; admins may do so for
/// members.
pub fn may_assign_role(owner: bool, own: Option<Role>, given: Role) -> bool {
    match given {
        Role::Admin => owner,
        Role::Member => manages(owner, own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_assigns_admins() {
        assert!(may_assign_role(true, None, Role::Admin));
        assert!(!may_assign_role(false, Some(Role::Admin), Role::Admin));
        assert!(may_assign_role(false, Some(Role::Admin), Role::Member));
        assert!(!may_assign_role(false, Some(Role::Member), Role::Member));
        assert!(!manages(false, None));
    }

    #[test]
    fn only_the_owner_and_the_admins_of_a_team_manage_it() {
        assert!(
            manages(true, None) && manages(true, Some(Role::Member)) && manages(false, Some(Role::Admin))
        );
        assert!(!manages(false, None) && !manages(false, Some(Role::Member)));
        assert!(may_assign_role(true, None, Role::Member) && !may_assign_role(false, None, Role::Member));
    }

    #[test]
    fn members_broadcast_only_with_the_right_and_those_who_manage_the_team_always() {
        assert!(may_broadcast(true, None, false) && may_broadcast(false, Some(Role::Admin), false));
        assert!(may_broadcast(false, Some(Role::Member), true));
        assert!(!may_broadcast(false, Some(Role::Member), false) && !may_broadcast(false, None, true));
    }

    #[test]
    fn roles_have_the_names_of_the_api() {
        assert_eq!((Role::Admin.as_str(), Role::Member.as_str()), ("admin", "member"));
    }
}
