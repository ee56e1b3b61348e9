//! Contact imports.

use serde::{Deserialize, Serialize};
use shared_domain::import::{Import, ImportCounts, RowError};
use utoipa::ToSchema;

use super::values::{CellSeparator, FileEncoding, ImportStatus, UploadMethod};

/// An import and its report.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportView {
    /// ID of the import.
    pub import_id: String,
    #[schema(value_type = ImportStatus)]
    pub status: &'static str,
    /// Whether the import only reports what it would change.
    pub dry_run: bool,
    /// Rows read so far, without the header and blank rows: the sum of the four counts below.
    pub rows: u64,
    /// Contacts created.
    pub created: u64,
    /// Contacts changed.
    pub updated: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Invalid rows. `errors` lists the reasons.
    pub refused: u64,
    /// The first 1,000 errors, in the order of the rows. A row with an error was refused unless `imported`.
    pub errors: Vec<ImportErrorView>,
    /// Number of errors that `errors` does not list.
    pub errors_beyond: u64,
    /// Rows in the file. `null` until the file has been scanned.
    #[schema(required)]
    pub total_rows: Option<u64>,
    /// As found in the file. `null` until the file has been scanned.
    #[schema(required, value_type = Option<CellSeparator>)]
    pub separator: Option<&'static str>,
    /// As found in the file. `null` until the file has been scanned.
    #[schema(required, value_type = Option<FileEncoding>)]
    pub encoding: Option<&'static str>,
    /// Why the import failed. `null` if it did not fail.
    #[schema(required)]
    pub reason: Option<String>,
    /// Time of the request.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Time when the import finished. `null` until then.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
    /// Where to upload the file. Only in the response to a request for an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<FileUpload>,
}

/// An error in a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportErrorView {
    /// Row number as a spreadsheet shows it. The header is row 1.
    pub row: u64,
    /// Column name as in the file. Empty if the error concerns the whole row.
    pub field: String,
    /// Explanation.
    pub reason: String,
    /// Whether the row was imported. `true` if there is only something to check, such as a user ID that does
    /// not exist.
    pub imported: bool,
}

/// The request that uploads the file and starts the import. The URL is presigned: keep it secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileUpload {
    /// URL to send the file to.
    #[schema(format = "uri")]
    pub url: String,
    #[schema(value_type = UploadMethod)]
    pub method: &'static str,
    /// Headers to send without changes.
    pub headers: UploadHeaders,
    /// The upload must start before this time.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Headers of the upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadHeaders {
    /// `text/csv`
    #[serde(rename = "content-type")]
    pub content_type: &'static str,
}

/// A request to upload a file.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportUpload {
    /// Whether a file without the column `StaffId` clears the assignments of its contacts.
    #[serde(default)]
    pub clear_missing_assignments: bool,
}

impl ImportView {
    pub fn of(import: &Import, errors: Vec<RowError>) -> Self {
        let ImportCounts { rows, created, updated, unchanged, refused, errors_beyond, .. } = import.counts;
        let error = |error: RowError| {
            let RowError { row, field, reason, imported } = error;
            ImportErrorView { row, field, reason, imported }
        };
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
            separator: import.file.as_ref().map(|file| file.separator.as_str()),
            encoding: import.file.as_ref().map(|file| file.encoding().as_str()),
            reason: import.reason.clone(),
            created_at: import.at.to_string(),
            finished_at: import.finished_at.map(|at| at.to_string()),
            upload: None,
        }
    }
}
