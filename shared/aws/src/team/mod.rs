//! Teams, users, members and the audit trail.

pub(crate) mod audit;
pub(crate) mod members;
pub(crate) mod rows;
pub(crate) mod team_members;
pub(crate) mod teams;

pub use self::{
    audit::{Audit, AuditEntry, AuditEvent, AuditPage},
    members::{AddMemberOutcome, Members, UserInTeam, UserInbox, UserProfile},
    team_members::TeamMembers,
    teams::{TeamPage, Teams},
};
