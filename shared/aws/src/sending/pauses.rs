//! Sending pauses, one item per organization.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | pause, resume, a lost answer | 1 | 1 write |
//! | the list for the probe | 1 | read by size: 0.5 for up to 20 organizations |

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::OrganizationId,
    sending_pause::{MAX_LOST_ANSWERS, PauseCause, SendingPause, SendingState},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{attribute, from_item, number, text},
    keys,
    query::{KeyRange, Order},
    requests::{Conditional, Table},
};

/// Maximum number of organizations of a probe.
const PROBE_LIMIT: u16 = 100;

/// An organization whose sending is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedOrganization {
    pub organization: OrganizationId,
    pub pause: SendingPause,
}

#[derive(Debug, Serialize, Deserialize)]
struct SendingRow {
    sk: OrganizationId,
    #[serde(flatten)]
    state: SendingState,
}

/// The sending pauses of organizations.
#[derive(Debug, Clone)]
pub struct SendingPauses {
    table: Table,
}

impl SendingPauses {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the sending state of an organization. A pause of the last second may be missing.
    pub async fn get(&self, organization: &OrganizationId) -> Result<SendingState, StoreError> {
        Ok(self.table.get(keys::sending(organization), false).await?.unwrap_or_default())
    }

    /// Returns the organizations whose sending is paused.
    pub async fn list(&self) -> Result<Vec<PausedOrganization>, StoreError> {
        let range = KeyRange::all(keys::SENDING);
        let page = self.table.page(range, Order::Ascending, PROBE_LIMIT, None).await?;
        let paused =
            |row: SendingRow| row.state.pause.map(|pause| PausedOrganization { organization: row.sk, pause });
        Ok(page.items.into_iter().filter_map(paused).collect())
    }

    /// Pauses sending for the owner. Replaces an automatic pause; keeps a pause by an owner.
    /// Returns the pause that is in force.
    pub async fn pause(
        &self,
        organization: &OrganizationId,
        pause: &SendingPause,
    ) -> Result<SendingPause, StoreError> {
        self.set(organization, pause, "(attribute_not_exists(pause) OR pause.cause <> :owner)")
            .await
            .map(|kept| kept.unwrap_or_else(|| pause.clone()))
    }

    /// Pauses sending because of the carrier, unless it is paused. Returns whether this call did.
    pub async fn pause_automatically(
        &self,
        organization: &OrganizationId,
        cause: PauseCause,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let pause = SendingPause::automatic(cause, now);
        let kept = self.set(organization, &pause, "attribute_not_exists(pause)").await?;
        Ok(kept.is_none())
    }

    /// Stores a pause. Returns the present one if the condition fails.
    async fn set(
        &self,
        organization: &OrganizationId,
        pause: &SendingPause,
        condition: &str,
    ) -> Result<Option<SendingPause>, StoreError> {
        let stored = attribute(pause)?;
        let written = self.table.update_if(keys::sending(organization), |update| {
            let update = update
                .update_expression("SET pause = :pause REMOVE lost_answers")
                .condition_expression(condition)
                .expression_attribute_values(":pause", stored);
            if condition.contains(":owner") {
                update.expression_attribute_values(":owner", text(PauseCause::Owner.as_str()))
            } else {
                update
            }
        });
        match written.await? {
            Conditional::Done(_) | Conditional::Failed(None) => Ok(None),
            Conditional::Failed(Some(item)) => Ok(from_item::<SendingState>(item)?.pause),
        }
    }

    /// Ends any pause. Returns the pause that ended.
    pub async fn resume(
        &self,
        organization: &OrganizationId,
        now: Timestamp,
    ) -> Result<Option<SendingPause>, StoreError> {
        let ended = self.table.update_if(keys::sending(organization), |update| {
            update
                .update_expression("SET resumed_at = :now REMOVE pause, lost_answers")
                .condition_expression("attribute_exists(pause)")
                .expression_attribute_values(":now", number(now.millis()))
                .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
        });
        match ended.await? {
            Conditional::Done(item) => Ok(from_item::<SendingState>(item)?.pause),
            Conditional::Failed(_) => Ok(None),
        }
    }

    /// Ends an automatic pause if it is still the one that began at `since`. Returns whether it ended.
    pub async fn resume_automatically(
        &self,
        organization: &OrganizationId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended = self.table.update_if(keys::sending(organization), |update| {
            update
                .update_expression("SET resumed_at = :now REMOVE pause, lost_answers")
                .expression_attribute_values(":now", number(now.millis()))
                .condition_expression("pause.cause <> :owner AND pause.since = :since")
                .expression_attribute_values(":owner", text(PauseCause::Owner.as_str()))
                .expression_attribute_values(":since", number(since.millis()))
        });
        Ok(ended.await?.is_done())
    }

    /// Records that the carrier was asked and is still not well.
    pub async fn mark_probed(
        &self,
        organization: &OrganizationId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::sending(organization), |update| {
            update
                .update_expression("SET pause.probed_at = :now")
                .condition_expression("pause.since = :since")
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":since", number(since.millis()))
        });
        updated.await.map(drop)
    }

    /// Counts a send without a usable answer. Pauses sending after [`MAX_LOST_ANSWERS`] in a row, and returns
    /// whether this call did.
    pub async fn count_lost_answer(
        &self,
        organization: &OrganizationId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let counted = self.table.update_if(keys::sending(organization), |update| {
            update
                .update_expression("ADD lost_answers :one")
                .expression_attribute_values(":one", number(1))
                .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
        });
        let Conditional::Done(item) = counted.await? else { return Ok(false) };
        if from_item::<SendingState>(item)?.lost_answers < MAX_LOST_ANSWERS {
            return Ok(false);
        }
        self.pause_automatically(organization, PauseCause::CarrierDown, now).await
    }

    /// Ends a run of lost answers.
    pub async fn reset_lost_answers(&self, organization: &OrganizationId) -> Result<(), StoreError> {
        let updated = self
            .table
            .update_if(keys::sending(organization), |update| update.update_expression("REMOVE lost_answers"));
        updated.await.map(drop)
    }
}
