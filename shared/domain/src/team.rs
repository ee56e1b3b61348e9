//! Teams: parts of an organization that own inboxes, contacts, templates and one A2P 10DLC registration.
//!
//! ```
//! use shared_domain::{ids::TeamId, registration::RegistrationStatus, team::Team};
//!
//! let team = Team {
//!     id: TeamId::parse("team_1").unwrap(),
//!     name: "Front office".into(),
//!     registration: RegistrationStatus::Pending,
//!     messaging_service: None,
//!     segments_per_second: None,
//!     hold: false,
//!     retention: None,
//! };
//! assert!(!team.registration.is_complete());
//! ```

use crate::{ids::TeamId, registration::RegistrationStatus, retention::RetentionDays};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Team {
    pub id: TeamId,
    pub name: String,
    pub registration: RegistrationStatus,
    /// The carrier's messaging service of the team's campaign, once it was created.
    pub messaging_service: Option<String>,
    /// What the campaign allows each of the team's numbers, if the carrier says so.
    pub segments_per_second: Option<u32>,
    /// Whether the team is under a legal hold: nothing of it is erased.
    pub hold: bool,
    /// How long the team keeps messages and files. `None` is forever.
    pub retention: Option<RetentionDays>,
}

/// Changes to a team. `None` keeps a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TeamEdit {
    /// The name, as [`crate::settings::name`] returns it.
    pub name: Option<String>,
    /// Begins or ends a legal hold.
    pub hold: Option<bool>,
    /// `Some(None)` keeps messages forever.
    pub retention: Option<Option<RetentionDays>>,
}

impl TeamEdit {
    /// Returns the team with the changes.
    #[must_use]
    pub fn applied_to(&self, team: &Team) -> Team {
        Team {
            name: self.name.clone().unwrap_or_else(|| team.name.clone()),
            hold: self.hold.unwrap_or(team.hold),
            retention: self.retention.unwrap_or(team.retention),
            ..team.clone()
        }
    }
}
