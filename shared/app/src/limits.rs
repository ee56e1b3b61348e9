//! Limits of a number that the carrier reports, whether the answer to a send, a status callback, or a later
//! question to the carrier brings them.
//!
//! | code | what the number does |
//! |---|---|
//! | 30022 | sends at half its rate for five minutes |
//! | 30023, 30027 | sends nothing until midnight Pacific |
//! | 21611, 30001 | sends nothing for a minute |
//! | 30034 | sends nothing for an hour; the registration of its team is checked |
//!
//! A rate, a day and a full queue count from when the carrier was asked to send the message, because a report
//! may come hours later. Messages of the number stay `queued` in the meantime. If the check finds that the
//! campaign is suspended, the registration becomes `suspended`, which notifies the admins once. If the
//! campaign is approved, the number itself is not part of it, and the check notifies the admins once for each
//! hold.

use shared_aws::{
    registration::{RefusedNumber, Registrations},
    sending::Paces,
    table::{StoreError, Table},
};
use shared_carriers::twilio::{NumberLimit, error_code};
use shared_domain::{
    ids::OrganizationId,
    keys::{InboxKey, TeamKey},
    message::{DeliveryState, Message},
    pace::{CarrierLimit, Restraint},
    time::Timestamp,
};

/// The workflow of limits that the carrier reports.
#[derive(Debug, Clone)]
pub(crate) struct LimitWorkflow {
    paces: Paces,
    registrations: Registrations,
}

impl LimitWorkflow {
    pub(crate) fn new(table: &Table) -> Self {
        Self { paces: Paces::new(table.clone()), registrations: Registrations::new(table.clone()) }
    }

    /// Applies the limit that a code reports, if any, to the number that the message was sent from.
    pub(crate) async fn apply(
        &self,
        now: Timestamp,
        organization: &OrganizationId,
        message: &Message,
        code: u32,
    ) -> Result<(), StoreError> {
        let Some(limit) = limit(code) else { return Ok(()) };
        // A number that is not registered stays so until someone mends it.
        let since = if limit == CarrierLimit::Registration { now } else { asked_at(message).unwrap_or(now) };
        let restraint = Restraint::of(limit, since.min(now));
        if restraint.until <= now {
            tracing::info!(event = "limit_over", inbox = %message.inbox, code, "a limit of the carrier was reported when it was over");
            return Ok(());
        }
        let inbox = InboxKey { organization, inbox: &message.inbox };
        let held_since = self.paces.restrain(inbox, restraint, now).await?;
        if let Some(held_since) = held_since
            && limit == CarrierLimit::Registration
            && !message.personal
        {
            let team = TeamKey { organization, team: &message.team };
            let refused = RefusedNumber { inbox: message.inbox.clone(), held_since };
            self.registrations.request_check(team, &refused).await?;
        }
        let limit = limit.as_str();
        tracing::warn!(event = "number_limited", inbox = %message.inbox, code, limit, "number limited by the carrier");
        Ok(())
    }
}

/// When the carrier was asked to send a message.
fn asked_at(message: &Message) -> Option<Timestamp> {
    message.delivery.report(DeliveryState::Sending).map(|report| report.at)
}

/// Returns the limit that a code reports.
pub(crate) fn limit(code: u32) -> Option<CarrierLimit> {
    error_code::number_limit(code).map(|limit| match limit {
        NumberLimit::Rate => CarrierLimit::Rate,
        NumberLimit::Daily => CarrierLimit::Daily,
        NumberLimit::Queue => CarrierLimit::Queue,
        NumberLimit::Registration => CarrierLimit::Registration,
    })
}
