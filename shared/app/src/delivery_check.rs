//! Asking the carrier about messages that stay `sent`, because their delivery reports may be lost.
//!
//! A message is asked about after a grace period, and then with growing pauses for three days
//! ([`shared_domain::delivery_check`]), until the carrier reports a final state or does not know the message
//! anymore. The answer is recorded like a status callback. Idempotent by message and state.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared_aws::{
    messaging::{DeliveryCheck, DeliveryChecks, Messages},
    table::{StoreError, Table},
};
use shared_carriers::twilio::Client;
use shared_domain::{delivery_check::next_check, message::DeliveryState, time::Timestamp};

use crate::{
    check_error::CheckError,
    delivery::{CarrierReport, DeliveryWorkflow, Recorded, delivery_state},
};

/// Messages that are checked at the same time.
const MAX_CONCURRENCY: usize = 8;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Messages with a final state now.
    pub reported: usize,
    /// Messages that stay `sent`.
    pub open: usize,
    /// Messages that could not be checked. The next run tries again.
    pub failed: usize,
}

/// The workflow for messages that stay `sent`.
#[derive(Debug)]
pub struct DeliveryCheckWorkflow {
    carrier: Client,
    checks: DeliveryChecks,
    messages: Messages,
    deliveries: DeliveryWorkflow,
    grace: Duration,
}

impl DeliveryCheckWorkflow {
    /// The carrier is asked about a message that is `sent` for longer than `grace`.
    pub fn new(table: &Table, carrier: Client, grace: Duration) -> Self {
        Self {
            carrier,
            checks: DeliveryChecks::new(table.clone()),
            messages: Messages::new(table.clone()),
            deliveries: DeliveryWorkflow::new(table),
            grace,
        }
    }

    /// Checks the messages that are due, and ends early if the carrier does not answer. Errors if the list of
    /// them cannot be read.
    pub async fn run(&self, now: Timestamp) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let due = self.checks.due(now - self.grace).await?;
        let check = |check: DeliveryCheck| async move {
            let outcome = self.check(now, &check).await;
            (check, outcome)
        };
        let mut outcomes = stream::iter(due).map(check).buffer_unordered(MAX_CONCURRENCY);
        while let Some((check, outcome)) = outcomes.next().await {
            match outcome {
                Ok(true) => checked.reported += 1,
                Ok(false) => checked.open += 1,
                Err(error) => {
                    checked.failed += 1;
                    tracing::warn!(event = "delivery_check_failed", message_id = %check.message, %error, "delivery not checked");
                    if matches!(error, CheckError::Carrier(_)) {
                        break;
                    }
                }
            }
        }
        Ok(checked)
    }

    /// Whether the message has a final state now.
    async fn check(&self, now: Timestamp, check: &DeliveryCheck) -> Result<bool, CheckError> {
        let message = self.messages.get(&check.organization, &check.message).await?;
        let open = message.filter(|message| !message.delivery.state().is_final());
        let Some(message) = open else {
            self.checks.reschedule(check, None).await?;
            return Ok(true);
        };
        let carrier_id = message.carrier_id.clone().unwrap_or_default();
        let Some(found) = self.carrier.fetch_message(&carrier_id).await? else {
            self.checks.reschedule(check, None).await?;
            return Ok(false);
        };
        let state = found.status.carrier_state().filter(|state| delivery_state(*state).is_final());
        if let Some(state) = state {
            let report = CarrierReport { carrier_id: &carrier_id, state, error_code: found.error_code };
            let recorded = self.deliveries.record(now, &check.organization, &check.message, report).await?;
            if recorded == Recorded::Contended {
                return Err(CheckError::Contended);
            }
            tracing::info!(event = "delivery_found", message_id = %check.message, carrier_id, "lost delivery report recorded");
            return Ok(true);
        }
        let sent = message.delivery.report(DeliveryState::Sent);
        let sent_at = sent.map_or(message.created_at, |report| report.at);
        self.checks.reschedule(check, next_check(sent_at, now)).await?;
        Ok(false)
    }
}
