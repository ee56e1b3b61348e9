//! The pace of each inbox's number, one item per inbox.
//!
//! | operation | requests | units |
//! |---|---|---|
//! | what a release reads: the pace, and the sending state of the organization | 1 | 1 read |
//! | what the sender reads before each message: these two, and the conversation | 1 | 1.5 read |
//! | the turn of a message | 1 | 1 write |
//! | the turn of a text of a broadcast | 1, or 3 if it is planned first | 1 write, or 2 and half a read |
//! | a limit of the carrier | 1, or 2 if the number is held already | 1 write each |
//!
//! A turn is written only if the pace did not change since it was read. If it did, the failed write returns
//! the present pace, and the turn is decided again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::Asked,
    keys::{ConversationKey, InboxKey},
    pace::{BroadcastTurn, CarrierLimit, Pace, Restraint, Turn},
    sending_pause::SendingState,
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{by_key, from_item, number, text},
    keys::{self, Key},
    requests::{Conditional, Table},
};

/// Maximum number of decisions about one message while others take turns of the same number. After that, it
/// waits in the queue.
const MAX_DECISIONS: u32 = 32;

/// A pace as it was read. The default is that of a number that never sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoredPace {
    #[serde(flatten)]
    pace: Pace,
    /// When the last hold began.
    #[serde(rename = "heldSince", default, skip_serializing_if = "Option::is_none")]
    held_since: Option<Timestamp>,
    /// Grows with each change.
    version: u64,
}

impl StoredPace {
    /// Returns the pace.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// See [`Pace::segments_in`].
    pub fn segments_in(&self, time: Duration, rate: u32, now: Timestamp) -> u64 {
        self.pace.segments_in(time, rate, now)
    }

    /// Returns the limit that holds the number now, and until when.
    pub fn held(&self, now: Timestamp) -> Option<(CarrierLimit, Timestamp)> {
        self.pace.held(now)
    }
}

impl BeforeSend {
    /// Returns since when something that was accepted at `since` could have been sent: not before the end of
    /// the last pause and of the last hold.
    pub fn open_since(&self, since: Timestamp) -> Timestamp {
        [self.state.resumed_at, self.pace.pace.hold_until()].into_iter().flatten().fold(since, Timestamp::max)
    }
}

/// What the sender reads before a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeSend {
    /// The sending state of the organization.
    pub state: SendingState,
    pub pace: StoredPace,
    /// The text of a broadcast that the conversation got last.
    pub asked: Option<Asked>,
}

/// The part of a conversation in [`BeforeSend`].
#[derive(Debug, Default, Deserialize)]
struct AskedRow {
    #[serde(default)]
    asked: Option<Asked>,
}

/// The outcome of asking for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// The message may go out at this time.
    Turn(Timestamp),
    /// The text of a broadcast takes its turn at this time, with [`Paces::take_planned_turn`].
    Planned(Timestamp),
    /// The message waits until this time, and then asks again.
    Later(Timestamp),
}

/// The paces of inboxes.
#[derive(Debug, Clone)]
pub struct Paces {
    table: Table,
}

impl Paces {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the sending state of the organization and the pace of an inbox. A change of the last second
    /// may be missing.
    pub async fn get_with_sending_state(
        &self,
        inbox: InboxKey<'_>,
    ) -> Result<(SendingState, StoredPace), StoreError> {
        let found = self.get_with(inbox, None).await?;
        Ok((found.state, found.pace))
    }

    /// [`Paces::get_with_sending_state`] with the text of a broadcast that a conversation got last.
    pub async fn get_with_conversation(&self, of: ConversationKey<'_>) -> Result<BeforeSend, StoreError> {
        self.get_with(of.inbox_key(), Some(keys::conversation(of))).await
    }

    async fn get_with(
        &self,
        inbox: InboxKey<'_>,
        conversation: Option<Key>,
    ) -> Result<BeforeSend, StoreError> {
        let (sending, pace) = (keys::sending(inbox.organization), keys::pace(inbox));
        let all = [&sending, &pace].into_iter().chain(&conversation).cloned().collect();
        let mut found = by_key(self.table.batch_get(all, false).await?);
        let state = found.remove(&sending).map(from_item).transpose()?.unwrap_or_default();
        let pace = found.remove(&pace).map(from_item).transpose()?.unwrap_or_default();
        let conversation = conversation.and_then(|key| found.remove(&key));
        let AskedRow { asked } = conversation.map(from_item).transpose()?.unwrap_or_default();
        Ok(BeforeSend { state, pace, asked })
    }

    /// Takes the next turn of an inbox for a message of this many segments. `pace` is the pace as it was
    /// read, and `rate` is in segments per second.
    pub async fn take_turn(
        &self,
        inbox: InboxKey<'_>,
        pace: StoredPace,
        rate: u32,
        segments: u32,
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        self.reserve(inbox, pace, now, |pace| match pace.decide(rate, segments, now) {
            Turn::Release { at, next } => Ok((Reservation::Turn(at), next)),
            Turn::Wait { until } => Err(until),
        })
        .await
    }

    /// Takes the next turn of an inbox for a text of a broadcast if it is due or the text has waited long
    /// enough, and plans it otherwise. `waited` is the time for which the text could have been sent.
    pub async fn plan_turn(
        &self,
        inbox: InboxKey<'_>,
        pace: StoredPace,
        rate: u32,
        segments: u32,
        waited: Duration,
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        self.reserve(inbox, pace, now, |pace| match pace.decide_broadcast(rate, segments, waited, now) {
            BroadcastTurn::Release { at, next } => Ok((Reservation::Turn(at), next)),
            BroadcastTurn::Plan { at, next } => Ok((Reservation::Planned(at), next)),
            BroadcastTurn::Wait { until } => Err(until),
        })
        .await
    }

    /// Takes the turn of a text that was planned for a time. The time has come. Returns
    /// [`Reservation::Later`] if other messages took the turn.
    pub async fn take_planned_turn(
        &self,
        inbox: InboxKey<'_>,
        rate: u32,
        segments: u32,
        planned: Timestamp,
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let pace = self.table.get(keys::pace(inbox), false).await?.unwrap_or_default();
        self.reserve(inbox, pace, now, |pace| match pace.take_planned(rate, segments, planned, now) {
            Turn::Release { at, next } => Ok((Reservation::Turn(at), next)),
            Turn::Wait { until } => Err(until),
        })
        .await
    }

    /// Stores the pace that `decide` returns with the reservation. It is called again if the pace changed.
    /// Its error is the time until which the message waits.
    async fn reserve(
        &self,
        inbox: InboxKey<'_>,
        pace: StoredPace,
        now: Timestamp,
        decide: impl Fn(&Pace) -> Result<(Reservation, Pace), Timestamp>,
    ) -> Result<Reservation, StoreError> {
        let mut stored = pace;
        for _ in 0..MAX_DECISIONS {
            let (reservation, next) = match decide(&stored.pace) {
                Ok(decided) => decided,
                Err(until) => return Ok(Reservation::Later(until)),
            };
            let next = StoredPace { pace: next, version: stored.version + 1, ..stored };
            let put = self.table.put_if(keys::pace(inbox), &next, |put| {
                put.condition_expression(
                    "version = :version OR (:version = :never AND attribute_not_exists(pk))",
                )
                .expression_attribute_values(":version", number(stored.version))
                .expression_attribute_values(":never", number(0))
            });
            match put.await? {
                Conditional::Done(_) => return Ok(reservation),
                Conditional::Failed(item) => stored = item.map(from_item).transpose()?.unwrap_or_default(),
            }
        }
        Ok(Reservation::Later(now))
    }

    /// Stores a restraint of an inbox. A longer one of the same kind stays. Returns when the hold began that
    /// is in force now, if the restraint is a hold.
    pub async fn restrain(
        &self,
        inbox: InboxKey<'_>,
        restraint: Restraint,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if restraint.limit == CarrierLimit::Rate {
            self.extend(inbox, restraint).await?;
            return Ok(None);
        }
        let since = self.begin_hold(inbox, restraint, now).await?;
        if since < now {
            self.extend(inbox, restraint).await?;
        }
        Ok(Some(since))
    }

    /// Begins a hold unless one is in force. Returns when the hold in force began.
    async fn begin_hold(
        &self,
        inbox: InboxKey<'_>,
        Restraint { limit, until }: Restraint,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let updated = self.table.update_if(keys::pace(inbox), |update| {
            update
                .update_expression(
                    "SET holdUntil = :until, heldBy = :limit, heldSince = :now ADD version :one",
                )
                .condition_expression("attribute_not_exists(holdUntil) OR holdUntil <= :now")
                .expression_attribute_values(":until", number(until.millis()))
                .expression_attribute_values(":limit", text(limit.as_str()))
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":one", number(1))
        });
        let in_force: Option<StoredPace> = match updated.await? {
            Conditional::Done(_) => None,
            Conditional::Failed(item) => item.map(from_item).transpose()?,
        };
        Ok(in_force.and_then(|pace| pace.held_since).unwrap_or(now))
    }

    async fn extend(
        &self,
        inbox: InboxKey<'_>,
        Restraint { limit, until }: Restraint,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::pace(inbox), |update| {
            let update = match limit {
                CarrierLimit::Rate => update
                    .update_expression("SET #until = :until ADD version :one")
                    .expression_attribute_names("#until", "slowUntil"),
                _ => update
                    .update_expression("SET #until = :until, heldBy = :limit ADD version :one")
                    .expression_attribute_names("#until", "holdUntil")
                    .expression_attribute_values(":limit", text(limit.as_str())),
            };
            update
                .condition_expression("attribute_not_exists(#until) OR #until < :until")
                .expression_attribute_values(":until", number(until.millis()))
                .expression_attribute_values(":one", number(1))
        });
        updated.await.map(drop)
    }
}
