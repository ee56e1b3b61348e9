//! Keys of teams, their members, audit trails and retentions.

use shared_domain::{ids::UserId, keys::TeamKey, time::Timestamp};

use super::Key;

/// Partition of a team: the team, its contacts, their numbers.
pub fn team_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}", team.organization, team.team)
}

pub fn team(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "TEAM")
}

/// Member in the team's partition.
pub fn team_member(team: TeamKey<'_>, user: &UserId) -> Key {
    Key::new(team_partition(team), format!("{TEAM_MEMBERS}{user}"))
}

/// Prefix of the members in a team's partition.
pub const TEAM_MEMBERS: &str = "USER#";

/// Partition of a team's audit trail.
pub fn audit_partition(team: TeamKey<'_>) -> String {
    format!("{}#{}#AUDIT", team.organization, team.team)
}

/// Event of the audit trail.
pub fn audit_event(team: TeamKey<'_>, at: Timestamp, id: &str) -> Key {
    Key::new(audit_partition(team), format!("{:013}#{id}", at.millis()))
}

/// Partition of the teams whose messages expire.
pub const RETENTION: &str = "RETENTION";

pub fn retention(team: TeamKey<'_>) -> Key {
    Key::new(RETENTION, format!("{}#{}", team.organization, team.team))
}

/// How far the search for teams came that are missing there.
pub fn retention_search() -> Key {
    Key::new("RETENTION_SEARCH", "RETENTION_SEARCH")
}
