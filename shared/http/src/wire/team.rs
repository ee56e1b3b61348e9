//! Teams, their members, which e-mails they want, and what admins did.

use serde::{Deserialize, Serialize};
use shared_aws::team::AuditEntry;
use shared_domain::{
    membership::{Role, TeamMember},
    notification::{MailingPreference, NotificationSettings},
    team::Team,
};
use utoipa::ToSchema;

use crate::input::object;

/// A team as somebody in it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamView {
    /// Its id.
    pub team_id: String,
    /// Its name.
    pub name: String,
    /// The caller's role: `admin` or `member`; null for the organization's owner where they have none.
    #[schema(required)]
    pub role: Option<&'static str>,
    /// `not_started`, `pending`, `approved`, `rejected` or `suspended`.
    pub registration_status: &'static str,
}

impl TeamView {
    /// For somebody with this role.
    pub fn of(team: &Team, role: Option<Role>) -> Self {
        Self {
            team_id: team.id.to_string(),
            name: team.name.clone(),
            role: role.map(Role::as_str),
            registration_status: team.registration.as_str(),
        }
    }
}

/// A team to be made, or a new name.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TeamDetails {
    /// 1 to 80 characters.
    pub name: String,
}

/// What may be changed of a team; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TeamChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
}

/// `admin` or `member`.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoleName {
    /// Manages the team.
    Admin,
    /// Works in its inboxes.
    Member,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
        }
    }
}

/// Somebody as a member of the team. Name and address are needed for who is new in the organization, and stay as they are
/// where they are absent.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MemberDetails {
    /// `admin` or `member`.
    pub role: RoleName,
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// Where e-mail goes.
    pub email: Option<String>,
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamMemberView {
    /// The User ID.
    pub user_id: String,
    /// The name to show.
    pub name: String,
    /// Where e-mail goes; to those who manage the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `admin` or `member`.
    pub role: &'static str,
}

impl TeamMemberView {
    /// With the address for those who manage the team.
    pub fn of(member: &TeamMember, for_manager: bool) -> Self {
        Self {
            user_id: member.user.id.to_string(),
            name: member.user.name.clone(),
            email: for_manager.then(|| member.email.clone()),
            role: member.role.as_str(),
        }
    }
}

/// One kind of e-mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MailingView {
    /// Sent at all.
    pub enabled: bool,
    /// To these addresses, at most 20.
    pub recipients: Vec<String>,
}

impl MailingView {
    fn of(mailing: &MailingPreference) -> Self {
        Self { enabled: mailing.enabled, recipients: mailing.recipients.clone() }
    }
}

/// Which e-mails a team wants. What admins are told of the registration is not a choice.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSettingsView {
    /// A contact opted out or in again, not by an import.
    #[serde(deserialize_with = "object")]
    pub opt_out_changed: MailingView,
    /// An unknown number texted in.
    #[serde(deserialize_with = "object")]
    pub unknown_contact: MailingView,
    /// A contact was added by hand.
    #[serde(deserialize_with = "object")]
    pub contact_added: MailingView,
}

impl NotificationSettingsView {
    /// As stored.
    pub fn of(settings: &NotificationSettings) -> Self {
        Self {
            opt_out_changed: MailingView::of(&settings.opt_out_changed),
            unknown_contact: MailingView::of(&settings.unknown_contact),
            contact_added: MailingView::of(&settings.contact_added),
        }
    }
}

/// What an admin did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntryView {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who: a User ID.
    pub user_id: String,
    /// What, as `noun.verb`.
    pub action: String,
    /// To what: an id.
    pub target: String,
}

impl AuditEntryView {
    /// Of a line of the trail.
    pub fn of(entry: &AuditEntry) -> Self {
        Self {
            at: entry.at.to_string(),
            user_id: entry.actor.to_string(),
            action: entry.action.clone(),
            target: entry.target.clone(),
        }
    }
}
