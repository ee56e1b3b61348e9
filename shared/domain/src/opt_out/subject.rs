use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrganizationId, TeamId},
    inbox::{Inbox, InboxKind},
    keys::TeamKey,
    phone::PhoneNumber,
};

/// Whom a STOP to a shared inbox binds. A setting of the organization.
///
/// US rules are expected to let one STOP bind the whole sender from 31 January 2027.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharedOptOutScope {
    /// The team of the inbox.
    #[default]
    Team,
    /// All teams of the organization.
    Organization,
}

impl SharedOptOutScope {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Organization => "organization",
        }
    }
}

/// How far an opt-out reaches within an organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptOutScope {
    /// All inboxes of the team, including the personal inboxes of its users.
    Team(TeamId),
    /// All inboxes of the organization, shared and personal.
    Organization,
    /// All personal inboxes of the organization.
    Personal,
}

impl OptOutScope {
    /// The scope of an opt-out that was sent to this inbox.
    pub fn of(inbox: &Inbox) -> Self {
        match inbox.kind {
            InboxKind::Shared => Self::Team(inbox.team.clone()),
            InboxKind::Personal => Self::Personal,
        }
    }

    /// The name in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Team(_) => "team",
            Self::Organization => "organization",
            Self::Personal => "personal",
        }
    }
}

/// What an opt-out applies to: a number within a scope. Opt-outs belong to numbers, not to contacts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct OptOutSubject {
    pub organization: OrganizationId,
    pub scope: OptOutScope,
    /// The contact's number.
    pub number: PhoneNumber,
}

impl OptOutSubject {
    /// The subject of a keyword that this number sends to this inbox.
    pub fn of(inbox: &Inbox, number: &PhoneNumber) -> Self {
        Self {
            organization: inbox.organization.clone(),
            scope: OptOutScope::of(inbox),
            number: number.clone(),
        }
    }

    /// The subject of an opt-out or opt-in by a user or an import of this team.
    pub fn of_team(organization: &OrganizationId, team: &TeamId, number: &PhoneNumber) -> Self {
        Self {
            organization: organization.clone(),
            scope: OptOutScope::Team(team.clone()),
            number: number.clone(),
        }
    }

    /// The subject of a STOP that binds the whole organization.
    pub fn of_organization(organization: &OrganizationId, number: &PhoneNumber) -> Self {
        Self { organization: organization.clone(), scope: OptOutScope::Organization, number: number.clone() }
    }

    /// The subject of a STOP to a personal inbox.
    pub fn of_personal_inboxes(organization: &OrganizationId, number: &PhoneNumber) -> Self {
        Self { organization: organization.clone(), scope: OptOutScope::Personal, number: number.clone() }
    }

    /// All subjects whose opt-out stops messages to this number from inboxes of this team and kind. Those of
    /// the organization count whatever its [`SharedOptOutScope`] is now.
    pub fn all_that_stop(team: TeamKey<'_>, kind: InboxKind, number: &PhoneNumber) -> Vec<Self> {
        let of_team = Self::of_team(team.organization, team.team, number);
        let of_organization = Self::of_organization(team.organization, number);
        match kind {
            InboxKind::Shared => vec![of_team, of_organization],
            InboxKind::Personal => {
                let personal = Self { scope: OptOutScope::Personal, ..of_team.clone() };
                vec![of_team, of_organization, personal]
            }
        }
    }
}
