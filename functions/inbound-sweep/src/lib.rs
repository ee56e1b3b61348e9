//! Every minute: takes in inbound messages whose webhook was lost, and sets the webhooks of numbers that lost
//! theirs.
//!
//! Idempotent: a message is stored once by the carrier's id, whether its webhook or the sweep comes first.
//! See [`shared_app::sweep`].

use std::time::Duration;

use shared_app::{
    carrier,
    sweep::{self, SweepWorkflow, Swept},
};
use shared_aws::{
    clients::{Aws, Secrets},
    table::Table,
};
use shared_carriers::twilio::{Client, NumberWebhooks};
use shared_domain::{opt_out::KeywordReplies, time::Timestamp};
use shared_lambda::{Error, clock, config::Environment};

const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a run begins new numbers. The rest of the function's timeout of 50 seconds is for the last ones.
const SWEEP_BUDGET: Duration = Duration::from_secs(30);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    sweep: SweepWorkflow,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, base) = (env.required("TABLE_NAME"), env.required("PUBLIC_BASE_URL"));
        let (secret, carrier_url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let replies = env.required("KEYWORD_REPLIES");
        env.finish()?;
        let replies =
            KeywordReplies::parse(&replies).ok_or("KEYWORD_REPLIES must be `carrier` or `product`")?;
        let aws = Aws::from_environment()?;
        let carrier =
            carrier::client(&Secrets::of(&aws), &secret, &carrier_url, CARRIER_TIMEOUT, clock::now)?;
        Ok(Self::new(&Table::of(&aws, name), carrier, &base, replies))
    }

    /// `base` is the public base URL of the webhooks. `replies` says who answers keywords.
    pub fn new(table: &Table, carrier: Client, base: &str, replies: KeywordReplies) -> Self {
        Self { sweep: SweepWorkflow::new(table, carrier, NumberWebhooks::of_product(base), replies) }
    }
}

/// Why a run is an error. Alarms count it.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The numbers could not be listed.
    #[error(transparent)]
    NotListed(#[from] sweep::SweepError),
    /// Messages of some numbers could not be read or stored. The next run tries again.
    #[error("messages of {} numbers could not be read or stored", .0.failed)]
    Incomplete(Swept),
}

/// Does one run. Numbers that its time does not suffice for are no error: the next run reads them.
pub async fn handle(app: &App, clock: impl Fn() -> Timestamp, entropy: u64) -> Result<Swept, SweepError> {
    let swept = app.sweep.run(clock, entropy, SWEEP_BUDGET).await?;
    tracing::info!(
        event = "inbound_swept",
        numbers = swept.numbers,
        found = swept.found,
        restored = swept.restored,
        failed = swept.failed,
        skipped = swept.skipped,
        "inbound messages swept"
    );
    if swept.failed > 0 { Err(SweepError::Incomplete(swept)) } else { Ok(swept) }
}
