//! Every few minutes: undoes inbox creations that were abandoned.
//!
//! An interrupted creation leaves a reservation, and possibly a number that costs money. During a grace
//! period a retry with the same idempotency key completes it. After that the number is released and the
//! reservation removed. A number belongs to a reservation if its name at the carrier is the inbox's id.
//! Idempotent: releasing a number or removing a reservation that is gone does nothing.

use std::time::Duration;

use shared_app::carrier;
use shared_aws::{
    clients::{Aws, Secrets},
    inbox::{Bought, Inboxes, NewInboxes, Purchase},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{CallError, Client};
use shared_domain::{inbox::Stage, keys::InboxKey, time::Timestamp};
use shared_lambda::{Error, clock, config::Environment};

const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the function uses.
#[derive(Debug)]
pub struct App {
    carrier: Client,
    inboxes: Inboxes,
    new_inboxes: NewInboxes,
    grace: Duration,
}

/// What one run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reservations that were removed.
    pub undone: usize,
    /// Numbers that were released.
    pub released: usize,
    /// Creations within their grace period.
    pub waiting: usize,
    /// Creations that could not be undone. The next run tries again.
    pub failed: usize,
}

#[derive(Debug, thiserror::Error)]
enum UndoError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Carrier(#[from] CallError),
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (url, grace) = (env.required("CARRIER_BASE_URL"), env.seconds("PURCHASE_GRACE_SECONDS"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier = carrier::client(&Secrets::of(&aws), &secret, &url, CARRIER_TIMEOUT, clock::now)?;
        Ok(Self::new(&Table::of(&aws, name), carrier, grace))
    }

    /// A creation is undone after `grace`.
    pub fn new(table: &Table, carrier: Client, grace: Duration) -> Self {
        Self {
            carrier,
            inboxes: Inboxes::new(table.clone()),
            new_inboxes: NewInboxes::new(table.clone()),
            grace,
        }
    }
}

/// Does one run. Errors if the list of creations cannot be read.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for purchase in app.new_inboxes.unresolved().await? {
        if purchase.at + app.grace > now {
            tally.waiting += 1;
            continue;
        }
        if let Err(error) = undo(app, &purchase, &mut tally).await {
            tally.failed += 1;
            tracing::error!(event = "inbox_creation_not_undone", inbox = %purchase.inbox, %error, "abandoned inbox creation not undone");
        }
    }
    tracing::info!(
        event = "inboxes_reconciled",
        undone = tally.undone,
        released = tally.released,
        waiting = tally.waiting,
        failed = tally.failed,
        "inbox creations reconciled"
    );
    Ok(tally)
}

/// The reservation is removed before the number: a retry at the same time then finds no reservation to
/// complete, and releases the number that it may have bought.
async fn undo(app: &App, purchase: &Purchase, tally: &mut Tally) -> Result<(), UndoError> {
    let account = app
        .inboxes
        .get_with_team(InboxKey { organization: &purchase.organization, inbox: &purchase.inbox })
        .await?;
    if let Some(account) = account {
        if account.inbox.stage != Stage::Creating {
            return Ok(app.new_inboxes.mark_resolved(purchase).await?);
        }
        if !app.new_inboxes.undo(&account.inbox, Bought::Unknown).await? {
            return Ok(()); // completed at the same time
        }
        tally.undone += 1;
    }
    let owned = app.carrier.owned_number(purchase.number.as_str()).await?;
    if let Some(number) = owned.filter(|owned| owned.friendly_name == purchase.inbox.as_str()) {
        app.carrier.release_number(&number.sid).await?;
        tally.released += 1;
    }
    Ok(app.new_inboxes.mark_resolved(purchase).await?)
}
