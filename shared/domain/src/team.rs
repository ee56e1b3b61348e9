//! Teams: parts of an organization that own inboxes, contacts and one A2P 10DLC registration.

use crate::{ids::TeamId, registration::RegistrationStatus};

/// A part of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Its campaign, as far as sending is concerned.
    pub registration: RegistrationStatus,
    /// The carrier's messaging service of the campaign, where there is one.
    pub messaging_service: Option<String>,
}
