//! Ending automatic sending pauses: asks the carrier whether it is well.
//!
//! All organizations of a stack use one account at the carrier, so one request answers for all of them. The
//! sender does not ask: while sending is paused, it does not call the carrier.

use shared_aws::{
    sending::{PausedOrganization, SendingPauses},
    table::{StoreError, Table},
};
use shared_carriers::twilio::Client;
use shared_domain::time::Timestamp;

/// How many pauses a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probed {
    /// Organizations that send again.
    pub resumed: usize,
    /// Organizations whose automatic pause goes on.
    pub paused: usize,
}

/// The workflow that ends automatic pauses.
#[derive(Debug)]
pub struct ProbeWorkflow {
    carrier: Client,
    pauses: SendingPauses,
}

impl ProbeWorkflow {
    pub fn new(table: Table, carrier: Client) -> Self {
        Self { carrier, pauses: SendingPauses::new(table) }
    }

    /// Asks the carrier if a probe is due, and ends the automatic pauses if it is well.
    pub async fn run(&self, now: Timestamp) -> Result<Probed, StoreError> {
        let mut paused = self.pauses.list().await?;
        paused.retain(|paused| paused.pause.is_automatic());
        if !paused.iter().any(|paused| paused.pause.is_probe_due(now)) {
            log_pauses(&paused);
            return Ok(Probed { resumed: 0, paused: paused.len() });
        }
        match self.carrier.probe().await {
            Ok(()) => self.resume(&paused, now).await,
            Err(error) => {
                tracing::warn!(event = "carrier_probe_failed", organizations = paused.len(), %error, "sending stays paused");
                log_pauses(&paused);
                for PausedOrganization { organization, pause } in &paused {
                    self.pauses.mark_probed(organization, pause.since, now).await?;
                }
                Ok(Probed { resumed: 0, paused: paused.len() })
            }
        }
    }

    async fn resume(&self, paused: &[PausedOrganization], now: Timestamp) -> Result<Probed, StoreError> {
        let mut resumed = 0;
        for PausedOrganization { organization, pause } in paused {
            if self.pauses.resume_automatically(organization, pause.since, now).await? {
                let cause = pause.cause.as_str();
                tracing::info!(event = "sending_resumed", %organization, cause, "sending resumed");
                resumed += 1;
            }
        }
        Ok(Probed { resumed, paused: paused.len() - resumed })
    }
}

/// One line for each pause in each run, also between two probes: the alarm lasts as long as these lines.
fn log_pauses(paused: &[PausedOrganization]) {
    for PausedOrganization { organization, pause } in paused {
        let cause = pause.cause.as_str();
        tracing::error!(event = "sending_paused", %organization, cause, "sending is still paused");
    }
}
