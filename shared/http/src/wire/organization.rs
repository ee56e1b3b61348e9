//! What concerns the whole organization.

use serde::Serialize;
use shared_domain::sending_pause::SendingPause;
use utoipa::ToSchema;

use super::{UserName, values::PauseCause};

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
