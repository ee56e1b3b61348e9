//! Reconciling messages whose send got no answer: asks the carrier whether it has them.
//!
//! A message that the carrier has becomes `sent`, or further, and a message that failed because of an opt-out
//! at the carrier opts the contact out. A message that the carrier does not have stays
//! `unknown` for a grace period, because the carrier's lists lag behind, and is then `failed`: a user may
//! send it again, the product never does. Idempotent by message: a repeated report changes nothing.

use std::time::Duration;

use shared_aws::{
    messaging::{Deliveries, Messages, Outbox, OutboxEntry},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{CarrierMessage, CarrierState, Client, Direction, LookupError};
use shared_domain::{
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};

use crate::delivery::{CarrierReport, DeliveryWorkflow, Recorded};

/// Carriers date messages in whole seconds, by their own clock.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How many unknown messages a run resolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Messages that have an outcome now.
    pub resolved: usize,
    /// Messages that stay unknown for now.
    pub open: usize,
    /// Messages that could not be checked. The next run tries again.
    pub failed: usize,
}

/// The workflow for messages whose send got no answer.
#[derive(Debug)]
pub struct ReconcileWorkflow {
    carrier: Client,
    outbox: Outbox,
    messages: Messages,
    deliveries: Deliveries,
    reports: DeliveryWorkflow,
    grace: Duration,
}

#[derive(Debug, thiserror::Error)]
enum NotChecked {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] LookupError),
}

impl ReconcileWorkflow {
    /// A message that the carrier does not have is failed after `grace`.
    pub fn new(table: Table, carrier: Client, grace: Duration) -> Self {
        Self {
            carrier,
            outbox: Outbox::new(table.clone()),
            messages: Messages::new(table.clone()),
            reports: DeliveryWorkflow::new(&table),
            deliveries: Deliveries::new(table),
            grace,
        }
    }

    /// Checks every unknown message. Errors if the list of them cannot be read.
    pub async fn run(&self, now: Timestamp) -> Result<Reconciled, StoreError> {
        let mut reconciled = Reconciled::default();
        for entry in self.outbox.unknown().await? {
            match self.resolve(now, &entry).await {
                Ok(true) => reconciled.resolved += 1,
                Ok(false) => reconciled.open += 1,
                Err(error) => {
                    reconciled.failed += 1;
                    tracing::warn!(event = "reconcile_failed", message_id = %entry.message, %error, "message not reconciled");
                }
            }
        }
        Ok(reconciled)
    }

    /// Whether the message has its outcome now.
    async fn resolve(&self, now: Timestamp, entry: &OutboxEntry) -> Result<bool, NotChecked> {
        let Some(message) = self.messages.get(&entry.organization, &entry.message).await? else {
            self.outbox.mark_resolved(&entry.message).await?;
            return Ok(true);
        };
        if message.delivery.state().is_settled() {
            // An earlier run may have died between its report and the conversation's update.
            self.deliveries.update_conversation(&entry.organization, &message).await?;
            self.outbox.mark_resolved(&entry.message).await?;
            return Ok(true);
        }
        match self.find_at_carrier(entry, &message).await? {
            Some(found) if self.report_found(now, entry, &found).await? => {}
            Some(_) => return Ok(false),
            None if now < entry.at + self.grace => return Ok(false),
            None => self.report_missing(now, entry).await?,
        }
        self.outbox.mark_resolved(&entry.message).await?;
        Ok(true)
    }

    /// Returns the carrier's copy of a message: same numbers, same text, made at the time of our attempt, and
    /// not known to be another message. If there are several, it is the oldest one, because messages of a
    /// conversation are sent and reconciled in their order.
    async fn find_at_carrier(
        &self,
        entry: &OutboxEntry,
        message: &Message,
    ) -> Result<Option<CarrierMessage>, NotChecked> {
        let attempt = message.delivery.report(DeliveryState::Sending);
        let since = attempt.map_or(message.created_at, |report| report.at) - CLOCK_MARGIN;
        let since = jiff::Timestamp::from_millisecond(since.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let (to, from) = (message.contact_number.as_str(), message.inbox_number.as_str());
        let newest_first = self.carrier.find_messages(to, from, since).await?;
        for candidate in newest_first.into_iter().rev() {
            let matches = candidate.has_text(&message.text) && candidate.direction != Direction::Inbound;
            if matches && !self.is_other_message(entry, message, &candidate).await? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    async fn is_other_message(
        &self,
        entry: &OutboxEntry,
        message: &Message,
        candidate: &CarrierMessage,
    ) -> Result<bool, StoreError> {
        let conversation = &message.conversation;
        let known = self.messages.by_carrier_id(&entry.organization, conversation, &candidate.sid).await?;
        Ok(known.is_some_and(|known| known.id != message.id))
    }

    /// Records what the carrier says about the message. `false` if it must be asked again.
    async fn report_found(
        &self,
        now: Timestamp,
        entry: &OutboxEntry,
        found: &CarrierMessage,
    ) -> Result<bool, StoreError> {
        let carrier_id = found.sid.as_str();
        let state = found.status.carrier_state().unwrap_or(CarrierState::Sent);
        let report = CarrierReport { carrier_id, state, error_code: found.error_code };
        // Before the entry is removed: it stays until the report is recorded, so a crash in between loses
        // nothing.
        let recorded = self.reports.record(now, &entry.organization, &entry.message, report).await?;
        if recorded == Recorded::Contended {
            return Ok(false);
        }
        tracing::info!(event = "message_found", message_id = %entry.message, carrier_id, "message found at the carrier");
        Ok(true)
    }

    async fn report_missing(&self, now: Timestamp, entry: &OutboxEntry) -> Result<(), StoreError> {
        let detail = "The carrier has no record of this message, so it was not sent. You can send it again.";
        let report = Report { at: now, code: Some("not_accepted".into()), detail: Some(detail.into()) };
        let state = DeliveryState::Failed;
        self.deliveries.report(&entry.organization, &entry.message, state, &report, None).await?;
        tracing::warn!(event = "message_missing", message_id = %entry.message, "message not found at the carrier");
        Ok(())
    }
}
