//! Bringing back the files that were deleted since the table was backed up.
//!
//! A deleted file stays in the bucket behind a marker, as long as the backups of the table. It is brought
//! back if a message in the table names it. What was erased, with a contact or by the retention of a team,
//! has no versions any more, so it does not come back.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use shared_aws::{
    clients::{Bucket, BucketError, DeletedFile},
    messaging::files_of,
    restore::{CheckedItem, TableCopy},
    table::{StoreError, Table},
};
use shared_domain::time::Timestamp;

/// Where the files of messages are.
const FILES: &str = "media/";
/// Maximum number of files that are brought back at the same time.
const MAX_CONCURRENCY: usize = 16;
/// How many files come back between two reports of progress.
const FILES_PER_REPORT: usize = 1_000;

/// Why not all files are back. The next run continues.
#[derive(Debug, thiserror::Error)]
pub enum RestoredFilesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// What a run has done until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileProgress {
    /// Versions in the bucket were read.
    Read(usize),
    /// Files are back.
    Restored(usize),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredFiles {
    /// Files that are back.
    pub restored: usize,
    /// Files that stay deleted, because no message names them.
    pub unnamed: usize,
}

/// Brings back the files of a restored table.
#[derive(Debug)]
pub struct RestoredFilesWorkflow {
    items: TableCopy,
    bucket: Bucket,
}

impl RestoredFilesWorkflow {
    pub fn new(table: &Table, bucket: Bucket) -> Self {
        Self { items: TableCopy::new(table.clone()), bucket }
    }

    /// Brings back what was deleted at `since` or later. Reads the whole table if anything was.
    pub async fn run(
        &self,
        since: Timestamp,
        clock: impl Fn() -> Timestamp,
        progress: impl Fn(FileProgress),
    ) -> Result<RestoredFiles, RestoredFilesError> {
        let read = |versions| progress(FileProgress::Read(versions));
        let deleted = self.bucket.deleted_since(FILES, since, &clock, read).await?;
        let named = self.named(&deleted).await?;
        let mut done = RestoredFiles { restored: 0, unnamed: deleted.len() - named.len() };
        let files = deleted.iter().filter(|file| named.contains(&file.key));
        let undeleted = files.map(|file| self.bucket.undelete(file, clock()));
        let mut undeleted = stream::iter(undeleted).buffer_unordered(MAX_CONCURRENCY);
        while let Some(result) = undeleted.next().await {
            result?;
            done.restored += 1;
            if done.restored.is_multiple_of(FILES_PER_REPORT) {
                progress(FileProgress::Restored(done.restored));
            }
        }
        Ok(done)
    }

    /// Returns the keys of these files that a message names.
    async fn named(&self, files: &[DeletedFile]) -> Result<BTreeSet<String>, StoreError> {
        let wanted: BTreeSet<&str> = files.iter().map(|file| file.key.as_str()).collect();
        let mut named = BTreeSet::new();
        if wanted.is_empty() {
            return Ok(named);
        }
        let look = |item| {
            let files = match item {
                CheckedItem::OpenMessage(organization, message) => files_of(&organization, &message),
                CheckedItem::Message { files, .. } => files,
                _ => return,
            };
            named.extend(files.into_iter().filter(|file| wanted.contains(file.as_str())));
        };
        // The number of the restore matters for conversations alone.
        self.items.check(1, look).await?;
        Ok(named)
    }
}
