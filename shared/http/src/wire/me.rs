//! The signed-in user.

use serde::Serialize;
use utoipa::ToSchema;

/// The user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeUser {
    /// The User ID.
    pub user_id: String,
    /// The name to show.
    pub name: String,
    /// Where e-mail goes.
    pub email: String,
    /// Owns the organization.
    pub owner: bool,
}

/// A team of the user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeTeam {
    /// Its id.
    pub team_id: String,
    /// Its name.
    pub name: String,
    /// `admin` or `member`.
    pub role: &'static str,
}

/// An inbox that the user may open and send from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeAccount {
    /// Its id.
    pub inbox_id: String,
    /// `shared` or `personal`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
    /// What texts go out from.
    pub phone_number: String,
    /// Names it for integrations.
    pub api_code: String,
    /// The team that owns it.
    pub team_id: String,
    /// Conversations that nobody has read.
    pub unread_count: u64,
}

/// All that a front end needs for navigation and Compose.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The user.
    pub user: MeUser,
    /// The user's teams.
    pub teams: Vec<MeTeam>,
    /// Registered inboxes the user is a member of, and the personal one.
    pub accounts: Vec<MeAccount>,
}
