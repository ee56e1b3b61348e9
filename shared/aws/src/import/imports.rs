//! Contact imports: their progress and errors, and which import of a team is being processed. The rules are
//! in [`shared_domain::import`].
//!
//! One import of a team is processed at a time, because two files could both create a contact that neither
//! knows yet. A worker's turn expires, in case the worker stops; the counts do not depend on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ImportId, OrganizationId, TeamId, UserId},
    import::{FilePosition, Import, ImportCounts, ImportFile, ImportStatus, PendingChunk, RowError},
    keys::TeamKey,
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{from_item, number, text},
        keys,
        query::{KeyRange, Order, Page},
        requests::{Conditional, EXISTS, Table},
        transaction::Transaction,
    },
    team::audit::AuditEvent,
};

/// How long an import and its errors are kept.
const RETENTION: Duration = Duration::from_hours(90 * 24);
/// Row errors in one item: far below 400 KB, however long the names of the columns are.
const ERRORS_PER_ITEM: usize = 200;

/// The most imports that one sweep queues again.
const MAX_UNATTENDED: usize = 100;

/// The prefix of import files in the bucket. The template names it in rights and events.
pub const OBJECTS: &str = "imports/";

/// Returns the prefix of an organization's import files in the bucket.
pub fn objects_of(organization: &OrganizationId) -> String {
    format!("{OBJECTS}{organization}/")
}

/// Returns the bucket key of an import's file.
pub fn object_key(import: &Import) -> String {
    format!("{}{}/{}.csv", objects_of(&import.organization), import.team, import.id)
}

/// Which import has the turn of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportTurn {
    /// The caller's.
    Mine,
    /// The same import, with another worker.
    SameImport,
    /// Another import of the team.
    AnotherImport,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportRow {
    id: ImportId,
    org: OrganizationId,
    team: TeamId,
    by: UserId,
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
    #[serde(rename = "begun", skip_serializing_if = "Option::is_none")]
    pending: Option<PendingChunk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    version: u64,
    ttl: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ErrorsRow {
    #[serde(rename = "faults")]
    errors: Vec<RowError>,
    ttl: i64,
}

/// An import that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenImport {
    #[serde(rename = "org")]
    pub organization: OrganizationId,
    pub team: TeamId,
    pub import: ImportId,
    /// When the sweep queues the import again, unless a worker continues it before.
    #[serde(rename = "due")]
    pub check_at: Timestamp,
    ttl: i64,
}

impl OpenImport {
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }
}

#[derive(Debug, Deserialize)]
struct TurnRow {
    import: ImportId,
}

/// The imports of teams.
#[derive(Debug, Clone)]
pub struct Imports {
    table: Table,
}

impl Imports {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores a new import: 6 write units, and 2 with an idempotency key. `false` if another request used the
    /// key in the meantime. The sweep queues the import at `check_at` if no worker has continued it.
    pub async fn create(
        &self,
        import: &Import,
        check_at: Timestamp,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<bool, StoreError> {
        let team = team_key(import);
        let mut transaction = Transaction::new(&self.table);
        let row = ImportRow::of(import);
        transaction.put_new(keys::contact_import(team, &import.id), &row)?;
        let open =
            OpenImport { organization: row.org, team: row.team, import: row.id, check_at, ttl: row.ttl };
        transaction.put_new(keys::open_import(team, &import.id), &open)?;
        event.write(&mut transaction, team)?;
        if let Some(key) = key {
            key.write(&mut transaction, team.organization, import.id.as_str(), import.at)?;
        }
        Ok(transaction.commit().await?.is_done())
    }

    /// Parses an image of a stream record. Errors with `Corrupt` if it is not an import.
    pub(crate) fn of_image(image: serde_dynamo::Item) -> Result<Import, StoreError> {
        Ok(serde_dynamo::from_item::<_, ImportRow>(image)?.import())
    }

    /// Returns an import, read consistently.
    pub async fn get(&self, team: TeamKey<'_>, import: &ImportId) -> Result<Option<Import>, StoreError> {
        let row: Option<ImportRow> = self.table.get(keys::contact_import(team, import), true).await?;
        Ok(row.map(ImportRow::import))
    }

    /// Returns a page of the imports of a team, newest first.
    pub async fn page(
        &self,
        team: TeamKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Import>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::IMPORTS);
        Ok(self.table.page(range, Order::Descending, limit, after).await?.map(ImportRow::import))
    }

    /// Returns the stored errors of processed rows, in the order of the rows.
    pub async fn errors(&self, import: &Import) -> Result<Vec<RowError>, StoreError> {
        if import.counts.errors == 0 {
            return Ok(Vec::new());
        }
        let range = KeyRange::between(
            keys::import_partition(&import.organization, &import.id),
            keys::import_errors_from(0),
            keys::import_errors_from(import.done.row + 1),
        );
        let items = self.table.query(&range).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await?;
        let rows: Vec<ErrorsRow> = serde_dynamo::from_items(items)?;
        Ok(rows.into_iter().flat_map(|row| row.errors).collect())
    }

    /// Stores the progress of an import with the errors of its pending chunk. `false` if the import was
    /// written since it was read.
    ///
    /// A transaction, so that the SDK may retry it after a lost answer: 2 write units, and as many for each
    /// 200 errors and each kilobyte of them, and for the end of the import.
    pub async fn advance(&self, import: &mut Import, errors: &[RowError]) -> Result<bool, StoreError> {
        let version = import.version;
        let row = ImportRow { version: version + 1, ..ImportRow::of(import) };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_if(keys::contact_import(team_key(import), &import.id), &row, |put| {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", number(version))
        })?;
        for (part, chunk) in errors.chunks(ERRORS_PER_ITEM).enumerate() {
            let first_row = errors.first().map_or(0, |error| error.row);
            let key = keys::import_errors(&import.organization, &import.id, first_row, part);
            transaction.put(key, &ErrorsRow { errors: chunk.to_vec(), ttl: row.ttl })?;
        }
        if import.status.is_over() {
            transaction.delete(keys::open_import(team_key(import), &import.id))?;
        }
        let written = transaction.commit().await?.is_done();
        import.version += u64::from(written);
        Ok(written)
    }

    /// Whether an import of the organization is not complete.
    pub async fn any_open(&self, organization: &OrganizationId, now: Timestamp) -> Result<bool, StoreError> {
        let range = KeyRange::prefix(keys::OPEN_IMPORTS, keys::open_imports(organization));
        let open: Vec<OpenImport> = self.table.all(&range).await?;
        Ok(open.iter().any(|import| import.ttl > now.seconds()))
    }

    /// Returns the imports that are not complete and whose check is due: one query, read by size.
    pub async fn unattended(&self, now: Timestamp) -> Result<Vec<OpenImport>, StoreError> {
        let query = self
            .table
            .query(&KeyRange::all(keys::OPEN_IMPORTS))
            .filter_expression("due <= :now")
            .expression_attribute_values(":now", number(now.millis()));
        let mut items = query.into_paginator().items().send();
        let mut due = Vec::new();
        while due.len() < MAX_UNATTENDED {
            let Some(item) = items.next().await else { break };
            due.push(from_item(item?)?);
        }
        Ok(due)
    }

    /// Moves the check of an import to this time. Does nothing if the import is complete.
    pub async fn postpone_check(
        &self,
        team: TeamKey<'_>,
        import: &ImportId,
        check_at: Timestamp,
    ) -> Result<(), StoreError> {
        let postponed = self.table.update_if(keys::open_import(team, import), |update| {
            update
                .update_expression("SET due = :due")
                .condition_expression(EXISTS)
                .expression_attribute_values(":due", number(check_at.millis()))
        });
        postponed.await.map(drop)
    }

    /// Takes the turn of the team, or keeps it, until this time. `worker` distinguishes callers.
    pub async fn take_turn(
        &self,
        import: &Import,
        worker: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ImportTurn, StoreError> {
        let taken = self.table.update_if(keys::running_import(team_key(import)), |update| {
            update
                .update_expression("SET #import = :import, #worker = :worker, #until = :until")
                .condition_expression("attribute_not_exists(pk) OR #worker = :worker OR #until < :now")
                .expression_attribute_names("#import", "import")
                .expression_attribute_names("#worker", "worker")
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":import", text(&import.id))
                .expression_attribute_values(":worker", number(worker))
                .expression_attribute_values(":until", number(until.millis()))
                .expression_attribute_values(":now", number(now.millis()))
        });
        let Conditional::Failed(holder) = taken.await? else { return Ok(ImportTurn::Mine) };
        let holder: Option<TurnRow> = holder.map(from_item).transpose()?;
        let same = holder.is_some_and(|holder| holder.import == import.id);
        Ok(if same { ImportTurn::SameImport } else { ImportTurn::AnotherImport })
    }

    /// Ends the turn. Does nothing if another worker has it.
    pub async fn end_turn(&self, import: &Import, worker: u64) -> Result<(), StoreError> {
        let ended = self.table.delete_if(keys::running_import(team_key(import)), |delete| {
            delete
                .condition_expression("#worker = :worker")
                .expression_attribute_names("#worker", "worker")
                .expression_attribute_values(":worker", number(worker))
        });
        ended.await.map(drop)
    }
}

fn team_key(import: &Import) -> TeamKey<'_> {
    TeamKey { organization: &import.organization, team: &import.team }
}

impl ImportRow {
    fn of(import: &Import) -> Self {
        let import = import.clone();
        Self {
            ttl: (import.at + RETENTION).seconds(),
            id: import.id,
            org: import.organization,
            team: import.team,
            by: import.by,
            at: import.at,
            dry_run: import.dry_run,
            clears: import.clear_missing_assignments,
            status: import.status,
            reason: import.reason,
            file: import.file,
            done: import.done,
            counts: import.counts,
            pending: import.pending,
            finished_at: import.finished_at,
            version: import.version,
        }
    }

    fn import(self) -> Import {
        Import {
            id: self.id,
            organization: self.org,
            team: self.team,
            by: self.by,
            at: self.at,
            dry_run: self.dry_run,
            clear_missing_assignments: self.clears,
            status: self.status,
            reason: self.reason,
            file: self.file,
            done: self.done,
            counts: self.counts,
            pending: self.pending,
            finished_at: self.finished_at,
            version: self.version,
        }
    }
}
