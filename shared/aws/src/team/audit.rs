//! The audit trail of a team: what admins did. Each entry is written in the transaction of the action. What
//! an operator does for an organization is in a trail of the organization.

use shared_domain::{
    ids::{OrganizationId, UserId},
    keys::TeamKey,
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError,
        keys,
        query::{KeyRange, Order, Page},
        requests::Table,
        transaction::Transaction,
    },
    team::rows::AuditRow,
};

/// An action that is about to be taken.
#[derive(Debug, Clone, Copy)]
pub struct AuditEvent<'a> {
    pub actor: &'a UserId,
    /// `noun.verb`.
    pub action: &'static str,
    /// The id of what the action changes.
    pub target: &'a str,
    pub at: Timestamp,
    /// Distinguishes actions of the same instant.
    pub entropy: u64,
}

impl AuditEvent<'_> {
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        team: TeamKey<'_>,
    ) -> Result<usize, StoreError> {
        transaction.put(keys::audit_event(team, self.at, &self.id()), &self.row())
    }

    /// Writes the event to the audit trail of the organization itself.
    pub(crate) fn write_for_organization(
        &self,
        transaction: &mut Transaction<'_>,
        organization: &OrganizationId,
    ) -> Result<usize, StoreError> {
        transaction.put(keys::organization_audit_event(organization, self.at, &self.id()), &self.row())
    }

    fn id(&self) -> String {
        format!("{:08x}", self.entropy & 0xffff_ffff)
    }

    fn row(&self) -> AuditRow {
        AuditRow {
            at: self.at,
            id: self.id(),
            actor: self.actor.clone(),
            action: self.action.to_owned(),
            target: self.target.to_owned(),
        }
    }
}

/// An action that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub actor: UserId,
    /// `noun.verb`.
    pub action: String,
    /// The id of what the action changed.
    pub target: String,
}

/// The audit trails of teams.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

impl Audit {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a page of a team's audit trail, newest first.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let range = KeyRange::all(keys::audit_partition(team));
        let page = self.table.page(range, Order::Descending, limit, after).await?;
        Ok(page.map(|row: AuditRow| AuditEntry {
            at: row.at,
            actor: row.actor,
            action: row.action,
            target: row.target,
        }))
    }
}
