//! Which locks a user holds: one set for each user, of at most so many, so that nobody locks a whole queue and whoever
//! loses access loses them at once.
//!
//! The set is written after the lock itself and beside it. It may name locks that are gone (they ran out, were taken
//! over, or a process died between the two writes): those are cleared away when the set is full. It lacks a lock only
//! where a process died between the two writes; that one ends with its lease, since its holder never got a token.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use serde::Deserialize;
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, UserId},
    keys::ConversationKey,
    lock::Lease,
    time::Timestamp,
};

use crate::{
    conversation::rows::ConversationRow,
    table::{
        error::StoreError,
        item::{Item, number, text},
        items::parse_id,
        keys,
        requests::Table,
    },
};

/// A lock by its place.
type Held = (InboxId, ConversationId);

/// A lock that a user holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock {
    /// Where.
    pub inbox: InboxId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Until when.
    pub lease: Lease,
}

/// The sets.
#[derive(Debug, Clone)]
pub(crate) struct HeldLocks {
    table: Table,
}

#[derive(Debug, Default, Deserialize)]
struct HeldRow {
    #[serde(default)]
    held: BTreeSet<String>,
}

impl HeldRow {
    fn locks(&self) -> Result<Vec<Held>, StoreError> {
        let places = self.held.iter().filter_map(|place| place.split_once('#'));
        places.map(|(inbox, conversation)| Ok((parse_id(inbox)?, parse_id(conversation)?))).collect()
    }
}

impl HeldLocks {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Adds a lock: 1 write unit. Gives the live ones of the others when there are `most` of them already; what of them is
    /// gone is cleared away (a read unit each, and 2 write units).
    pub(crate) async fn add(
        &self,
        thread: ConversationKey<'_>,
        user: &UserId,
        most: usize,
        now: Timestamp,
    ) -> Result<Result<(), Vec<HeldLock>>, StoreError> {
        let Some(full) = self.try_add(thread, user, most).await? else { return Ok(Ok(())) };
        let named = full.locks()?;
        let live = self.live(thread.organization, user, &named, now).await?;
        if live.len() >= most {
            return Ok(Err(live));
        }
        let is_live =
            |held: &&Held| live.iter().any(|lock| (&lock.inbox, &lock.conversation) == (&held.0, &held.1));
        let gone: Vec<Held> = named.iter().filter(|held| !is_live(held)).cloned().collect();
        self.remove(thread.organization, user, &gone).await?;
        match self.try_add(thread, user, most).await? {
            None => Ok(Ok(())),
            Some(full_again) => {
                Ok(Err(self.live(thread.organization, user, &full_again.locks()?, now).await?))
            }
        }
    }

    /// The set that had no room, if it had none.
    async fn try_add(
        &self,
        thread: ConversationKey<'_>,
        user: &UserId,
        most: usize,
    ) -> Result<Option<HeldRow>, StoreError> {
        let place = keys::held(thread.inbox, thread.conversation);
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::held_locks(thread.organization, user).into_item()))
            .update_expression("ADD held :added")
            .condition_expression(
                "attribute_not_exists(held) OR size(held) < :most OR contains(held, :place)",
            )
            .expression_attribute_values(":added", AttributeValue::Ss(vec![place.clone()]))
            .expression_attribute_values(":place", text(place))
            .expression_attribute_values(":most", number(most))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match updated {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(full)) => {
                    Ok(Some(serde_dynamo::from_item(full.item().cloned().unwrap_or_default())?))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Takes locks out of the set: 1 write unit.
    pub(crate) async fn remove(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        gone: &[Held],
    ) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let gone = gone.iter().map(|(inbox, conversation)| keys::held(inbox, conversation)).collect();
        self.table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::held_locks(organization, user).into_item()))
            .update_expression("DELETE held :gone")
            .expression_attribute_values(":gone", AttributeValue::Ss(gone))
            .send()
            .await?;
        Ok(())
    }

    /// What the user holds in these inboxes, as the conversations themselves say: 1 read unit for the set and 1 for each.
    pub(crate) async fn of(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
    ) -> Result<Vec<HeldLock>, StoreError> {
        let row: Option<HeldRow> = self.table.get(keys::held_locks(organization, user), true).await?;
        let mut named = row.unwrap_or_default().locks()?;
        named.retain(|(inbox, _)| inboxes.contains(inbox));
        self.held(organization, user, &named).await
    }

    async fn live(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        named: &[Held],
        now: Timestamp,
    ) -> Result<Vec<HeldLock>, StoreError> {
        let mut held = self.held(organization, user, named).await?;
        held.retain(|lock| lock.lease.live(now));
        Ok(held)
    }

    async fn held(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        named: &[Held],
    ) -> Result<Vec<HeldLock>, StoreError> {
        let key = |(inbox, conversation): &Held| keys::conversation(organization, inbox, conversation);
        let found: Vec<Item> = self.table.batch_get(named.iter().map(key).collect(), true).await?;
        let mut leases = HashMap::new();
        for item in found {
            let row: ConversationRow = serde_dynamo::from_item(item)?;
            let lease = row.lock()?.lease.filter(|lease| lease.holder.id == *user);
            leases.insert(row.key(), lease);
        }
        let held = named.iter().filter_map(|held| {
            let lease = leases.remove(&key(held))??;
            Some(HeldLock { inbox: held.0.clone(), conversation: held.1.clone(), lease })
        });
        Ok(held.collect())
    }
}
