//! Inboxes, teams, users and what they are to each other.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{self, InboxId, OrganizationId},
    inbox::{Inbox, InboxKind, Stage},
    membership::{Membership, Role, TeamMember, TeamRole, User},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
};

use super::{PersonRow, RowError, id};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InboxRow {
    pub org: String,
    pub id: String,
    pub team: String,
    pub kind: InboxKind,
    pub name: String,
    pub color: String,
    pub api_code: String,
    pub number: PhoneNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice_forwarding: Option<PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    pub stage: Stage,
}

impl InboxRow {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        Self {
            org: inbox.organization.to_string(),
            id: inbox.id.to_string(),
            team: inbox.team.to_string(),
            kind: inbox.kind,
            name: inbox.name.clone(),
            color: inbox.color.clone(),
            api_code: inbox.api_code.clone(),
            number: inbox.number.clone(),
            number_sid: inbox.number_sid.clone(),
            voice_forwarding: inbox.voice_forwarding.clone(),
            creator: inbox.creator.as_ref().map(ToString::to_string),
            stage: inbox.stage,
        }
    }

    pub(crate) fn inbox(self) -> Result<Inbox, RowError> {
        Ok(Inbox {
            organization: id(&self.org)?,
            id: id(&self.id)?,
            team: id(&self.team)?,
            kind: self.kind,
            name: self.name,
            color: self.color,
            api_code: self.api_code,
            number: self.number,
            number_sid: self.number_sid,
            voice_forwarding: self.voice_forwarding,
            creator: self.creator.as_deref().map(id).transpose()?,
            stage: self.stage,
        })
    }
}

/// Points at an inbox: from one of our numbers, or from an API code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InboxPointer {
    pub org: String,
    pub inbox: String,
}

impl InboxPointer {
    pub(crate) fn of(inbox: &Inbox) -> Self {
        Self { org: inbox.organization.to_string(), inbox: inbox.id.to_string() }
    }

    pub(crate) fn target(&self) -> Result<(OrganizationId, InboxId), RowError> {
        Ok((id(&self.org)?, id(&self.inbox)?))
    }
}

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
