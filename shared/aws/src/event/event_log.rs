//! The numbered events of inboxes and teams.
//!
//! A writer puts event n + 1 only after it has seen event n, under the condition that n + 1 is new. There is
//! therefore no gap, whatever the number of writers and wherever one of them stops. A writer that finds
//! another event at its number takes the next one. A stream record that is delivered again finds the events
//! of its earlier attempt by their ids, so no event is stored twice.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use shared_domain::{
    event::{EVENT_RETENTION, Event, EventScope, EventType, NewEvent},
    ids::{ConversationId, EventId, MessageId, TeamId},
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{from_item, number, string_attribute, text},
    keys::{self, Key},
    query::KeyRange,
    requests::{Conditional, EXISTS, Table},
};

/// How much earlier than a record's time its events may have been stored, by another host's clock. DynamoDB
/// rounds the time of a record down to a second.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// How much longer than [`EVENT_RETENTION`] an event is stored.
const TTL_SLACK: Duration = Duration::from_hours(1);
/// The data of an event whose contact was erased.
const ERASED: &str = "{}";
/// The least number of events in a request for the newest ones: those of one read unit.
const MIN_TAIL_PAGE: usize = 4;

/// A stored event. Attribute names are short, so that an event of a conversation fits into one write unit.
#[derive(Debug, Serialize, Deserialize)]
struct EventRow {
    #[serde(skip_serializing)]
    sk: String,
    id: EventId,
    #[serde(rename = "t")]
    kind: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<TeamId>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationId>,
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
    #[serde(rename = "d")]
    data: String,
    #[serde(rename = "w")]
    written_at: Timestamp,
    ttl: i64,
}

#[derive(Debug, Deserialize)]
struct NewestRow {
    seq: u64,
}

/// The outcome of [`EventLog::append`].
#[derive(Debug)]
pub struct Appended {
    /// The events that are stored, by this or an earlier attempt, in the order of the request.
    pub stored: Vec<Event>,
    /// Why the rest is not stored. All events of the request have to be appended again.
    pub failure: Option<StoreError>,
}

/// The events that were stored recently.
#[derive(Debug, Default)]
struct Tail {
    newest: u64,
    numbers: HashMap<EventId, u64>,
}

/// The events of inboxes and teams.
#[derive(Debug, Clone)]
pub struct EventLog {
    table: Table,
}

impl EventLog {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores events of one inbox or team in their order, except those that an earlier attempt stored. Stops
    /// at the first failure. Costs 1 write unit for each kilobyte of an event and 1 for the request, and
    /// about 1 read unit.
    pub async fn append(&self, scope: &EventScope, events: &[NewEvent], now: Timestamp) -> Appended {
        let mut stored = Vec::with_capacity(events.len());
        let failure = self.append_to(scope, events, now, &mut stored).await.err();
        Appended { stored, failure }
    }

    async fn append_to(
        &self,
        scope: &EventScope,
        events: &[NewEvent],
        now: Timestamp,
        stored: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let Some(oldest) = events.iter().map(|event| event.at).min() else { return Ok(()) };
        let limit = events.len().max(MIN_TAIL_PAGE);
        let mut tail = self.tail(scope, oldest - CLOCK_TOLERANCE, limit, now).await?;
        for event in events {
            let sequence = self.append_one(scope, event, now, &mut tail).await?;
            stored.push(Event { sequence, event: event.clone() });
        }
        self.advance(scope, tail.newest).await
    }

    /// Returns the number of an event, which is stored unless it was before.
    async fn append_one(
        &self,
        scope: &EventScope,
        event: &NewEvent,
        now: Timestamp,
        tail: &mut Tail,
    ) -> Result<u64, StoreError> {
        let row = EventRow::of(event, now);
        loop {
            if let Some(sequence) = tail.numbers.get(&event.id) {
                return Ok(*sequence);
            }
            let sequence = tail.newest + 1;
            let id = match self.table.put_new(event_key(scope, sequence), &row).await? {
                Conditional::Done(_) => event.id.clone(),
                Conditional::Failed(Some(other)) => from_item::<EventRow>(other)?.id,
                Conditional::Failed(None) => {
                    return Err(StoreError::Unavailable("an event that exists was not returned".into()));
                }
            };
            tail.newest = sequence;
            tail.numbers.insert(id, sequence);
        }
    }

    /// Returns the events that were stored since a time, read consistently.
    async fn tail(
        &self,
        scope: &EventScope,
        since: Timestamp,
        limit: usize,
        now: Timestamp,
    ) -> Result<Tail, StoreError> {
        let (tail, newest_at) = self.stored_since(scope, since, limit).await?;
        if newest_at >= Some(now - EVENT_RETENTION) {
            return Ok(tail);
        }
        // TTL deletes expired events in no order, so a newer event may be gone.
        let newest: Option<NewestRow> = self.table.get(keys::newest_event(scope), true).await?;
        let Some(newest) = newest.filter(|newest| newest.seq > tail.newest) else { return Ok(tail) };
        // Other writers may have stored events between the two reads.
        let (tail, _) = self.stored_since(scope, since, limit).await?;
        Ok(Tail { newest: tail.newest.max(newest.seq), ..tail })
    }

    /// Returns the events that were stored since a time, and when the newest event was stored.
    ///
    /// All events of a team are changes of one partition, whose records come in their order. There, an event
    /// of an earlier change was stored before all attempts for later ones, and the read ends at it. Without
    /// that end, a writer that is behind would read all that it wrote since, and fall further behind.
    async fn stored_since(
        &self,
        scope: &EventScope,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Tail, Option<Timestamp>), StoreError> {
        let range = KeyRange::all(keys::events_partition(scope));
        let query = self.table.query(&range).scan_index_forward(false).consistent_read(true);
        let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let mut items = query.into_paginator().items().send();
        let (mut tail, mut newest_at) = (Tail::default(), None);
        while let Some(item) = items.next().await {
            let row: EventRow = from_item(item?)?;
            tail.newest = tail.newest.max(row.sequence()?);
            newest_at = newest_at.max(Some(row.written_at));
            let is_of_an_earlier_change = matches!(scope, EventScope::Team { .. }) && row.at < since;
            if row.written_at < since || is_of_an_earlier_change {
                break;
            }
            tail.numbers.insert(row.id.clone(), row.sequence()?);
        }
        Ok((tail, newest_at))
    }

    /// Replaces the data of all events about a conversation, or whose data contains one of these texts, with
    /// an empty object. The events keep their numbers, ids and types. Returns how many there were. Reads all
    /// events of the inbox or team.
    pub async fn erase(
        &self,
        scope: &EventScope,
        conversation: Option<&ConversationId>,
        texts: &[&str],
    ) -> Result<usize, StoreError> {
        let rows: Vec<EventRow> = self.table.all(&KeyRange::all(keys::events_partition(scope))).await?;
        let mut erased = 0;
        for row in rows {
            let is_about = row.conversation.as_ref().is_some_and(|about| Some(about) == conversation);
            let has_text = texts.iter().any(|text| row.data.contains(text));
            if row.data == ERASED || !(is_about || has_text) {
                continue;
            }
            let update = self.table.update_if(event_key(scope, row.sequence()?), |update| {
                update
                    .update_expression("SET d = :erased")
                    .condition_expression(EXISTS)
                    .expression_attribute_values(":erased", text(ERASED))
            });
            erased += usize::from(update.await?.is_done());
        }
        Ok(erased)
    }

    /// Sets the number of the newest event, unless it is greater already.
    async fn advance(&self, scope: &EventScope, newest: u64) -> Result<(), StoreError> {
        let update = self.table.update_if(keys::newest_event(scope), |update| {
            update
                .update_expression("SET seq = :newest")
                .condition_expression("attribute_not_exists(pk) OR seq < :newest")
                .expression_attribute_values(":newest", number(newest))
        });
        update.await.map(drop)
    }

    /// Returns the numbers of the newest events: half a read unit for each inbox or team. Omits those that
    /// never had an event. An event may be stored before this shows its number.
    pub async fn newest(&self, scopes: &[EventScope]) -> Result<HashMap<EventScope, u64>, StoreError> {
        let by_key: HashMap<Key, &EventScope> =
            scopes.iter().map(|scope| (keys::newest_event(scope), scope)).collect();
        let items = self.table.batch_get(by_key.keys().cloned().collect(), false).await?;
        let mut newest = HashMap::with_capacity(items.len());
        for item in items {
            let key = string_attribute(&item, "pk").zip(string_attribute(&item, "sk"));
            let scope = key.and_then(|(pk, sk)| by_key.get(&Key::new(pk, sk)));
            if let Some(scope) = scope {
                newest.insert((*scope).clone(), from_item::<NewestRow>(item)?.seq);
            }
        }
        Ok(newest)
    }

    /// Returns an event, read consistently. `None` if it is expired or was never stored.
    pub async fn get(&self, scope: &EventScope, sequence: u64) -> Result<Option<Event>, StoreError> {
        let row: Option<EventRow> = self.table.get(event_key(scope, sequence), true).await?;
        row.map(|row| row.event(scope)).transpose()
    }

    /// Returns at most `limit` events after a number, read consistently, in their order. The first has
    /// another number than the next one if the events in between are expired.
    pub async fn after(
        &self,
        scope: &EventScope,
        sequence: u64,
        limit: u16,
    ) -> Result<Vec<Event>, StoreError> {
        let (first, last) = (keys::event_place(sequence + 1), keys::event_place(MAX_SEQUENCE));
        let range = KeyRange::between(keys::events_partition(scope), first, last);
        let query = self.table.query(&range).consistent_read(true).limit(i32::from(limit));
        let found = query.send().await?;
        let rows = found.items.unwrap_or_default().into_iter().map(from_item::<EventRow>);
        rows.map(|row| row?.event(scope)).collect()
    }
}

/// The greatest number that a sort key holds.
const MAX_SEQUENCE: u64 = 999_999_999_999;

fn event_key(scope: &EventScope, sequence: u64) -> Key {
    Key::new(keys::events_partition(scope), keys::event_place(sequence))
}

impl EventRow {
    fn of(event: &NewEvent, now: Timestamp) -> Self {
        Self {
            sk: String::new(),
            id: event.id.clone(),
            kind: event.kind.as_str().to_owned(),
            at: event.at,
            team: event.team.clone(),
            conversation: event.conversation.clone(),
            message: event.message.clone(),
            data: event.data.clone(),
            written_at: now,
            ttl: (now + EVENT_RETENTION + TTL_SLACK).seconds(),
        }
    }

    fn sequence(&self) -> Result<u64, StoreError> {
        let digits = self.sk.strip_prefix(keys::EVENTS).and_then(|digits| digits.parse().ok());
        digits.ok_or_else(|| StoreError::Corrupt("the number of an event".into()))
    }

    fn event(self, scope: &EventScope) -> Result<Event, StoreError> {
        let sequence = self.sequence()?;
        let kind = EventType::parse(&self.kind);
        let event = NewEvent {
            id: self.id,
            kind: kind.ok_or_else(|| StoreError::Corrupt("the type of an event".into()))?,
            at: self.at,
            scope: scope.clone(),
            team: self.team,
            conversation: self.conversation,
            message: self.message,
            data: self.data,
        };
        Ok(Event { sequence, event })
    }
}
