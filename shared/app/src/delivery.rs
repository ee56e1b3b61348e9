//! Delivery reports of the carrier, whether a status callback brings them or the carrier was asked.
//!
//! Idempotent by message and state. A report that the contact has opted out at the carrier (21610) also opts
//! the contact out here, and a report that the number reached a limit restrains the number
//! ([`crate::limits`]).

use shared_aws::{
    messaging::{Deliveries, Messages, Reported},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{CarrierState, error_code};
use shared_domain::{
    ids::{MessageId, OrganizationId},
    message::{DeliveryState, Report},
    time::Timestamp,
};

use crate::{
    limits::{self, LimitWorkflow},
    opt_out::{OptOutWorkflow, Outcome},
};

/// What the carrier says about a message.
#[derive(Debug, Clone, Copy)]
pub struct CarrierReport<'a> {
    /// The carrier's id of the message.
    pub carrier_id: &'a str,
    pub state: CarrierState,
    /// Why the message failed.
    pub error_code: Option<u32>,
}

/// The outcome of recording a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Recorded {
    Done,
    NoMessage,
    /// The contact's opt-out changed in every attempt. The report is not recorded and must be repeated.
    Contended,
}

/// The workflow of delivery reports.
#[derive(Debug, Clone)]
pub struct DeliveryWorkflow {
    messages: Messages,
    deliveries: Deliveries,
    opt_outs: OptOutWorkflow,
    limits: LimitWorkflow,
}

impl DeliveryWorkflow {
    pub fn new(table: &Table) -> Self {
        Self {
            messages: Messages::new(table.clone()),
            deliveries: Deliveries::new(table.clone()),
            opt_outs: OptOutWorkflow::new(table.clone()),
            limits: LimitWorkflow::new(table),
        }
    }

    /// Records a report. The opt-out comes first, so that a repetition completes what a crash prevented.
    pub async fn record(
        &self,
        now: Timestamp,
        organization: &OrganizationId,
        id: &MessageId,
        report: CarrierReport<'_>,
    ) -> Result<Recorded, StoreError> {
        let CarrierReport { carrier_id, state, error_code } = report;
        let has_effect = |code: &u32| error_code::is_opt_out(*code) || limits::limit(*code).is_some();
        if let Some(code) = error_code.filter(has_effect) {
            let Some(message) = self.messages.get(organization, id).await? else {
                return Ok(Recorded::NoMessage);
            };
            if error_code::is_opt_out(code) {
                let outcome = self.opt_outs.apply_carrier_refusal(organization, &message, now).await?;
                if outcome == Outcome::Contended {
                    return Ok(Recorded::Contended);
                }
            } else if !message.delivery.state().is_final() {
                self.limits.apply(now, organization, &message, code).await?;
            }
        }
        let report = Report {
            at: now,
            code: error_code.map(|code| code.to_string()),
            detail: error_code.map(|code| error_code::sentence(code).into_owned()),
        };
        let state = delivery_state(state);
        match self.deliveries.report(organization, id, state, &report, Some(carrier_id)).await? {
            Reported::NoMessage => return Ok(Recorded::NoMessage),
            Reported::Known(_) => {}
            Reported::Added(_) => {
                let delivered = id.made_at().filter(|_| state == DeliveryState::Delivered);
                let seconds = delivered.map(|accepted| accepted.duration_until(now).as_secs());
                let state = state.as_str();
                tracing::info!(event = "delivery_reported", message_id = %id, carrier_id, state, seconds, "delivery state recorded");
            }
        }
        Ok(Recorded::Done)
    }
}

/// Returns the delivery state that a carrier's state means. Its early states all prove the same: the carrier
/// accepted the message.
pub(crate) fn delivery_state(state: CarrierState) -> DeliveryState {
    match state {
        CarrierState::Queued | CarrierState::Sending | CarrierState::Sent => DeliveryState::Sent,
        CarrierState::Delivered => DeliveryState::Delivered,
        CarrierState::Undelivered => DeliveryState::Undelivered,
        CarrierState::Failed => DeliveryState::Failed,
    }
}
