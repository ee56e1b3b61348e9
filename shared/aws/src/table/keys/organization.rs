//! Keys of organizations, and of the lists of their teams and machine clients.

use shared_domain::{ids::OrganizationId, keys::TeamKey, time::Timestamp};

use super::Key;

/// Partition of the list of organizations.
pub const ORGANIZATIONS: &str = "ORGANIZATIONS";

pub fn organization(organization: &OrganizationId) -> Key {
    Key::new(ORGANIZATIONS, organization.as_str())
}

/// Organization by name, ignoring case.
pub fn organization_name(name: &str) -> Key {
    Key::new(format!("ORGNAME#{}", name.to_lowercase()), "ORGNAME")
}

/// Event of an organization's own audit trail.
pub fn organization_audit_event(organization: &OrganizationId, at: Timestamp, id: &str) -> Key {
    Key::new(format!("{organization}#AUDIT"), format!("{:013}#{id}", at.millis()))
}

/// Partition of an organization's list of teams.
pub fn teams_partition(organization: &OrganizationId) -> String {
    format!("{organization}#TEAMS")
}

/// Team in the organization's list.
pub fn team_in_list(team: TeamKey<'_>) -> Key {
    Key::new(teams_partition(team.organization), team.team.as_str())
}

/// Organization of a machine client.
pub fn machine_client(client: &str) -> Key {
    Key::new(format!("CLIENT#{client}"), "CLIENT")
}

/// Partition of an organization's list of machine clients.
pub fn machines_partition(organization: &OrganizationId) -> String {
    format!("{organization}#MACHINES")
}

/// Machine client in the organization's list.
pub fn machine(organization: &OrganizationId, client: &str) -> Key {
    Key::new(machines_partition(organization), client)
}
