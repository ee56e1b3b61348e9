//! Imports of contacts.

use serde::{Deserialize, Serialize};
use shared_domain::import::{Import, ImportCounts, RowError};
use utoipa::ToSchema;

/// An import, or what it would do: its report so far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportView {
    /// Its id.
    pub import_id: String,
    /// `queued`, `running`, `completed` or `failed`.
    pub status: &'static str,
    /// Nothing is written, but for this report.
    pub dry_run: bool,
    /// Rows that were read; the header and blank rows are not counted. The sum of the four that follow.
    pub rows: u64,
    /// New contacts.
    pub created: u64,
    /// Contacts that changed.
    pub updated: u64,
    /// Rows that said what was known.
    pub unchanged: u64,
    /// Rows that were refused, each with its reasons in `errors`.
    pub refused: u64,
    /// The first thousand reasons, in the order of the rows.
    pub errors: Vec<ImportErrorView>,
    /// How many reasons there are beyond those.
    pub errors_beyond: u64,
    /// Rows of the file, once it was looked through.
    #[schema(required)]
    pub total_rows: Option<u64>,
    /// Why it failed, if it did.
    #[schema(required)]
    pub reason: Option<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was over.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
    /// Where to put the file; only in the answer to a request for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadView>,
}

/// Why a row was refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportErrorView {
    /// As a spreadsheet counts: the header is row 1.
    pub row: u64,
    /// The column as the file calls it; empty when it is about the whole row.
    pub field: String,
    /// A sentence for people.
    pub reason: String,
}

/// A request that anybody can make who has it: it puts the file, and thereby begins the import.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadView {
    /// Where.
    pub url: String,
    /// `PUT`.
    pub method: &'static str,
    /// Headers that have to be sent as they are.
    pub headers: UploadHeaders,
    /// Until when it may begin.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Headers of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadHeaders {
    /// `text/csv`.
    #[serde(rename = "content-type")]
    pub content_type: &'static str,
}

/// What is asked for with a file that will be uploaded.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportUpload {
    /// A file without the column `StaffId` clears the assignments of its contacts, instead of leaving them alone.
    #[serde(default)]
    pub clear_missing_assignments: bool,
}

impl ImportView {
    /// As it stands, with these faults.
    pub fn of(import: &Import, errors: Vec<RowError>) -> Self {
        let ImportCounts { rows, created, updated, unchanged, refused, errors_beyond, .. } = import.counts;
        let error = |RowError { row, field, reason }| ImportErrorView { row, field, reason };
        Self {
            import_id: import.id.to_string(),
            status: import.status.as_str(),
            dry_run: import.dry_run,
            rows,
            created,
            updated,
            unchanged,
            refused,
            errors: errors.into_iter().map(error).collect(),
            errors_beyond,
            total_rows: import.file.as_ref().map(|file| file.rows),
            reason: import.reason.clone(),
            created_at: import.at.to_string(),
            finished_at: import.finished_at.map(|at| at.to_string()),
            upload: None,
        }
    }
}
