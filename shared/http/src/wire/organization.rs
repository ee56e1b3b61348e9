//! What concerns the whole organization.

use serde::{Deserialize, Serialize};
use shared_aws::team::Organization;
use shared_domain::{opt_out, sending_pause::SendingPause};
use utoipa::ToSchema;

use super::{UserName, values::PauseCause};

/// An organization with its settings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationView {
    /// ID of the organization.
    pub organization_id: String,
    /// Name of the organization.
    pub name: String,
    #[schema(value_type = SharedOptOutScope)]
    pub opt_out_scope: &'static str,
    /// Creation time.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl OrganizationView {
    pub fn of(organization: &Organization) -> Self {
        Self {
            organization_id: organization.id.to_string(),
            name: organization.name.clone(),
            opt_out_scope: organization.opt_out_scope.as_str(),
            created_at: organization.created_at.to_string(),
        }
    }
}

/// Changes to the organization. Absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationChange {
    /// 1 to 80 characters. Unique in the stack.
    pub name: Option<String>,
    pub opt_out_scope: Option<SharedOptOutScope>,
}

/// Whom a STOP to a shared inbox binds: the inbox's team, or all teams of the organization.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SharedOptOutScope {
    /// The team of the inbox cannot send messages to the number.
    Team,
    /// No inbox of the organization can send messages to the number.
    Organization,
}

impl From<SharedOptOutScope> for opt_out::SharedOptOutScope {
    fn from(scope: SharedOptOutScope) -> Self {
        match scope {
            SharedOptOutScope::Team => Self::Team,
            SharedOptOutScope::Organization => Self::Organization,
        }
    }
}

/// Whether sending is paused. Accepted messages stay `queued` during a pause and are then sent in their
/// order.
#[derive(Debug, Serialize, ToSchema)]
pub struct SendingPauseView {
    /// Whether sending is paused.
    pub paused: bool,
    /// `null` if sending is not paused. Pauses other than `owner` end by themselves.
    #[schema(required, value_type = Option<PauseCause>)]
    pub cause: Option<&'static str>,
    /// Start of the pause. `null` if sending is not paused.
    #[schema(required, format = DateTime)]
    pub since: Option<String>,
    /// Who paused sending. `null` if the product did, or if sending is not paused.
    #[schema(required)]
    pub by: Option<UserName>,
}

impl SendingPauseView {
    /// Returns the pause in force.
    pub fn of(pause: Option<&SendingPause>) -> Self {
        Self {
            paused: pause.is_some(),
            cause: pause.map(|pause| pause.cause.as_str()),
            since: pause.map(|pause| pause.since.to_string()),
            by: pause.and_then(|pause| pause.by.as_ref()).map(UserName::of),
        }
    }
}
