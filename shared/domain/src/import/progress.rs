//! The state of an import: its progress, the counts of its rows, and the chunk that is being written.
//!
//! A worker processes a file in chunks. Before it writes the contacts of a chunk, it stores the import with
//! the chunk's end and counts as [`Import::pending`]. The store accepts this only if no other worker has
//! written since the worker read the import. A worker that finds a pending chunk writes its contacts again,
//! which changes nothing where they are already stored, and does not count them again. Therefore each chunk
//! is counted exactly once, even if a crash or a retry repeats it.

use serde::{Deserialize, Serialize};

use super::{
    Encoding, HEADER_ROW, Separator,
    report::{ChunkReport, ImportCounts, MAX_ERRORS, RowError},
};
use crate::{
    ids::{ContactId, ImportId, OrganizationId, TeamId, UserId},
    keys::TeamKey,
    phone::PhoneNumber,
    time::Timestamp,
};

/// The phase an import is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// Waits for its file, or for another import of the team.
    Queued,
    /// Rows are being read.
    Running,
    /// All rows were read.
    Completed,
    /// Ended before the last row; [`Import::reason`] says why.
    Failed,
}

impl ImportStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the import has ended.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Completed | Self::Failed => true,
        }
    }
}

/// The file as it was when reading began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFile {
    /// The bucket's name for this exact content. Reading continues only in the same content.
    pub etag: String,
    /// In bytes.
    pub size: u64,
    /// Whether the encoding is Windows-1252 instead of UTF-8.
    pub western: bool,
    /// Between the columns.
    #[serde(default)]
    pub separator: Separator,
    /// Rows that are not blank, without the header.
    pub rows: u64,
}

impl ImportFile {
    /// How the text of the file is encoded.
    pub fn encoding(&self) -> Encoding {
        if self.western { Encoding::Windows1252 } else { Encoding::Utf8 }
    }
}

/// A position between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePosition {
    /// Bytes before it.
    pub offset: u64,
    /// The number of the row before it. The header is row 1.
    pub row: u64,
}

/// A number that a contact gave up because its row has another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedNumber {
    /// The contact that had the number.
    pub contact: ContactId,
    /// The old number.
    pub number: PhoneNumber,
}

/// A chunk that was begun: its contacts may be written in full, in part, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingChunk {
    /// Where the chunk ends.
    pub end: FilePosition,
    /// What its rows amounted to when they were first read.
    pub counts: ImportCounts,
    /// Numbers that its contacts gave up.
    #[serde(rename = "left", default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<ReleasedNumber>,
}

/// The choices of the user who starts an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Report what would change, and write no contact.
    pub dry_run: bool,
    /// Treat a file without the column `StaffId` as if all its cells were blank.
    pub clear_missing_assignments: bool,
}

/// An import of contacts into a team.
///
/// ```
/// use shared_domain::ids::{ImportId, OrganizationId, TeamId, UserId};
/// use shared_domain::import::{ChunkReport, FilePosition, Import, ImportOptions, Outcome};
/// use shared_domain::{keys::TeamKey, time::Timestamp};
///
/// let (organization, team) = (OrganizationId::parse("org_1").unwrap(), TeamId::parse("team_1").unwrap());
/// let team = TeamKey { organization: &organization, team: &team };
/// let id = ImportId::parse("imp_1").unwrap();
/// let by = UserId::parse("ada").unwrap();
/// let now = Timestamp::from_millis(1_800_000_000_000);
///
/// let mut import = Import::queued(id, team, by, ImportOptions::default(), now);
/// let mut report = ChunkReport::default();
/// report.accept(Outcome::Created);
/// import.begin_chunk(FilePosition { offset: 90, row: 2 }, report, Vec::new());
/// assert_eq!(import.counts.rows, 0);
/// import.finish_chunk();
/// assert_eq!((import.counts.rows, import.done.row), (1, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Import {
    pub id: ImportId,
    pub organization: OrganizationId,
    pub team: TeamId,
    /// The user who started it.
    pub by: UserId,
    /// When it was started.
    pub at: Timestamp,
    /// See [`ImportOptions::dry_run`].
    pub dry_run: bool,
    /// See [`ImportOptions::clear_missing_assignments`].
    pub clear_missing_assignments: bool,
    pub status: ImportStatus,
    /// Why it failed.
    pub reason: Option<String>,
    /// The file, once reading began.
    pub file: Option<ImportFile>,
    /// All rows before this position are written and counted.
    pub done: FilePosition,
    /// What these rows amounted to.
    pub counts: ImportCounts,
    /// The chunk after them, if it was begun.
    pub pending: Option<PendingChunk>,
    /// When it completed or failed.
    pub finished_at: Option<Timestamp>,
    /// Increases with every write, so that a write can name the version it was based on.
    pub version: u64,
}

impl Import {
    /// A new import that waits for its file.
    pub fn queued(
        id: ImportId,
        team: TeamKey<'_>,
        by: UserId,
        options: ImportOptions,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            organization: team.organization.clone(),
            team: team.team.clone(),
            by,
            at: now,
            dry_run: options.dry_run,
            clear_missing_assignments: options.clear_missing_assignments,
            status: ImportStatus::Queued,
            reason: None,
            file: None,
            done: FilePosition::default(),
            counts: ImportCounts::default(),
            pending: None,
            finished_at: None,
            version: 1,
        }
    }

    /// The team whose contacts are imported.
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }

    /// Starts reading this file.
    pub fn start(&mut self, file: ImportFile) {
        self.file = Some(file);
        self.status = ImportStatus::Running;
    }

    /// Begins a chunk that ends at `end`. Returns the errors to store with it: as many as the import has room
    /// for ([`MAX_ERRORS`]); the rest are only counted.
    pub fn begin_chunk(
        &mut self,
        end: FilePosition,
        report: ChunkReport,
        released: Vec<ReleasedNumber>,
    ) -> Vec<RowError> {
        let ChunkReport { mut counts, mut errors } = report;
        let kept = errors.len().min(MAX_ERRORS.saturating_sub(self.counts.errors));
        counts.errors_beyond += (errors.len() - kept) as u64;
        counts.errors = kept;
        errors.truncate(kept);
        self.pending = Some(PendingChunk { end, counts, released });
        errors
    }

    /// Counts the pending chunk, whose contacts are now written, and moves on to its end.
    pub fn finish_chunk(&mut self) {
        if let Some(chunk) = self.pending.take() {
            self.done = chunk.end;
            self.counts += chunk.counts;
        }
    }

    /// Ends the import after its last row.
    pub fn complete(&mut self, now: Timestamp) {
        (self.status, self.finished_at) = (ImportStatus::Completed, Some(now));
    }

    /// Ends the import before its last row.
    pub fn fail(&mut self, reason: String, now: Timestamp) {
        (self.status, self.reason, self.finished_at) = (ImportStatus::Failed, Some(reason), Some(now));
    }

    /// Ends the import because of its header. Returns the error to store.
    pub fn fail_at_header(&mut self, reason: String, now: Timestamp) -> RowError {
        self.counts.errors += 1;
        self.done.row = self.done.row.max(HEADER_ROW); // errors are listed up to this row
        self.fail(reason.clone(), now);
        RowError { row: HEADER_ROW, field: String::new(), reason, imported: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{CellError, Outcome};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn import() -> Import {
        let (organization, team) =
            (OrganizationId::parse("org_1").unwrap(), TeamId::parse("team_1").unwrap());
        let (id, by) = (ImportId::parse("imp_1").unwrap(), UserId::parse("ada").unwrap());
        let team = TeamKey { organization: &organization, team: &team };
        Import::queued(id, team, by, ImportOptions::default(), NOW)
    }

    fn report(created: u64, refused: u64) -> ChunkReport {
        let mut report = ChunkReport::default();
        (0..created).for_each(|_| report.accept(Outcome::Created));
        (0..refused).for_each(|row| report.refuse(row + 2, [CellError::new("MobileNumber", "bad")]));
        report
    }

    fn end(row: u64) -> FilePosition {
        FilePosition { offset: row * 10, row }
    }

    #[test]
    fn a_pending_chunk_is_counted_once_when_it_is_finished() {
        let mut import = import();
        assert_eq!(import.begin_chunk(end(4), report(2, 1), Vec::new()).len(), 1);
        assert_eq!((import.done, import.counts), (FilePosition::default(), ImportCounts::default()));
        import.finish_chunk();
        import.finish_chunk();
        let counts = ImportCounts { rows: 3, created: 2, refused: 1, errors: 1, ..ImportCounts::default() };
        assert_eq!((import.done, import.counts, &import.pending), (end(4), counts, &None));
    }

    #[test]
    fn an_import_keeps_a_thousand_errors_over_all_its_chunks() {
        let mut import = import();
        assert_eq!(import.begin_chunk(end(999), report(0, 999), Vec::new()).len(), 999);
        import.finish_chunk();
        let kept = import.begin_chunk(end(1002), report(0, 3), Vec::new());
        assert_eq!((kept.len(), kept[0].row), (1, 2));
        import.finish_chunk();
        assert_eq!((import.counts.errors, import.counts.errors_beyond), (1000, 2));
        assert!(import.begin_chunk(end(1003), report(0, 1), Vec::new()).is_empty());
        import.finish_chunk();
        assert_eq!((import.counts.refused, import.counts.errors_beyond), (1003, 3));
    }

    #[test]
    fn an_import_ends_completed_or_failed_with_a_reason() {
        let mut completed = import();
        let file = ImportFile {
            etag: "\"e\"".into(),
            size: 90,
            western: true,
            separator: Separator::Semicolon,
            rows: 2,
        };
        assert_eq!(file.encoding(), Encoding::Windows1252);
        assert_eq!(ImportFile { western: false, ..file.clone() }.encoding(), Encoding::Utf8);
        completed.start(file.clone());
        assert_eq!((completed.status, completed.file.as_ref()), (ImportStatus::Running, Some(&file)));
        completed.complete(NOW);
        assert_eq!((completed.status, completed.finished_at), (ImportStatus::Completed, Some(NOW)));
        let mut failed = import();
        failed.fail("the file was removed".into(), NOW);
        assert_eq!((failed.status, failed.finished_at), (ImportStatus::Failed, Some(NOW)));
        assert_eq!((failed.reason.as_deref(), failed.counts.errors), (Some("the file was removed"), 0));
    }

    #[test]
    fn a_bad_header_is_an_error_of_row_1() {
        let mut import = import();
        let error = import.fail_at_header("missing: MobileNumber".into(), NOW);
        let expected = RowError {
            row: 1,
            field: String::new(),
            reason: "missing: MobileNumber".into(),
            imported: false,
        };
        assert_eq!((error, import.done.row, import.counts.errors), (expected, 1, 1));
        assert_eq!((import.status, import.counts.rows), (ImportStatus::Failed, 0));
        import.done.row = 7;
        import.fail_at_header("again".into(), NOW);
        assert_eq!(import.done.row, 7);
    }

    #[test]
    fn statuses_have_the_names_of_the_api() {
        let all =
            [ImportStatus::Queued, ImportStatus::Running, ImportStatus::Completed, ImportStatus::Failed];
        assert_eq!(all.map(ImportStatus::as_str), ["queued", "running", "completed", "failed"]);
        assert_eq!(all.map(ImportStatus::is_over), [false, false, true, true]);
    }

    #[test]
    fn a_pending_chunk_is_stored_under_the_names_it_always_had() {
        let chunk = PendingChunk { end: end(2), counts: ImportCounts::default(), released: Vec::new() };
        let json = serde_json::to_value(&chunk).unwrap();
        assert_eq!(json["end"], serde_json::json!({ "offset": 20, "row": 2 }));
        assert!(json.get("left").is_none() && json["counts"]["errors_beyond"] == 0);
        let contact = ContactId::parse("con_1").unwrap();
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let released = vec![ReleasedNumber { contact, number }];
        let json = serde_json::to_value(PendingChunk { released, ..chunk }).unwrap();
        let expected = serde_json::json!([{ "contact": "con_1", "number": "+12025550143" }]);
        assert_eq!(json["left"], expected);
    }
}
