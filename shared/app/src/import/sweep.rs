//! Imports that no worker continues, because their queue message is lost: they are queued again.
//!
//! Idempotent by the turn of the team: the sweep may queue an import that is in the queue already, and the
//! second worker finds that the first one has the turn, or that the import is complete.

use std::time::Duration;

use shared_aws::{
    clients::{ImportJob, ImportQueue},
    import::{Imports, OpenImport},
    table::{StoreError, Table},
};
use shared_domain::time::Timestamp;

/// How long a URL for an upload is valid.
pub const UPLOAD_URL_TTL: Duration = Duration::from_hours(1);
/// The time after the last slice at which an import is queued again. Longer than the queue hides a message
/// whose worker stopped.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_mins(20);
/// The time after its creation at which an import has its file or fails. An upload can begin until its URL
/// expires.
pub const UPLOAD_DEADLINE: Duration = Duration::from_mins(60 + 20);

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweptImports {
    /// Imports that were queued again.
    pub queued: usize,
    /// Imports that the next sweep tries again.
    pub failed: usize,
}

/// Queues imports that no worker continues.
#[derive(Debug, Clone)]
pub struct ImportSweep {
    imports: Imports,
    queue: ImportQueue,
}

impl ImportSweep {
    pub fn new(table: Table, queue: ImportQueue) -> Self {
        Self { imports: Imports::new(table), queue }
    }

    /// Does one sweep. Errors if the list of imports cannot be read.
    pub async fn run(&self, now: Timestamp) -> Result<SweptImports, StoreError> {
        let mut swept = SweptImports::default();
        for open in self.imports.unattended(now).await? {
            match self.queue.enqueue(&job(&open), Duration::ZERO).await {
                Ok(()) => {
                    let check_at = now + CHECK_INTERVAL;
                    self.imports.postpone_check(open.team_key(), &open.import, check_at).await?;
                    swept.queued += 1;
                    tracing::warn!(event = "import_queued_again", team = %open.team, import = %open.import, "import queued again");
                }
                Err(error) => {
                    swept.failed += 1;
                    tracing::error!(event = "import_not_queued", team = %open.team, import = %open.import, %error, "import not queued");
                }
            }
        }
        Ok(swept)
    }
}

fn job(open: &OpenImport) -> ImportJob {
    ImportJob {
        organization: open.organization.clone(),
        team: open.team.clone(),
        import: open.import.clone(),
    }
}
