//! Every minute: erases the messages and files that are older than their team keeps them.
//!
//! Each team is swept once per interval. What does not fit into a run is left to the next one. Idempotent:
//! what is erased is not found again, and each step of an erasure can be repeated. See
//! [`shared_app::retention`].

use std::time::Duration;

use shared_app::retention::{Expired, Expiry};
use shared_aws::{
    clients::{Aws, Bucket},
    table::{StoreError, Table},
};
use shared_domain::time::Timestamp;
use shared_lambda::{Error, config::Environment};

/// How long a run begins new messages. The rest of the function's time-out of 50 seconds is for the last
/// ones.
const BUDGET: Duration = Duration::from_secs(25);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    expiry: Expiry,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, bucket) = (env.required("TABLE_NAME"), env.required("FILES_BUCKET"));
        let interval = env.seconds("RETENTION_SWEEP_SECONDS");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(&Table::of(&aws, name), Bucket::new(&aws, &bucket), interval))
    }

    /// Each team is swept once per `interval`.
    pub fn new(table: &Table, bucket: Bucket, interval: Duration) -> Self {
        Self { expiry: Expiry::new(table, bucket, interval) }
    }
}

/// Why a run is an error. Alarms count it.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The list of teams could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Some conversations or teams could not be swept. A later run tries again.
    #[error("{} conversations or teams could not be swept", .0.failed)]
    Incomplete(Expired),
}

/// Does one run.
pub async fn handle(app: &App, clock: impl Fn() -> Timestamp) -> Result<Expired, SweepError> {
    let expired = app.expiry.run(clock, BUDGET).await?;
    if expired != Expired::default() {
        let Expired { teams, messages, files, reviews, events, failed } = expired;
        tracing::info!(
            event = "messages_expired",
            teams,
            messages,
            files,
            reviews,
            events,
            failed,
            "expired messages erased"
        );
    }
    if expired.failed > 0 { Err(SweepError::Incomplete(expired)) } else { Ok(expired) }
}
