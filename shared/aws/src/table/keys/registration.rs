//! Keys of registrations with the carrier.

use shared_domain::{keys::TeamKey, time::Timestamp};

use super::{Key, team_partition};

/// Team of a messaging service.
pub fn messaging_service(sid: &str) -> Key {
    Key::new(format!("SERVICE#{sid}"), "SERVICE")
}

pub fn registration(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "REGISTRATION")
}

/// Step of a registration. The same event at the same time has the same key.
pub fn registration_step(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(team_partition(team), format!("{REGISTRATION_STEPS}{:013}#{id}", at.millis()))
}

/// Prefix of the registration steps in a team's partition.
pub const REGISTRATION_STEPS: &str = "STEP#";

/// Partition of the registrations that wait for the carrier.
pub const PENDING: &str = "PENDING";

pub fn pending_registration(team: TeamKey<'_>) -> Key {
    Key::new(PENDING, format!("{}#{}", team.organization, team.team))
}
