//! Imports of contacts: their progress and errors, and which import of a team is being processed. The rules are in
//! [`shared_domain::import`].
//!
//! One import of a team is processed at a time, because two files could both create a contact that neither knows yet. A
//! worker's turn expires, in case the worker dies; the counts do not depend on it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::{delete_item::DeleteItemError, update_item::UpdateItemError};
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ImportId, OrganizationId, TeamId},
    import::{FilePosition, Import, ImportCounts, ImportFile, ImportStatus, PendingChunk, RowError},
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{number, text},
        items::parse_id,
        keys,
        requests::{Order, Table},
        transaction::Transaction,
    },
    team::audit::AuditEvent,
};

/// How long a report is kept.
const RETENTION: Duration = Duration::from_hours(90 * 24);
/// Faults that stand in one row: far below 400 KB, however long the names of their columns.
const FAULTS_IN_A_ROW: usize = 200;

/// Where files of imports begin in the bucket; the template's rights and events name it as well.
pub const OBJECTS: &str = "imports/";

/// The key of an import's file in the bucket.
pub fn object_key(import: &Import) -> String {
    format!("{OBJECTS}{}/{}/{}.csv", import.organization, import.team, import.id)
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportTurn {
    /// The caller's.
    Mine,
    /// Another worker is at this very import.
    SameImport,
    /// Another import of the team is being worked on.
    AnotherImport,
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPage {
    /// Latest first.
    pub imports: Vec<Import>,
    /// Where the next page begins.
    pub next: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportRow {
    id: String,
    org: String,
    team: String,
    by: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clears: bool,
    status: ImportStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<ImportFile>,
    done: FilePosition,
    counts: ImportCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<PendingChunk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    version: u64,
    ttl: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct FaultsRow {
    faults: Vec<RowError>,
    ttl: i64,
}

#[derive(Debug, Deserialize)]
struct TurnRow {
    import: String,
}

/// Imports.
#[derive(Debug, Clone)]
pub struct Imports {
    table: Table,
}

impl Imports {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Notes a new import: 4 write units, and 2 with an idempotency key; `false` when that key is used up by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(
        &self,
        import: &Import,
        deed: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(key_of(import), &ImportRow::of(import))?;
        deed.write(&mut transaction, &import.organization, &import.team)?;
        if let Some(key) = key {
            transaction.add(key.part(&self.table, &import.organization, import.id.as_str(), import.at)?);
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// One import, read consistently.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        import: &ImportId,
    ) -> Result<Option<Import>, StoreError> {
        let key = keys::contact_import(organization, team, import);
        let row: Option<ImportRow> = self.table.get(key, true).await?;
        row.map(ImportRow::import).transpose()
    }

    /// A page of a team's imports.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<ImportPage, StoreError> {
        let partition = keys::team_partition(organization, team);
        let (items, next) =
            self.table.page(partition, keys::IMPORTS, Order::Descending, limit, after).await?;
        let rows: Vec<ImportRow> = serde_dynamo::from_items(items)?;
        Ok(ImportPage { imports: rows.into_iter().map(ImportRow::import).collect::<Result<_, _>>()?, next })
    }

    /// The kept faults of the rows that are done, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn faults(&self, import: &Import) -> Result<Vec<RowError>, StoreError> {
        if import.counts.errors == 0 {
            return Ok(Vec::new());
        }
        let items = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :import AND sk BETWEEN :first AND :after")
            .expression_attribute_values(
                ":import",
                text(keys::import_partition(&import.organization, &import.id)),
            )
            .expression_attribute_values(":first", text(keys::import_errors_from(0)))
            .expression_attribute_values(":after", text(keys::import_errors_from(import.done.row + 1)))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await?;
        let rows: Vec<FaultsRow> = serde_dynamo::from_items(items)?;
        Ok(rows.into_iter().flat_map(|row| row.faults).collect())
    }

    /// Writes how far an import is, with the faults of its begun chunk; `false` when somebody wrote since it was read. A
    /// transaction, so that the SDK may repeat it after a lost answer: 2 write units, and as many for each 200 faults and
    /// kilobyte of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn advance(&self, import: &mut Import, faults: &[RowError]) -> Result<bool, StoreError> {
        let before = import.version;
        let mut row = ImportRow::of(import);
        row.version = before + 1;
        let mut transaction = Transaction::new(&self.table);
        transaction.put_if(key_of(import), &row, |put| {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", number(before))
        })?;
        for (part, some) in faults.chunks(FAULTS_IN_A_ROW).enumerate() {
            let first = faults.first().map_or(0, |fault| fault.row);
            let key = keys::import_errors(&import.organization, &import.id, first, part);
            transaction.put(key, &FaultsRow { faults: some.to_vec(), ttl: row.ttl })?;
        }
        let written = transaction.commit().await?.is_done();
        import.version += u64::from(written);
        Ok(written)
    }

    /// Takes the team's turn, or keeps it, for so long; `worker` tells callers apart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_turn(
        &self,
        import: &Import,
        worker: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ImportTurn, StoreError> {
        let taken = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::importing(&import.organization, &import.team).into_item()))
            .update_expression("SET #import = :import, #worker = :worker, #until = :until")
            .condition_expression("attribute_not_exists(pk) OR #worker = :worker OR #until < :now")
            .expression_attribute_names("#import", "import")
            .expression_attribute_names("#worker", "worker")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":import", text(&import.id))
            .expression_attribute_values(":worker", number(worker))
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            )
            .send()
            .await;
        let Err(error) = taken else { return Ok(ImportTurn::Mine) };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let holder: Option<TurnRow> = failed.item().cloned().map(serde_dynamo::from_item).transpose()?;
        let same = holder.is_some_and(|holder| holder.import == import.id.as_str());
        Ok(if same { ImportTurn::SameImport } else { ImportTurn::AnotherImport })
    }

    /// Gives the turn back, if it is still the caller's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_turn(&self, import: &Import, worker: u64) -> Result<(), StoreError> {
        let ended = self
            .table
            .client
            .delete_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::importing(&import.organization, &import.team).into_item()))
            .condition_expression("#worker = :worker")
            .expression_attribute_names("#worker", "worker")
            .expression_attribute_values(":worker", number(worker))
            .send()
            .await;
        match ended {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}

fn key_of(import: &Import) -> keys::Key {
    keys::contact_import(&import.organization, &import.team, &import.id)
}

impl ImportRow {
    fn of(import: &Import) -> Self {
        Self {
            id: import.id.to_string(),
            org: import.organization.to_string(),
            team: import.team.to_string(),
            by: import.by.to_string(),
            at: import.at,
            dry_run: import.dry_run,
            clears: import.clear_missing_assignments,
            status: import.status,
            reason: import.reason.clone(),
            file: import.file.clone(),
            done: import.done,
            counts: import.counts,
            begun: import.pending.clone(),
            finished_at: import.finished_at,
            version: import.version,
            ttl: (import.at + RETENTION).seconds(),
        }
    }

    fn import(self) -> Result<Import, StoreError> {
        Ok(Import {
            id: parse_id(&self.id)?,
            organization: parse_id(&self.org)?,
            team: parse_id(&self.team)?,
            by: parse_id(&self.by)?,
            at: self.at,
            dry_run: self.dry_run,
            clear_missing_assignments: self.clears,
            status: self.status,
            reason: self.reason,
            file: self.file,
            done: self.done,
            counts: self.counts,
            pending: self.begun,
            finished_at: self.finished_at,
            version: self.version,
        })
    }
}
