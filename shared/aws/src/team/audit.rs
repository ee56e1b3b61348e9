//! What admins did, per team: written in the transaction that does it.

use shared_domain::{
    ids::{OrganizationId, TeamId, UserId},
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError, item::text, items::parse_id, keys, requests::Table, transaction::Transaction,
    },
    team::rows::AuditRow,
};

/// What somebody is about to do.
#[derive(Debug, Clone, Copy)]
pub struct AuditEvent<'a> {
    /// Who.
    pub actor: &'a UserId,
    /// What, as `noun.verb`.
    pub action: &'static str,
    /// To what: an id.
    pub target: &'a str,
    /// When.
    pub at: Timestamp,
    /// Tells deeds of one instant apart.
    pub entropy: u64,
}

impl AuditEvent<'_> {
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        organization: &OrganizationId,
        team: &TeamId,
    ) -> Result<usize, StoreError> {
        let id = format!("{:08x}", self.entropy & 0xffff_ffff);
        let row = AuditRow {
            at: self.at,
            id: id.clone(),
            actor: self.actor.to_string(),
            action: self.action.to_owned(),
            target: self.target.to_owned(),
        };
        transaction.put(keys::audit(organization, team, self.at, &id), &row)
    }
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: UserId,
    /// What, as `noun.verb`.
    pub action: String,
    /// To what: an id.
    pub target: String,
}

/// A page of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// Audit trails.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

impl Audit {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// A team's trail, newest first, from a place that an earlier page gave.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<AuditPage, StoreError> {
        let partition = keys::audit_partition(organization, team);
        let start = after.map(|place| {
            [("pk".to_owned(), text(&partition)), ("sk".to_owned(), text(place))].into_iter().collect()
        });
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :trail")
            .expression_attribute_values(":trail", text(&partition))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = found.last_evaluated_key.and_then(|key| key.get("sk")?.as_s().ok().cloned());
        let rows: Vec<AuditRow> = serde_dynamo::from_items(found.items.unwrap_or_default())?;
        let entry = |row: AuditRow| {
            Ok(AuditEntry {
                at: row.at,
                actor: parse_id(&row.actor)?,
                action: row.action,
                target: row.target,
            })
        };
        Ok(AuditPage { entries: rows.into_iter().map(entry).collect::<Result<_, StoreError>>()?, next })
    }
}
