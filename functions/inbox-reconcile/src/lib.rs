//! Every few minutes: undo the inboxes that were begun and abandoned.
//!
//! A creation that died, or whose carrier went away, leaves a reservation and perhaps a number that costs money. After a
//! grace time, in which a retry with the same key completes it, the number is given back and the reservation removed.
//! A number belongs to a reservation when it bears the inbox's id at the carrier. Idempotent: releasing what is released
//! and removing what is gone are nothing.

use std::time::Duration;

use shared_aws::{
    clients::{Aws, Secrets},
    inbox::{Bought, Inboxes, NewInboxes, Purchase},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{CallError, Client, Credentials};
use shared_domain::{inbox::Stage, time::Timestamp};
use shared_lambda::config::Environment;

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
    /// Creations that were undone.
    pub undone: usize,
    /// Numbers that were given back.
    pub released: usize,
    /// Creations that have their grace time still.
    pub waiting: usize,
    /// What could not be done this time.
    pub failed: usize,
}

/// One creation could not be looked after this time.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Carrier(#[from] CallError),
}

impl App {
    /// Reads settings and the carrier's secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let mut env = Environment::default();
        let (name, secret) = (env.required("TABLE_NAME"), env.required("CARRIER_SECRET"));
        let (url, grace) = (env.required("CARRIER_BASE_URL"), env.seconds("PURCHASE_GRACE_SECONDS"));
        env.finish()?;
        let aws = Aws::from_environment()?;
        let account = Secrets::of(&aws).carrier(&secret).await?;
        let (username, password) = account.api_login();
        let credentials = Credentials { account_sid: account.account_sid, username, password };
        Ok(Self::new(&Table::of(&aws, name), Client::new(&url, credentials, CARRIER_TIMEOUT)?, grace))
    }

    /// Over this table and carrier.
    pub fn new(table: &Table, carrier: Client, grace: Duration) -> Self {
        Self {
            carrier,
            inboxes: Inboxes::new(table.clone()),
            new_inboxes: NewInboxes::new(table.clone()),
            grace,
        }
    }
}

/// One run.
///
/// # Errors
/// [`StoreError`] when the list of what is under way could not be read.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    for purchase in app.new_inboxes.unsettled().await? {
        if purchase.at + app.grace > now {
            tally.waiting += 1;
            continue;
        }
        if let Err(error) = look_after(app, &purchase, &mut tally).await {
            tally.failed += 1;
            tracing::error!(inbox = %purchase.inbox, %error, "an abandoned creation stays for now");
        }
    }
    tracing::info!(
        undone = tally.undone,
        released = tally.released,
        waiting = tally.waiting,
        failed = tally.failed,
        "swept"
    );
    Ok(tally)
}

/// The reservation goes before the number: a retry that comes at this instant finds no reservation to complete, and gives
/// back what it may have bought itself.
async fn look_after(app: &App, purchase: &Purchase, tally: &mut Tally) -> Result<(), NotDone> {
    let account = app.inboxes.account(&purchase.organization, &purchase.inbox).await?;
    if let Some(account) = account {
        if account.inbox.stage != Stage::Creating {
            return Ok(app.new_inboxes.mark_resolved(purchase).await?);
        }
        if !app.new_inboxes.undo(&account.inbox, Bought::Perhaps).await? {
            return Ok(()); // completed at this instant
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
