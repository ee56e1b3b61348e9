//! The numbered events of inboxes and teams. [`numbering`](super::numbering) gives them their numbers.

use std::collections::HashMap;

use serde::Deserialize;
use shared_domain::{
    event::{Event, EventScope, NewEvent},
    ids::ConversationId,
    time::Timestamp,
};

use crate::{
    event::{
        numbering::{Attempt, WINDOW},
        rows::{EventRow, event_key},
    },
    table::{
        error::StoreError,
        item::{from_item, number, string_attribute, text},
        keys::{self, Key},
        query::{KeyRange, Page},
        requests::{EXISTS, Table},
        transaction::Transaction,
    },
    team::retentions::{self, Erasure, ExpiringTeam},
};

/// The data of an event whose contact was erased.
const ERASED: &str = "{}";
/// Events of a page that is searched for expired messages, and the writes of its transaction.
const EXPIRED_PAGE: u16 = 90;
/// The greatest number that a sort key holds.
const MAX_SEQUENCE: u64 = 999_999_999_999;

#[derive(Debug, Deserialize)]
pub(super) struct NewestRow {
    pub(super) seq: u64,
}

/// The outcome of [`EventLog::append`].
#[derive(Debug)]
pub struct Appended {
    /// The events that are stored, by this or an earlier attempt, in the order of the request.
    pub stored: Vec<Event>,
    /// Why the rest is not stored. All events of the request have to be appended again.
    pub failure: Option<StoreError>,
}

/// The events of inboxes and teams.
#[derive(Debug, Clone)]
pub struct EventLog {
    table: Table,
    window: u64,
}

impl EventLog {
    pub fn new(table: Table) -> Self {
        Self { table, window: WINDOW }
    }

    /// For tests: an event has a claim after this many numbers already, and not after [`WINDOW`].
    #[doc(hidden)]
    #[must_use]
    pub fn with_window(self, window: u64) -> Self {
        Self { window, ..self }
    }

    /// Stores events of one inbox or team in their order, except those that an earlier attempt stored. Stops
    /// at the first failure. Costs 1 write unit for each kilobyte of an event and 1 for the request, and
    /// about 1 read unit. If other writers stored more than [`WINDOW`] events since the changes, it costs 1
    /// write unit more for each event, and at most about 130 read units for each second of the changes.
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
        if events.is_empty() {
            return Ok(());
        }
        let mut attempt = Attempt::begin(&self.table, scope, events, self.window, now).await?;
        attempt.append(events, stored).await?;
        self.advance(scope, attempt.newest()).await
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

    /// Erases the data of events that contain a message from before `cutoff`, as [`EventLog::erase`] does.
    /// Looks at a page of events after the place `after`. Returns how many it erased, and the next place.
    /// [`Erasure::Changed`] if an event has expired by itself since it was read: look at the same page again.
    /// Costs 2 write units for each, and 2.
    pub async fn expire(
        &self,
        lease: &ExpiringTeam,
        scope: &EventScope,
        cutoff: Timestamp,
        after: Option<&str>,
    ) -> Result<(usize, Option<String>, Erasure), StoreError> {
        let range = KeyRange::all(keys::events_partition(scope));
        let page: Page<EventRow> = self.table.consistent_page(range, EXPIRED_PAGE, after).await?;
        let has_expired = |row: &&EventRow| row.data != ERASED && row.has_message_before(cutoff);
        let rows: Vec<_> = page.items.iter().filter(has_expired).collect();
        if rows.is_empty() {
            return Ok((0, page.next, Erasure::Done));
        }
        let mut transaction = Transaction::new(&self.table);
        let required = retentions::require(&mut transaction, lease)?;
        for row in &rows {
            transaction.update(event_key(scope, row.sequence()?), |update| {
                update
                    .update_expression("SET d = :erased")
                    .condition_expression(EXISTS)
                    .expression_attribute_values(":erased", text(ERASED))
            })?;
        }
        Ok((rows.len(), page.next, retentions::outcome(&transaction.commit().await?, required)))
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
