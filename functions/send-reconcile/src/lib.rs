//! Every minute: queues outbox items that the table's stream did not deliver, contact imports that no worker
//! continues and broadcasts that are due, asks the carrier about messages whose send got no answer or whose
//! delivery is not reported, and ends automatic sending pauses when the carrier is well again.
//!
//! Idempotent by message: a message that is queued twice is sent once, and a repeated report changes nothing.
//! An import that is queued twice has one worker, by the item `IMPORTING` of its team, and so has a
//! broadcast, by its lease. See [`shared_app::outbox`], [`shared_app::import`], [`shared_app::broadcast`],
//! [`shared_app::reconcile`], [`shared_app::delivery_check`] and [`shared_app::probe`].

use std::time::Duration;

use shared_app::{
    broadcast::BroadcastSweep, carrier, delivery_check::DeliveryCheckWorkflow, import::ImportSweep,
    outbox::OutboxWorkflow, probe::ProbeWorkflow, reconcile::ReconcileWorkflow,
};
use shared_aws::{
    clients::{Aws, BroadcastQueue, ImportQueue, MailQueue, MediaQueue, Secrets, SendQueues},
    table::{StoreError, Table},
};
use shared_carriers::twilio::Client;
use shared_domain::time::Timestamp;
use shared_lambda::{Error, clock, config::Environment};

const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);

pub use shared_app::outbox::Queues;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    outbox: OutboxWorkflow,
    reconcile: ReconcileWorkflow,
    probe: ProbeWorkflow,
    delivery_checks: DeliveryCheckWorkflow,
    imports: ImportSweep,
    broadcasts: BroadcastSweep,
}

/// What one run did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Outbox items that were queued.
    pub queued: usize,
    /// Unknown messages that have an outcome now, or are queued again.
    pub resolved: usize,
    /// Unknown messages that stay unknown for now.
    pub open: usize,
    /// Sent messages that have a final state now.
    pub reported: usize,
    /// Sent messages that stay `sent` for now.
    pub unreported: usize,
    /// Items and messages that the next run tries again.
    pub failed: usize,
    /// Organizations whose automatic sending pause ended.
    pub resumed: usize,
    /// Contact imports that were queued again.
    pub imports: usize,
    /// Broadcasts that were queued.
    pub broadcasts: usize,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, Error> {
        let mut env = Environment::default();
        let (name, sends) = (env.required("TABLE_NAME"), env.required("SEND_QUEUE_URL"));
        let texts = env.required("BROADCAST_SEND_QUEUE_URL");
        let (mail, media) = (env.required("MAIL_QUEUE_URL"), env.required("MEDIA_QUEUE_URL"));
        let (imports, broadcasts) = (env.required("IMPORT_QUEUE_URL"), env.required("BROADCAST_QUEUE_URL"));
        let (secret, carrier_url) = (env.required("CARRIER_SECRET"), env.required("CARRIER_BASE_URL"));
        let grace = env.seconds("RECONCILE_GRACE_SECONDS");
        env.finish()?;
        let aws = Aws::from_environment()?;
        let carrier =
            carrier::client(&Secrets::of(&aws), &secret, &carrier_url, CARRIER_TIMEOUT, clock::now)?;
        let queues = Queues {
            messages: SendQueues::new(&aws, sends, texts),
            notifications: MailQueue::new(&aws, mail),
            media: MediaQueue::new(&aws, media),
        };
        let (imports, broadcasts) = (ImportQueue::new(&aws, imports), BroadcastQueue::new(&aws, broadcasts));
        Ok(Self::new(Table::of(&aws, name), carrier, queues, imports, broadcasts, grace))
    }

    /// A message that the carrier does not have is queued again after `grace`. The carrier is asked about a
    /// message that is `sent` for longer than `grace`.
    pub fn new(
        table: Table,
        carrier: Client,
        queues: Queues,
        imports: ImportQueue,
        broadcasts: BroadcastQueue,
        grace: Duration,
    ) -> Self {
        Self {
            outbox: OutboxWorkflow::new(&table, queues),
            reconcile: ReconcileWorkflow::new(table.clone(), carrier.clone(), grace),
            delivery_checks: DeliveryCheckWorkflow::new(&table, carrier.clone(), grace),
            imports: ImportSweep::new(table.clone(), imports),
            broadcasts: BroadcastSweep::new(&table, broadcasts),
            probe: ProbeWorkflow::new(table, carrier),
        }
    }
}

/// Does one run. Errors if one of the lists cannot be read.
pub async fn handle(app: &App, now: Timestamp) -> Result<Tally, StoreError> {
    let drained = app.outbox.drain(&app.outbox.overdue(now).await?).await;
    // Before those that ask the carrier: if it does not answer, they take all the time that is left.
    let imports = app.imports.run(now).await?;
    let broadcasts = app.broadcasts.run(now).await?;
    let reconciled = app.reconcile.run(now).await?;
    let probed = app.probe.run(now).await?;
    let checked = app.delivery_checks.run(now).await?;
    let tally = Tally {
        queued: drained.queued,
        resolved: reconciled.resolved,
        open: reconciled.open,
        reported: checked.reported,
        unreported: checked.open,
        failed: drained.failed + reconciled.failed + checked.failed + imports.failed + broadcasts.failed,
        resumed: probed.resumed,
        imports: imports.queued,
        broadcasts: broadcasts.queued,
    };
    tracing::info!(event = "sends_reconciled", ?tally, "sends reconciled");
    Ok(tally)
}
