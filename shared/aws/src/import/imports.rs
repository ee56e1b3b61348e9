//! Imports of contacts: the report of each, how far its worker came, and whose turn it is in a team.
//!
//! A worker takes a file in chunks. Before it writes a chunk's contacts it notes here how far the chunk goes and what it
//! counts ([`Import::begun`]), on the condition that nobody noted anything since it read. So the counts of a chunk are those
//! of its first reading, once, whatever is repeated: a worker that finds a chunk begun writes its contacts again, which
//! changes nothing where they stand, and counts nothing.
//!
//! One import of a team is worked on at a time, since two files could both make a contact that neither knew. The turn ends
//! by time, should a worker die; the counts do not rest on it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::{delete_item::DeleteItemError, update_item::UpdateItemError};
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{ContactId, ImportId, OrganizationId, TeamId, UserId},
    import::{Encoding, Refusal},
    phone::PhoneNumber,
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

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// Waits for its file or its turn.
    Queued,
    /// Rows are read.
    Running,
    /// All rows were read.
    Completed,
    /// It ended before its last row; `reason` says why.
    Failed,
}

impl ImportStatus {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Nothing changes any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// The file as it was found when reading began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFile {
    /// The bucket's name for this very content: reading goes on only in the same.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// Written in Windows-1252 instead of UTF-8.
    pub western: bool,
    /// Rows with something in them, the header not counted.
    pub rows: u64,
}

impl ImportFile {
    /// How the text is written.
    pub fn encoding(&self) -> Encoding {
        if self.western { Encoding::Windows1252 } else { Encoding::Utf8 }
    }
}

/// A place between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePosition {
    /// Bytes before it.
    pub offset: u64,
    /// The number of the row before it; the header is row 1.
    pub row: u64,
}

/// What rows came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Rows read.
    pub rows: u64,
    /// New contacts.
    pub created: u64,
    /// Contacts that changed.
    pub updated: u64,
    /// Rows that said what was known.
    pub unchanged: u64,
    /// Rows refused.
    pub refused: u64,
    /// Faults that are kept.
    pub errors: usize,
    /// Faults beyond those.
    pub errors_beyond: u64,
}

impl std::ops::AddAssign for ImportCounts {
    fn add_assign(&mut self, more: Self) {
        self.rows += more.rows;
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.refused += more.refused;
        self.errors += more.errors;
        self.errors_beyond += more.errors_beyond;
    }
}

/// A number that a contact leaves for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedNumber {
    contact: String,
    /// The number it had.
    pub number: PhoneNumber,
    /// Whether the team wanted no exchange with it.
    pub blocked: bool,
}

impl ReleasedNumber {
    /// By this contact.
    pub fn by(contact: &ContactId, number: PhoneNumber, blocked: bool) -> Self {
        Self { contact: contact.to_string(), number, blocked }
    }

    /// Who had it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn contact(&self) -> Result<ContactId, StoreError> {
        parse_id(&self.contact)
    }
}

/// A chunk of rows whose contacts may be written by now, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingChunk {
    /// Where it ends.
    pub end: FilePosition,
    /// What its rows came to.
    pub counts: ImportCounts,
    /// Numbers that its contacts leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<ReleasedNumber>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// The tenant.
    pub organization: OrganizationId,
    /// Whose contacts.
    pub team: TeamId,
    /// Who asked for it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Nothing is written, but for the report.
    pub dry_run: bool,
    /// A file without the column `StaffId` clears assignments.
    pub clear_missing_assignments: bool,
    /// How far it is.
    pub status: ImportStatus,
    /// Why it failed.
    pub reason: Option<String>,
    /// The file, once reading began.
    pub file: Option<ImportFile>,
    /// All rows before this place are done.
    pub done: FilePosition,
    /// What they came to.
    pub counts: ImportCounts,
    /// The chunk after it, if it was begun.
    pub begun: Option<PendingChunk>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Grows with each write: whoever writes says which one they read.
    pub version: u64,
}

impl Import {
    /// The same with its begun chunk done.
    pub fn finish_chunk(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.done = begun.end;
            self.counts += begun.counts;
        }
    }

    /// The same, over.
    pub fn end(&mut self, status: ImportStatus, reason: Option<String>, now: Timestamp) {
        (self.status, self.reason, self.finished_at) = (status, reason, Some(now));
    }

    /// Where its file stands in the bucket.
    pub fn object(&self) -> String {
        format!("{}{}/{}/{}.csv", OBJECTS, self.organization, self.team, self.id)
    }
}

/// Where files of imports begin in the bucket; the template's rights and events name it as well.
pub const OBJECTS: &str = "imports/";

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
    faults: Vec<Refusal>,
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
    pub async fn faults(&self, import: &Import) -> Result<Vec<Refusal>, StoreError> {
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
    pub async fn advance(&self, import: &mut Import, faults: &[Refusal]) -> Result<bool, StoreError> {
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
            begun: import.begun.clone(),
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
            begun: self.begun,
            finished_at: self.finished_at,
            version: self.version,
        })
    }
}
