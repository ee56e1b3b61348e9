//! On a schedule: queues a check of each registration that waits for the carrier and was not checked
//! recently, so that a lost event delays a registration and does not block it.
//!
//! Idempotent, because checking a registration twice changes nothing. If a run dies before it marks what it
//! queued, the next run queues it again.

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
    /// Registrations whose check was queued.
    pub queued: usize,
    /// Registrations that were checked recently.
    pub not_due: usize,
    /// Registrations that were not queued, or could not be marked. The next run tries again.
    pub failed: usize,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, queue) = (env.required("TABLE_NAME"), env.required("REGISTRATION_QUEUE_URL"));
        let interval = Duration::from_secs(env.number("REGISTRATION_POLL_SECONDS", 1));
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), RegistrationQueue::new(&aws, queue), interval))
    }

    /// Each registration is checked once per `interval`.
    pub fn new(table: Table, queue: RegistrationQueue, interval: Duration) -> Self {
        Self { registrations: Registrations::new(table), queue, interval }
    }
}

/// Does one run. Errors if the list of registrations cannot be read.
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
            tracing::error!(event = "registration_check_not_queued", team = %waiting.team, %error, "registration check not queued");
        } else if let Err(error) = app.registrations.mark_polled(waiting, now).await {
            tally.failed += 1;
            tracing::warn!(event = "registration_poll_not_marked", team = %waiting.team, %error, "registration check queued but not marked");
        } else {
            tally.queued += 1;
        }
    }
    tracing::info!(
        event = "registrations_polled",
        queued = tally.queued,
        not_due = tally.not_due,
        failed = tally.failed,
        "registrations polled"
    );
    Ok(tally)
}

fn job(waiting: &PendingRegistration) -> RegistrationJob {
    RegistrationJob {
        organization: waiting.organization.clone(),
        team: waiting.team.clone(),
        announcement: None,
    }
}
