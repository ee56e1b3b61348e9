//! Stored teams, users, members and audit entries.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{self, OrganizationId, TeamId},
    inbox::InboxKind,
    membership::{Membership, Role, TeamMember, TeamRole},
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::User,
};

use crate::table::items::{PersonRow, RowError, id};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamRow {
    pub id: String,
    pub name: String,
    pub registration: RegistrationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging_service: Option<String>,
}

impl TeamRow {
    pub(crate) fn of(team: &Team) -> Self {
        Self {
            id: team.id.to_string(),
            name: team.name.clone(),
            registration: team.registration,
            messaging_service: team.messaging_service.clone(),
        }
    }

    pub(crate) fn team(self) -> Result<Team, RowError> {
        Ok(Team {
            id: id(&self.id)?,
            name: self.name,
            registration: self.registration,
            messaging_service: self.messaging_service,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberRow {
    pub inbox: String,
    pub kind: InboxKind,
    pub team: String,
    pub user: PersonRow,
}

impl MemberRow {
    pub(crate) fn of(member: &Membership) -> Self {
        Self {
            inbox: member.inbox.to_string(),
            kind: member.kind,
            team: member.team.to_string(),
            user: PersonRow::of(&member.user),
        }
    }

    pub(crate) fn membership(self) -> Result<Membership, RowError> {
        Ok(Membership {
            inbox: id(&self.inbox)?,
            kind: self.kind,
            team: id(&self.team)?,
            user: self.user.person()?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub id: String,
    pub name: String,
    pub email: String,
    #[serde(default)]
    pub owner: bool,
}

impl UserRow {
    pub(crate) fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.clone(),
            email: user.email.clone(),
            owner: user.owner,
        }
    }

    pub(crate) fn user(self) -> Result<User, RowError> {
        Ok(User { id: id::<ids::User>(&self.id)?, name: self.name, email: self.email, owner: self.owner })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TeamRoleRow {
    pub team: String,
    pub role: Role,
}

impl TeamRoleRow {
    pub(crate) fn of(role: &TeamRole) -> Self {
        Self { team: role.team.to_string(), role: role.role }
    }

    pub(crate) fn role(self) -> Result<TeamRole, RowError> {
        Ok(TeamRole { team: id(&self.team)?, role: self.role })
    }
}

/// A member as found from the team.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TeamMemberRow {
    pub user: PersonRow,
    pub email: String,
    pub role: Role,
}

impl TeamMemberRow {
    pub(crate) fn of(member: &TeamMember) -> Self {
        Self { user: PersonRow::of(&member.user), email: member.email.clone(), role: member.role }
    }

    pub(crate) fn member(self) -> Result<TeamMember, RowError> {
        Ok(TeamMember { user: self.user.person()?, email: self.email, role: self.role })
    }
}

/// That a user is a member of an inbox, found from the user.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserInboxRow {
    pub inbox: String,
    pub team: String,
}

/// Points at a team: from a messaging service, or from the list of what waits for the carrier.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TeamPointer {
    pub org: String,
    pub team: String,
    /// When the carrier was asked last, where it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
}

impl TeamPointer {
    pub(crate) fn of(organization: &OrganizationId, team: &TeamId) -> Self {
        Self { org: organization.to_string(), team: team.to_string(), asked: None }
    }

    pub(crate) fn target(&self) -> Result<(OrganizationId, TeamId), RowError> {
        Ok((id(&self.org)?, id(&self.team)?))
    }
}

/// What an admin did: the route's words, and to what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuditRow {
    pub at: Timestamp,
    pub id: String,
    pub actor: String,
    pub action: String,
    pub target: String,
}
