//! Who may do what. Members of an inbox read and answer there; to everybody else it does not exist. Admins of its team
//! and the organization's owner manage it, and read its conversations only as members.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{InboxId, TeamId},
    inbox::InboxKind,
    user::UserRef,
};

/// What a user is in one team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Manages the team's inboxes, members and registration.
    Admin,
    /// Works in the inboxes that admins give.
    Member,
}

impl Role {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// A user's place in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRole {
    /// The team.
    pub team: TeamId,
    /// The role.
    pub role: Role,
}

/// A user's right to read and answer in one inbox: all that the access check reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The inbox.
    pub inbox: InboxId,
    /// Its kind, since personal inboxes have no lock.
    pub kind: InboxKind,
    /// Its team.
    pub team: TeamId,
    /// The member.
    pub user: UserRef,
}

/// A user as a member of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamMember {
    /// The user.
    pub user: UserRef,
    /// Where e-mail goes.
    pub email: String,
    /// The role.
    pub role: Role,
}

/// Whether somebody manages a team: the organization's owner, and the team's admins.
pub fn manages(owner: bool, role: Option<Role>) -> bool {
    owner || role == Some(Role::Admin)
}

/// Whether somebody may give or take a role: admins are made by the owner, members by admins as well.
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
    fn admins_are_made_by_the_owner_alone() {
        assert!(may_assign_role(true, None, Role::Admin));
        assert!(!may_assign_role(false, Some(Role::Admin), Role::Admin));
        assert!(may_assign_role(false, Some(Role::Admin), Role::Member));
        assert!(!may_assign_role(false, Some(Role::Member), Role::Member));
        assert!(!manages(false, None));
    }

    #[test]
    fn the_owner_and_the_teams_admins_manage_it_and_nobody_else() {
        assert!(
            manages(true, None) && manages(true, Some(Role::Member)) && manages(false, Some(Role::Admin))
        );
        assert!(!manages(false, None) && !manages(false, Some(Role::Member)));
        assert!(may_assign_role(true, None, Role::Member) && !may_assign_role(false, None, Role::Member));
    }

    #[test]
    fn roles_have_the_words_of_the_api() {
        assert_eq!((Role::Admin.as_str(), Role::Member.as_str()), ("admin", "member"));
    }
}
