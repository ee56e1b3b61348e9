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
//! };
//! assert!(!team.registration.is_complete());
//! ```

use crate::{ids::TeamId, registration::RegistrationStatus};

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
}
