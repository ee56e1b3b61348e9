//! On a schedule: queues the registrations that wait for the carrier and were not asked about of late, so that a lost
//! event delays a registration and never blocks it.
//!
//! Idempotent, since looking at a registration twice changes nothing: a run that broke off before it noted what it queued
//! makes the next one queue it again.

use std::time::Duration;

use shared_aws::{
    clients::{Aws, RegistrationJob, RegistrationQueue},
    registration::{PendingRegistration, Registrations},
    table::{StoreError, Table},
};
use shared_domain::time::Timestamp;
use shared_lambda::config::{ConfigError, Environment};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    registrations: Registrations,
    queue: RegistrationQueue,
    interval: Duration,
}

/// What one run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Registrations that are in the queue.
    pub queued: usize,
    /// Registrations that were asked about too recently.
    pub not_due: usize,
    /// Registrations that the queue did not take, or whose asking could not be noted.
    pub failed: usize,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("REGISTRATION_QUEUE_URL"));
        let interval = Duration::from_secs(env.number("REGISTRATION_POLL_SECONDS", 1));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), RegistrationQueue::new(&aws, queue), interval))
    }

    /// Over this table and queue; the carrier is asked about each registration once per interval.
    pub fn new(table: Table, queue: RegistrationQueue, interval: Duration) -> Self {
        Self { registrations: Registrations::new(table), queue, interval }
    }
}

/// One run.
///
/// # Errors
/// [`StoreError`] when the list itself cannot be read; a single registration that fails is counted and comes again.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let waiting = app.registrations.pending().await?;
    let is_due =
        |waiting: &PendingRegistration| waiting.asked.is_none_or(|asked| asked + app.interval <= now);
    let (due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_due);
    let jobs: Vec<_> = due.iter().map(job).collect();
    let answers = app.queue.enqueue(&jobs).await;
    let mut tally = Tally { not_due: rest.len(), ..Tally::default() };
    for (waiting, answer) in due.iter().zip(answers) {
        if let Err(error) = answer {
            tally.failed += 1;
            tracing::error!(team = %waiting.team, %error, "not queued");
        } else if let Err(error) = app.registrations.mark_polled(waiting, now).await {
            tally.failed += 1;
            tracing::warn!(team = %waiting.team, %error, "queued, and will be queued again by the next run");
        } else {
            tally.queued += 1;
        }
    }
    tracing::info!(queued = tally.queued, not_due = tally.not_due, failed = tally.failed, "polled");
    Ok(tally)
}

fn job(waiting: &PendingRegistration) -> RegistrationJob {
    RegistrationJob {
        organization: waiting.organization.clone(),
        team: waiting.team.clone(),
        announcement: None,
    }
}
