//! The signed-in user.

use serde::Serialize;
use utoipa::ToSchema;

use super::{problem::OwnLock, team::RoleName, values::InboxKind};

/// The signed-in user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeUser {
    /// ID of the user.
    pub user_id: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    #[schema(format = Email)]
    pub email: String,
    /// Whether the user owns the organization.
    pub owner: bool,
}

/// A team of the user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeTeam {
    /// ID of the team.
    pub team_id: String,
    /// Name of the team.
    pub name: String,
    #[schema(value_type = RoleName)]
    pub role: &'static str,
}

/// An inbox that the user can read and send from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeAccount {
    /// ID of the inbox.
    pub inbox_id: String,
    #[schema(value_type = InboxKind)]
    pub kind: &'static str,
    /// Name of the inbox.
    pub name: String,
    /// Color as `#rrggbb`.
    pub color: String,
    /// Phone number that messages are sent from.
    pub phone_number: String,
    /// Code that integrations use instead of the ID.
    pub api_code: String,
    /// ID of the team that owns the inbox.
    pub team_id: String,
    /// Number of unread conversations.
    pub unread_count: u64,
    /// Numbers of conversations.
    pub counts: AccountCounts,
}

/// Numbers of conversations of an inbox.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountCounts {
    /// Conversations in the Inbox folder. 1,000 means 1,000 or more.
    #[schema(maximum = 1000)]
    pub inbox: u64,
    /// Unread conversations, as in `unreadCount`.
    pub unread: u64,
    /// Conversations in the Inbox folder whose contact is assigned to you. 1,000 means 1,000 or more.
    #[schema(maximum = 1000)]
    pub assigned_to_me: u64,
}

/// The signed-in user with teams and inboxes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The user.
    pub user: MeUser,
    /// The user's teams.
    pub teams: Vec<MeTeam>,
    /// Shared inboxes that the user is a member of and whose team is registered, and the personal inbox.
    pub accounts: Vec<MeAccount>,
    /// The locks that you hold.
    pub locks: Vec<OwnLock>,
}
