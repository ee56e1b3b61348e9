//! What a worker does for a broadcast: a slice, as long as it has the lease.

use std::time::Duration;

use shared_aws::{clients::BroadcastJob, table::StoreError};
use shared_domain::{broadcast::BroadcastStatus, time::Timestamp};

use super::BroadcastWorkflow;

/// How much earlier than planned a message may continue a broadcast: the clock of its host may be behind, and
/// the queue counts in whole seconds.
const EARLY: Duration = Duration::from_secs(1);

/// What a worker does after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// The broadcast has no work to do, or another worker does it.
    Over,
    /// There is more to do now.
    Continue,
    /// There is more to do after this time.
    ContinueAfter(Duration),
}

impl BroadcastWorkflow {
    /// Does the next part of a broadcast. `worker` is a random number that names the caller.
    pub async fn run_slice(
        &self,
        clock: impl Fn() -> Timestamp,
        worker: u64,
        job: &BroadcastJob,
    ) -> Result<Slice, StoreError> {
        let team = job.team_key();
        if !self.broadcasts.acquire(team, &job.broadcast, worker, job.continues, clock()).await? {
            return Ok(Slice::Over);
        }
        let slice = self.slice(&clock, worker, job).await;
        let go_on_at = match slice {
            Ok(Slice::Continue) => Some(clock() - EARLY),
            Ok(Slice::ContinueAfter(wait)) => Some(clock() + wait - EARLY),
            Ok(Slice::Over) | Err(_) => None,
        };
        self.broadcasts.give_back(team, &job.broadcast, worker, go_on_at).await?;
        slice
    }

    async fn slice(
        &self,
        clock: &impl Fn() -> Timestamp,
        worker: u64,
        job: &BroadcastJob,
    ) -> Result<Slice, StoreError> {
        let Some(found) = self.broadcasts.get(job.team_key(), &job.broadcast).await? else {
            return Ok(Slice::Over);
        };
        let now = clock();
        match found.value.status {
            BroadcastStatus::Scheduled if found.value.scheduled_at.is_none_or(|at| at <= now) => {
                self.prepare(clock, worker, found).await
            }
            BroadcastStatus::Preparing => self.prepare(clock, worker, found).await,
            BroadcastStatus::Running => self.release(clock, found).await,
            BroadcastStatus::Completed => self.settle(now, found).await,
            BroadcastStatus::Canceled => self.leave_out(clock, found).await,
            BroadcastStatus::Paused => self.watch(now, found).await,
            BroadcastStatus::Draft | BroadcastStatus::Scheduled | BroadcastStatus::Failed => Ok(Slice::Over),
        }
    }
}
