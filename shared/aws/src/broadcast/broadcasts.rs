//! The broadcasts of teams. A second item of each finds its team, so that a request needs only the id.
//!
//! A broadcast that has work to do is in the sparse index `delivery-checks` at the time when it is looked at
//! next. The sweep reads what is due, so no broadcast depends on a queue message that may be lost.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::{Audience, Broadcast, BroadcastStatus, FailureWatch, Progress, Waiting},
    ids::{BroadcastId, OrganizationId, TeamId},
    keys::TeamKey,
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, attribute, from_item, number, text},
        keys,
        query::{KeyRange, Order},
        requests::Table,
        transaction::Transaction,
        versioned::Versioned,
    },
    team::audit::AuditEvent,
};

/// How long a halt is kept after the start: longer than recipients, whose failed texts it keeps from being
/// sent again.
const HALT_LIFE: Duration = Duration::from_hours(24 * 800);
/// The most broadcasts that one sweep returns.
const MAX_DUE: i32 = 2_000;

/// The outcome of writing a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastWrite {
    Done,
    /// The broadcast was changed since it was read.
    Changed,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

/// A broadcast that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueBroadcast {
    pub organization: OrganizationId,
    pub team: TeamId,
    pub broadcast: BroadcastId,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BroadcastRow {
    #[serde(flatten)]
    broadcast: Broadcast,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PointerRow {
    team: TeamId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HaltRow {
    #[serde(default)]
    stops_texts: bool,
}

#[derive(Debug, Deserialize)]
struct DueRow {
    pk: String,
    sk: BroadcastId,
}

/// The broadcasts of teams.
#[derive(Debug, Clone)]
pub struct Broadcasts {
    pub(super) table: Table,
}

impl Broadcasts {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a broadcast by its id alone: 2 requests, 2 read units.
    pub async fn find(
        &self,
        organization: &OrganizationId,
        broadcast: &BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
        let pointer: Option<PointerRow> =
            self.table.get(keys::broadcast_pointer(organization, broadcast), true).await?;
        match pointer {
            Some(PointerRow { team }) => self.get(TeamKey { organization, team: &team }, broadcast).await,
            None => Ok(None),
        }
    }

    /// Returns a broadcast, read consistently. Costs 1 read unit.
    pub async fn get(
        &self,
        team: TeamKey<'_>,
        broadcast: &BroadcastId,
    ) -> Result<Option<Versioned<Broadcast>>, StoreError> {
        let row: Option<BroadcastRow> = self.table.get(keys::broadcast(team, broadcast), true).await?;
        Ok(row.map(BroadcastRow::broadcast))
    }

    /// Returns up to `limit` broadcasts of a team that are older than `before`, newest first.
    pub async fn older_than(
        &self,
        team: TeamKey<'_>,
        before: Option<&str>,
        limit: u16,
    ) -> Result<Vec<Broadcast>, StoreError> {
        let range = KeyRange::prefix(keys::team_partition(team), keys::BROADCASTS);
        let rows: Vec<BroadcastRow> = self.table.page(range, Order::Descending, limit, before).await?.items;
        Ok(rows.into_iter().map(|row| row.broadcast).collect())
    }

    /// Stores a new broadcast: 6 write units with its audit event, and 2 with an idempotency key.
    pub async fn create(
        &self,
        broadcast: &Broadcast,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<BroadcastWrite, StoreError> {
        let team = broadcast.team_key();
        let mut transaction = Transaction::new(&self.table);
        put_new(&mut transaction, broadcast, None)?;
        event.write(&mut transaction, team)?;
        let used_key = match key {
            Some(key) => Some(key.write(
                &mut transaction,
                team.organization,
                broadcast.id.as_str(),
                broadcast.created_at,
            )?),
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            BroadcastWrite::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            BroadcastWrite::KeyTaken
        } else {
            BroadcastWrite::Changed
        })
    }

    /// Writes a broadcast. `due` is when the sweep looks at it, `None` if it has no work to do.
    pub async fn write(
        &self,
        before: &Versioned<Broadcast>,
        after: &Broadcast,
        due: Option<Timestamp>,
        event: Option<&AuditEvent<'_>>,
    ) -> Result<BroadcastWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        put_changed(&mut transaction, before, after, due)?;
        written(transaction, after, event).await
    }

    /// Writes a broadcast that is paused or canceled. Workers that read it before release no more texts. If
    /// it `stops_texts`, those that are queued are not sent either. 2 write units more than
    /// [`Broadcasts::write`].
    pub async fn halt(
        &self,
        before: &Versioned<Broadcast>,
        after: &Broadcast,
        due: Option<Timestamp>,
        event: Option<&AuditEvent<'_>>,
        stops_texts: bool,
    ) -> Result<BroadcastWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        put_changed(&mut transaction, before, after, due)?;
        let ttl = after.started_at.unwrap_or(after.created_at) + HALT_LIFE;
        transaction.update(keys::broadcast_halt(&after.organization, &after.id), |update| {
            let update = update
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":version", number(before.version + 1))
                .expression_attribute_values(":ttl", number(ttl.seconds()));
            if stops_texts {
                update
                    .update_expression("SET halted = :version, stopsTexts = :true, #ttl = :ttl")
                    .expression_attribute_values(":true", AttributeValue::Bool(true))
            } else {
                update.update_expression("SET halted = :version, #ttl = :ttl")
            }
        })?;
        written(transaction, after, event).await
    }

    /// Returns whether queued texts of a broadcast are not to be sent, because it was canceled. Read
    /// consistently: 1 read unit.
    pub async fn stops_texts(
        &self,
        organization: &OrganizationId,
        broadcast: &BroadcastId,
    ) -> Result<bool, StoreError> {
        let halt: Option<HaltRow> =
            self.table.get(keys::broadcast_halt(organization, broadcast), true).await?;
        Ok(halt.is_some_and(|halt| halt.stops_texts))
    }

    /// Begins a preparation, and schedules the next occurrence of the series in the same transaction.
    pub async fn begin(
        &self,
        before: &Versioned<Broadcast>,
        after: &Broadcast,
        due: Option<Timestamp>,
        next: Option<&Broadcast>,
    ) -> Result<BroadcastWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        put_changed(&mut transaction, before, after, due)?;
        if let Some(next) = next {
            put_new(&mut transaction, next, next.scheduled_at)?;
        }
        let is_done = transaction.commit().await?.is_done();
        Ok(if is_done { BroadcastWrite::Done } else { BroadcastWrite::Changed })
    }

    /// Replaces the audience and nothing else. `false` if the broadcast was changed since it was read.
    pub async fn set_audience(
        &self,
        before: &Versioned<Broadcast>,
        audience: &Audience,
    ) -> Result<bool, StoreError> {
        let key = keys::broadcast(before.value.team_key(), &before.value.id);
        let audience = attribute(audience)?;
        let updated = self.table.update_if(key, |update| {
            update
                .update_expression("SET audience = :audience ADD version :one")
                .condition_expression("version = :version")
                .expression_attribute_values(":audience", audience)
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":version", number(before.version))
        });
        Ok(updated.await?.is_done())
    }

    /// Removes a broadcast. `false` if it was changed since it was read.
    pub async fn remove(
        &self,
        broadcast: &Versioned<Broadcast>,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let Broadcast { id, organization, .. } = &broadcast.value;
        let team = broadcast.value.team_key();
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::broadcast(team, id), |delete| {
            delete
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(broadcast.version))
        })?;
        transaction.delete(keys::broadcast_pointer(organization, id))?;
        event.write(&mut transaction, team)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Stores when a broadcast is looked at next, what it waits for, and its progress if that is known. Does
    /// nothing if it is no longer open.
    pub async fn postpone(
        &self,
        broadcast: &Broadcast,
        waiting: Option<Waiting>,
        progress: Option<Progress>,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        let mut set = vec!["checkAt = :due"];
        let mut remove = "";
        let mut values = Item::from([
            (":due".into(), number(due.millis())),
            (":status".into(), text(broadcast.status.as_str())),
        ]);
        if broadcast.waiting != waiting {
            match &waiting {
                Some(waiting) => {
                    set.push("waiting = :waiting");
                    values.insert(":waiting".into(), attribute(waiting)?);
                }
                None => remove = " REMOVE waiting",
            }
        }
        if let Some(progress) = progress.filter(|progress| broadcast.progress != Some(*progress)) {
            set.push("progress = :progress");
            values.insert(":progress".into(), attribute(&progress)?);
        }
        let mut expression = format!("SET {}{remove}", set.join(", "));
        // A new time alone is no change for those who read the broadcast before.
        if set.len() > 1 || !remove.is_empty() {
            expression.push_str(" ADD version :one");
            values.insert(":one".into(), number(1));
        }
        let updated = self.table.update_if(keys::broadcast(broadcast.team_key(), &broadcast.id), |update| {
            update
                .update_expression(expression)
                .condition_expression("attribute_exists(checkIn) AND #status = :status")
                .expression_attribute_names("#status", "status")
                .set_expression_attribute_values(Some(values))
        });
        updated.await.map(drop)
    }

    /// Stores that failures are counted from here on, unless a user resumed the broadcast in the meantime.
    pub async fn set_watch(&self, broadcast: &Broadcast, watch: FailureWatch) -> Result<(), StoreError> {
        let (before, watch) = (attribute(&broadcast.watch)?, attribute(&watch)?);
        let updated = self.table.update_if(keys::broadcast(broadcast.team_key(), &broadcast.id), |update| {
            update
                .update_expression("SET watch = :watch")
                .condition_expression("watch = :before AND #status = :status")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", text(broadcast.status.as_str()))
                .expression_attribute_values(":before", before)
                .expression_attribute_values(":watch", watch)
        });
        updated.await.map(drop)
    }

    /// Makes the sweep look at a broadcast that ended or is paused, because its counts changed. A look that
    /// read the counts before stores nothing then. Does nothing otherwise, when a worker looks anyway.
    pub async fn look_again(
        &self,
        team: TeamKey<'_>,
        broadcast: &BroadcastId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::broadcast(team, broadcast), |update| {
            update
                .update_expression("SET checkIn = :open, checkAt = :now ADD version :one")
                .condition_expression("#status IN (:completed, :canceled, :paused)")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":paused", text(BroadcastStatus::Paused.as_str()))
                .expression_attribute_values(":completed", text(BroadcastStatus::Completed.as_str()))
                .expression_attribute_values(":canceled", text(BroadcastStatus::Canceled.as_str()))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":open", text(keys::OPEN_BROADCASTS))
                .expression_attribute_values(":now", number(now.millis()))
        });
        updated.await.map(drop)
    }

    /// Returns the broadcast of a stream record's image.
    pub(crate) fn of_image(image: serde_dynamo::Item) -> Result<Broadcast, StoreError> {
        let row: BroadcastRow = serde_dynamo::from_item(image)?;
        Ok(row.broadcast)
    }

    /// Returns broadcasts that are due, the oldest first.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<DueBroadcast>, StoreError> {
        let found = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(keys::DELIVERY_CHECKS)
            .key_condition_expression("checkIn = :open AND checkAt <= :now")
            .expression_attribute_values(":open", text(keys::OPEN_BROADCASTS))
            .expression_attribute_values(":now", number(now.millis()))
            .limit(MAX_DUE)
            .send()
            .await?;
        let due = |row: DueRow| {
            let corrupt = || StoreError::Corrupt("the key of a broadcast".into());
            let (organization, team) = row.pk.split_once('#').ok_or_else(corrupt)?;
            Ok(DueBroadcast {
                organization: OrganizationId::parse(organization)?,
                team: TeamId::parse(team)?,
                broadcast: row.sk,
            })
        };
        found.items.unwrap_or_default().into_iter().map(|item| due(from_item(item)?)).collect()
    }
}

/// Commits the transaction that writes a broadcast, with its event.
async fn written(
    mut transaction: Transaction<'_>,
    after: &Broadcast,
    event: Option<&AuditEvent<'_>>,
) -> Result<BroadcastWrite, StoreError> {
    if let Some(event) = event {
        event.write(&mut transaction, after.team_key())?;
    }
    let is_done = transaction.commit().await?.is_done();
    Ok(if is_done { BroadcastWrite::Done } else { BroadcastWrite::Changed })
}

/// Adds a broadcast under the condition that it was not changed since it was read.
pub(crate) fn put_changed(
    transaction: &mut Transaction<'_>,
    before: &Versioned<Broadcast>,
    after: &Broadcast,
    due: Option<Timestamp>,
) -> Result<(), StoreError> {
    let row = BroadcastRow::of(after, before.version + 1, due);
    transaction.put_if(keys::broadcast(after.team_key(), &after.id), &row, |put| {
        put.condition_expression("version = :version")
            .expression_attribute_values(":version", number(before.version))
    })?;
    Ok(())
}

/// Adds a new broadcast and the item that finds its team.
fn put_new(
    transaction: &mut Transaction<'_>,
    broadcast: &Broadcast,
    due: Option<Timestamp>,
) -> Result<(), StoreError> {
    let (team, id) = (broadcast.team_key(), &broadcast.id);
    transaction.put_new(keys::broadcast(team, id), &BroadcastRow::of(broadcast, 1, due))?;
    let pointer = PointerRow { team: broadcast.team.clone() };
    transaction.put_new(keys::broadcast_pointer(team.organization, id), &pointer)?;
    Ok(())
}

impl BroadcastRow {
    pub(crate) fn of(broadcast: &Broadcast, version: u64, due: Option<Timestamp>) -> Self {
        Self {
            broadcast: broadcast.clone(),
            version,
            check_in: due.map(|_| keys::OPEN_BROADCASTS.to_owned()),
            check_at: due,
        }
    }

    fn broadcast(self) -> Versioned<Broadcast> {
        Versioned { value: self.broadcast, version: self.version }
    }
}
