//! Stored teams, users, members and audit entries.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::InboxKind,
    keys::TeamKey,
    membership::{Membership, Role, TeamMember, TeamRole},
    registration::RegistrationStatus,
    retention::RetentionDays,
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamRow {
    pub id: TeamId,
    pub name: String,
    pub registration: RegistrationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_per_second: Option<u32>,
    /// Whether nothing of the team may be erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<RetentionDays>,
}

impl TeamRow {
    pub(crate) fn of(team: &Team) -> Self {
        let Team { id, name, registration, messaging_service, segments_per_second, hold, retention } =
            team.clone();
        Self {
            id,
            name,
            registration,
            messaging_service,
            segments_per_second,
            hold,
            retention_days: retention,
        }
    }

    pub(crate) fn team(self) -> Team {
        let Self {
            id,
            name,
            registration,
            messaging_service,
            segments_per_second,
            hold,
            retention_days: retention,
        } = self;
        Team { id, name, registration, messaging_service, segments_per_second, hold, retention }
    }
}

/// Points at a team: from the list of teams, from a messaging service, or from the list of registrations that
/// wait for the carrier.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TeamPointer {
    pub org: OrganizationId,
    pub team: TeamId,
    /// When the carrier was last asked about the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// Numbers that the carrier refused as unregistered, written as a set: `inb_#millis`.
    #[serde(default, skip_serializing)]
    pub refused: Vec<String>,
}

impl TeamPointer {
    pub(crate) fn of(team: TeamKey<'_>) -> Self {
        Self { org: team.organization.clone(), team: team.team.clone(), asked: None, refused: Vec::new() }
    }
}

/// A member of an inbox, found from the inbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberRow {
    pub inbox: InboxId,
    pub kind: InboxKind,
    pub team: TeamId,
    pub user: UserRef,
}

impl MemberRow {
    pub(crate) fn of(member: &Membership) -> Self {
        let Membership { inbox, kind, team, user } = member.clone();
        Self { inbox, kind, team, user }
    }

    pub(crate) fn membership(self) -> Membership {
        let Self { inbox, kind, team, user } = self;
        Membership { inbox, kind, team, user }
    }
}

/// An inbox of a user, found from the user.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserInboxRow {
    pub inbox: InboxId,
    pub team: TeamId,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub id: UserId,
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub owner: bool,
}

impl UserRow {
    pub(crate) fn of(user: &User) -> Self {
        let User { id, name, email, owner } = user.clone();
        Self { id, name, email, owner }
    }

    pub(crate) fn user(self) -> User {
        let Self { id, name, email, owner } = self;
        User { id, name, email, owner }
    }
}

/// A role of a user, found from the user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamRoleRow {
    pub team: TeamId,
    pub role: Role,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub can_broadcast: bool,
}

impl TeamRoleRow {
    pub(crate) fn of(role: &TeamRole) -> Self {
        Self { team: role.team.clone(), role: role.role, can_broadcast: role.can_broadcast }
    }

    pub(crate) fn role(self) -> TeamRole {
        TeamRole { team: self.team, role: self.role, can_broadcast: self.can_broadcast }
    }
}

/// A member of a team, found from the team.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamMemberRow {
    pub user: UserRef,
    pub email: String,
    pub role: Role,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub can_broadcast: bool,
}

impl TeamMemberRow {
    pub(crate) fn member(self) -> TeamMember {
        let Self { user, email, role, can_broadcast } = self;
        TeamMember { user, email, role, can_broadcast }
    }
}

/// An action of an admin and what it was done to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditRow {
    pub at: Timestamp,
    pub id: String,
    pub actor: UserId,
    pub action: String,
    pub target: String,
}
