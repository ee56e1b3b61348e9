//! Organizations, teams, users, members, machine clients and the audit trail.

pub(crate) mod audit;
pub(crate) mod inbox_members;
pub(crate) mod machines;
pub(crate) mod members;
pub(crate) mod organizations;
pub(crate) mod retentions;
pub(crate) mod rows;
pub(crate) mod team_members;
pub(crate) mod teams;
pub(crate) mod users;

pub use self::{
    audit::{Audit, AuditEntry, AuditEvent},
    inbox_members::AddMemberOutcome,
    machines::{AddMachineOutcome, Machine},
    members::Members,
    organizations::{ChangeOrganizationOutcome, CreateOrganizationOutcome, Organization, Organizations},
    retentions::{DueTeams, Erasure, ExpiringTeam, Retentions, Search, SweepPlace},
    team_members::TeamMembers,
    teams::Teams,
    users::{UserInTeam, UserInbox, UserProfile},
};
