//! Teams, their members and notification settings, and the audit trail.

use serde::{Deserialize, Serialize};
use shared_aws::team::AuditEntry;
use shared_domain::{
    membership::{Role, TeamMember, may_broadcast},
    notification::{MailingPreference, NotificationSettings},
    retention::RetentionDays,
    team::Team,
};
use utoipa::ToSchema;

use super::values::RegistrationStatus;
use crate::input::{nullable, object};

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamView {
    /// ID of the team.
    pub team_id: String,
    /// Name of the team.
    pub name: String,
    /// Your role. `null` if you are the organization's owner without a role in the team.
    #[schema(required, value_type = Option<RoleName>)]
    pub role: Option<&'static str>,
    #[schema(value_type = RegistrationStatus)]
    pub registration_status: &'static str,
    /// Whether the team is under a legal hold: nothing of it is erased.
    pub hold: bool,
    /// How many days the team keeps messages and files. `null` is forever.
    #[schema(required, minimum = 1, maximum = 36_500)]
    pub retention_days: Option<u16>,
}

impl TeamView {
    /// Returns the team for a user with this role.
    pub fn of(team: &Team, role: Option<Role>) -> Self {
        Self {
            team_id: team.id.to_string(),
            name: team.name.clone(),
            role: role.map(Role::as_str),
            registration_status: team.registration.as_str(),
            hold: team.hold,
            retention_days: team.retention.map(RetentionDays::get),
        }
    }
}

/// A team to create.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TeamDetails {
    /// 1 to 80 characters.
    pub name: String,
}

/// Changes to a team. Absent fields keep their values. `hold` and `retentionDays` are for the organization's
/// owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// `true` begins a legal hold, `false` ends it. While it lasts, nothing of the team is erased.
    pub hold: Option<bool>,
    /// How many days the team keeps messages and files: 1 to 36,500. `null` is forever. Older ones are erased
    /// within about a day, unless the team is under a legal hold.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 36_500)]
    pub retention_days: Option<Option<i64>>,
}

/// The role of a user in a team.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoleName {
    /// Manages the team.
    Admin,
    /// Works in the inboxes of the team.
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

/// A member to add or change. Name and e-mail address are required for a user who is new to the team.
/// Absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberDetails {
    pub role: RoleName,
    /// 1 to 80 characters.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the member may send broadcasts. Admins and the owner always may.
    pub can_broadcast: Option<bool>,
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamMemberView {
    /// ID of the user.
    pub user_id: String,
    /// Display name.
    pub name: String,
    /// E-mail address. `null` unless you are an admin of the team or the organization's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[schema(value_type = RoleName)]
    pub role: &'static str,
    /// Whether the member may send broadcasts. Always `true` for admins.
    pub can_broadcast: bool,
    /// Whether the request that added the member sent an invitation. Absent in other responses,
    /// and if the stack does not have its own user pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited: Option<bool>,
}

impl TeamMemberView {
    /// Returns the member with the e-mail address, for admins and the owner.
    pub fn of(member: &TeamMember, for_manager: bool) -> Self {
        Self {
            user_id: member.user.id.to_string(),
            name: member.user.name.clone(),
            email: for_manager.then(|| member.email.clone()),
            role: member.role.as_str(),
            can_broadcast: may_broadcast(false, Some(member.role), member.can_broadcast),
            invited: None,
        }
    }
}

/// Settings of one kind of notification.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MailingView {
    /// Whether the notification is sent.
    pub enabled: bool,
    /// E-mail addresses of the recipients, at most 20.
    pub recipients: Vec<String>,
}

impl MailingView {
    fn of(mailing: &MailingPreference) -> Self {
        Self { enabled: mailing.enabled, recipients: mailing.recipients.clone() }
    }
}

/// The notification settings of a team. E-mails about the registration are always sent to the team's admins.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSettingsView {
    /// A contact opted out or in, except by an import.
    #[serde(deserialize_with = "object")]
    pub opt_out_changed: MailingView,
    /// A message came from an unknown number.
    #[serde(deserialize_with = "object")]
    pub unknown_contact: MailingView,
    /// A user added a contact.
    #[serde(deserialize_with = "object")]
    pub contact_added: MailingView,
}

impl NotificationSettingsView {
    pub fn of(settings: &NotificationSettings) -> Self {
        Self {
            opt_out_changed: MailingView::of(&settings.opt_out_changed),
            unknown_contact: MailingView::of(&settings.unknown_contact),
            contact_added: MailingView::of(&settings.contact_added),
        }
    }
}

/// An action of an admin.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntryView {
    /// Time of the action.
    #[schema(format = DateTime)]
    pub at: String,
    /// ID of the user.
    pub user_id: String,
    /// Kind of action, as `noun.verb`.
    pub action: String,
    /// ID of what was changed.
    pub target: String,
}

impl AuditEntryView {
    pub fn of(entry: &AuditEntry) -> Self {
        Self {
            at: entry.at.to_string(),
            user_id: entry.actor.to_string(),
            action: entry.action.clone(),
            target: entry.target.clone(),
        }
    }
}
