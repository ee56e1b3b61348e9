//! Reconciling messages whose send got no answer: asks the carrier whether it has them.
//!
//! A message that the carrier has becomes `sent`, or further, and a message that failed because of an opt-out
//! at the carrier opts the contact out. A message that the carrier does not have stays `unknown` for a grace
//! period, because the carrier's lists lag behind. If two runs after that period do not find it, it is
//! `queued` again: it still waits in the send queue, in its order, and is sent by the next delivery. A
//! message that is not sent for [`MAX_UNKNOWN_AGE`] fails. Idempotent by message: a repeated report changes
//! nothing.

use std::time::Duration;

use shared_aws::{
    messaging::{Deliveries, Messages, Outbox, UnknownSend},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{CarrierMessage, CarrierState, Client, Direction, LookupError};
use shared_domain::{
    ids::OrganizationId,
    message::{DeliveryState, Message, Report},
    time::Timestamp,
};

use crate::{
    check_error::CheckError,
    delivery::{CarrierReport, DeliveryWorkflow, Recorded},
};

/// Carriers date messages in whole seconds, by their own clock.
const CLOCK_MARGIN: Duration = Duration::from_secs(5);

/// How long after its first lost answer a message may still be sent. An older message may no longer be what
/// its author wants to say.
pub const MAX_UNKNOWN_AGE: Duration = Duration::from_hours(4);

/// A run ends after this many questions in a row that the carrier did not answer. Each may take ten seconds.
const MAX_UNANSWERED: usize = 2;

/// How many unknown messages a run resolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Messages that have an outcome now, or are queued again.
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

impl ReconcileWorkflow {
    /// A message that the carrier does not have is sent again after `grace`.
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

    /// Checks every unknown message, and ends early if the carrier does not answer. Errors if the list of
    /// them cannot be read.
    pub async fn run(&self, now: Timestamp) -> Result<Reconciled, StoreError> {
        let (mut reconciled, mut unanswered) = (Reconciled::default(), 0);
        for send in self.outbox.unknown().await? {
            match self.resolve(now, &send).await {
                Ok(is_resolved) => {
                    unanswered = 0;
                    reconciled.resolved += usize::from(is_resolved);
                    reconciled.open += usize::from(!is_resolved);
                }
                Err(error) => {
                    reconciled.failed += 1;
                    tracing::warn!(event = "reconcile_failed", message_id = %send.message, %error, "message not reconciled");
                    unanswered += usize::from(matches!(
                        error,
                        CheckError::Carrier(LookupError::TimedOut | LookupError::Unreachable)
                    ));
                    if unanswered == MAX_UNANSWERED {
                        break;
                    }
                }
            }
        }
        Ok(reconciled)
    }

    /// Whether the message has its outcome now, or is queued again.
    async fn resolve(&self, now: Timestamp, send: &UnknownSend) -> Result<bool, CheckError> {
        let Some(message) = self.messages.get(&send.organization, &send.message).await? else {
            self.outbox.mark_resolved(&send.message).await?;
            return Ok(true);
        };
        if message.delivery.state().is_settled() {
            // An earlier run may have died between its report and the conversation's update.
            self.deliveries.update_conversation(&send.organization, &message).await?;
            self.outbox.mark_resolved(&send.message).await?;
            return Ok(true);
        }
        let report = message.delivery.report(DeliveryState::Unknown);
        let Some(unknown_at) = report.map(|report| report.at) else {
            // It is queued again, or an attempt is running. The item keeps the time of the first lost answer.
            return Ok(false);
        };
        match self.find_at_carrier(&send.organization, &message).await? {
            Some(found) if self.report_found(now, &send.organization, &message, &found).await? => {}
            Some(_) => return Ok(false),
            None if now < unknown_at + self.grace => return Ok(false),
            None if send.misses == 0 => {
                self.outbox.count_miss(&send.message).await?;
                return Ok(false);
            }
            None if now < send.since + MAX_UNKNOWN_AGE => return self.requeue(send, unknown_at).await,
            None => self.report_missing(now, send).await?,
        }
        self.outbox.mark_resolved(&send.message).await?;
        Ok(true)
    }

    /// Makes the message `queued` again. `false` if its outcome was reported in the meantime.
    async fn requeue(&self, send: &UnknownSend, unknown_at: Timestamp) -> Result<bool, CheckError> {
        let requeued = self.messages.requeue(&send.organization, &send.message, unknown_at).await?;
        if requeued {
            tracing::warn!(event = "message_requeued", message_id = %send.message, "message not found at the carrier and queued again");
        }
        Ok(requeued)
    }

    /// Returns the carrier's copy of a message: same numbers, same text, made at the time of our attempt, and
    /// not known to be another message. If there are several, it is the oldest one, because messages of a
    /// conversation are sent and reconciled in their order.
    pub(crate) async fn find_at_carrier(
        &self,
        organization: &OrganizationId,
        message: &Message,
    ) -> Result<Option<CarrierMessage>, CheckError> {
        let attempt = message.delivery.report(DeliveryState::Sending);
        let since = attempt.map_or(message.created_at, |report| report.at) - CLOCK_MARGIN;
        let since = jiff::Timestamp::from_millisecond(since.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let (to, from) = (message.contact_number.as_str(), message.inbox_number.as_str());
        let newest_first = self.carrier.find_messages(to, from, since).await?;
        for candidate in newest_first.into_iter().rev() {
            let matches = candidate.has_text(&message.text) && candidate.direction != Direction::Inbound;
            if matches && !self.is_other_message(organization, message, &candidate).await? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    async fn is_other_message(
        &self,
        organization: &OrganizationId,
        message: &Message,
        candidate: &CarrierMessage,
    ) -> Result<bool, StoreError> {
        let conversation = &message.conversation;
        let known = self.messages.by_carrier_id(organization, conversation, &candidate.sid).await?;
        Ok(known.is_some_and(|known| known.id != message.id))
    }

    /// Records what the carrier says about the message. `false` if it must be asked again.
    pub(crate) async fn report_found(
        &self,
        now: Timestamp,
        organization: &OrganizationId,
        message: &Message,
        found: &CarrierMessage,
    ) -> Result<bool, StoreError> {
        let carrier_id = found.sid.as_str();
        let state = found.status.carrier_state().unwrap_or(CarrierState::Sent);
        let report = CarrierReport { carrier_id, state, error_code: found.error_code };
        // Before the entry is removed: it stays until the report is recorded, so a crash in between loses
        // nothing.
        let recorded = self.reports.record(now, organization, &message.id, report).await?;
        if recorded == Recorded::Contended {
            return Ok(false);
        }
        tracing::info!(event = "message_found", message_id = %message.id, carrier_id, "message found at the carrier");
        Ok(true)
    }

    async fn report_missing(&self, now: Timestamp, send: &UnknownSend) -> Result<(), StoreError> {
        let detail = "The carrier did not accept this message for four hours, so it was not sent. \
                      You can send it again.";
        let report = Report { at: now, code: Some("not_accepted".into()), detail: Some(detail.into()) };
        let state = DeliveryState::Failed;
        self.deliveries.report(&send.organization, &send.message, state, &report, None).await?;
        tracing::warn!(event = "message_missing", message_id = %send.message, "message not found at the carrier");
        Ok(())
    }
}
