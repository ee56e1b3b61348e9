//! How events get their numbers.
//!
//! A writer puts event n + 1 only after it has seen event n, under the condition that n + 1 is new. There is
//! therefore no gap, whatever the number of writers and wherever one of them stops. A writer that finds
//! another event at its number takes the next one.
//!
//! A stream record can be delivered again, also to a second writer while the first one still works. No event
//! may be stored twice, so a writer has to find the event of an earlier attempt. It looks for it in few
//! places, however many events other writers have stored since:
//!
//! - Each event has a **watermark**: the time of the newest change of this event and all before it. It never
//!   decreases, so a binary search finds the first event whose watermark is not older than a change. The
//!   event of this change is not before that one.
//! - The event of a change is stored at one of the [`WINDOW`] numbers from there on, its first **window**.
//!   Only a writer that is behind others finds that other events have all of them. It then claims the next
//!   window for its event: an item by the event's id says where it begins, and is replaced under the
//!   condition that it still names a window that is full.
//!
//! A writer stores an event in a window only if it has seen all numbers of the window before, and it is in
//! none of them. So a window has the event once at most, and as soon as all its numbers are taken, either has
//! it or never will. All windows but the first are named by one item, so no event is in two of them.
//!
//! Nothing of this depends on clocks of hosts. The time of a change is that of its stream record, and is the
//! same whenever the record comes.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared_domain::{
    event::{Event, EventScope, NewEvent},
    ids::EventId,
    time::Timestamp,
};

use crate::{
    event::{
        event_log::NewestRow,
        rows::{ClaimRow, EventRow, event_key},
    },
    table::{
        error::StoreError,
        item::{from_item, number},
        keys,
        query::KeyRange,
        requests::{Conditional, IS_NEW, Table},
    },
};

/// How many numbers a window has. A batch of a hundred records has at most twice as many events.
pub(super) const WINDOW: u64 = 200;
/// The least number of events in a request for the newest ones: those of one read unit.
const MIN_TAIL_PAGE: u64 = 4;
/// Claims that are made at the same time.
const MAX_CONCURRENT_CLAIMS: usize = 16;

/// An attempt to store the events of a batch.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    table: &'a Table,
    scope: &'a EventScope,
    window: u64,
    now: Timestamp,
    /// The newest number that was seen.
    newest: u64,
    /// The watermarks of all events that were seen, by their numbers.
    watermarks: BTreeMap<u64, Timestamp>,
    /// The numbers of all events that were seen.
    numbers: HashMap<EventId, u64>,
}

impl<'a> Attempt<'a> {
    /// Reads the newest events, consistently: those since the oldest change, or those of a window.
    pub(super) async fn begin(
        table: &'a Table,
        scope: &'a EventScope,
        events: &[NewEvent],
        window: u64,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (watermarks, numbers) = (BTreeMap::new(), HashMap::new());
        let mut attempt = Self { table, scope, window, now, newest: 0, watermarks, numbers };
        let since = events.iter().map(|event| event.at).min().unwrap_or(now);
        let page = MIN_TAIL_PAGE.max(events.len() as u64);
        if attempt.read_newest(since, page).await? {
            return Ok(attempt);
        }
        // TTL deletes expired events in no order, so a newer event may be gone.
        let newest: Option<NewestRow> = table.get(keys::newest_event(scope), true).await?;
        if let Some(newest) = newest.filter(|newest| newest.seq > attempt.newest) {
            // Other writers may have stored events between the two reads.
            attempt.read_newest(since, page).await?;
            attempt.newest = attempt.newest.max(newest.seq);
        }
        Ok(attempt)
    }

    /// The number of the newest event that was seen.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Stores events in their order, unless they were before. Adds those that are stored, and stops at the
    /// first failure.
    pub(super) async fn append(
        &mut self,
        events: &[NewEvent],
        stored: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let claims = self.claim_all(events).await?;
        for event in events {
            let sequence = self.append_one(event, claims.get(&event.id).copied()).await?;
            stored.push(Event { sequence, event: event.clone() });
        }
        Ok(())
    }

    /// Claims a window for each event whose first one is full, and returns where the claimed ones begin. At
    /// once, so that a writer that is behind does not fall further behind.
    async fn claim_all(&mut self, events: &[NewEvent]) -> Result<HashMap<EventId, u64>, StoreError> {
        let mut displaced = Vec::new();
        for event in events {
            let first = self.first_number(event.at).await?;
            self.read_window(first).await?;
            if !self.has_place(first) && !self.numbers.contains_key(&event.id) {
                displaced.push(&event.id);
            }
        }
        let claim = async |id: &EventId| Ok((id.clone(), self.claim(id, None).await?));
        stream::iter(displaced.into_iter().map(claim))
            .buffer_unordered(MAX_CONCURRENT_CLAIMS)
            .try_collect()
            .await
    }

    /// Returns the number of an event, which is stored unless it was before.
    async fn append_one(&mut self, event: &NewEvent, mut claimed: Option<u64>) -> Result<u64, StoreError> {
        let mut first = match claimed {
            Some(first) => first,
            None => self.first_number(event.at).await?,
        };
        loop {
            self.read_window(first).await?;
            if let Some(sequence) = self.numbers.get(&event.id) {
                return Ok(*sequence);
            }
            if self.has_place(first) {
                self.put_next(event).await?;
            } else {
                first = self.claim(&event.id, claimed).await?;
                claimed = Some(first);
            }
        }
    }

    /// Whether the next number is in this window.
    fn has_place(&self, first: u64) -> bool {
        self.newest + 1 < first + self.window
    }

    /// Puts an event at the next number, unless another one is there.
    async fn put_next(&mut self, event: &NewEvent) -> Result<(), StoreError> {
        let sequence = self.newest + 1;
        let watermark = self.watermarks.get(&self.newest).copied().unwrap_or(event.at).max(event.at);
        let row = EventRow::new(event, watermark, self.now);
        match self.table.put_new(event_key(self.scope, sequence), &row).await? {
            Conditional::Done(_) => self.saw(sequence, row),
            Conditional::Failed(Some(other)) => self.saw(sequence, from_item(other)?),
            Conditional::Failed(None) => {
                return Err(StoreError::Unavailable("an event that exists was not returned".into()));
            }
        }
        Ok(())
    }

    /// Claims the window after the newest event in place of one that is full, unless another attempt claimed
    /// one. Returns the first number of the claimed window.
    async fn claim(&self, id: &EventId, full: Option<u64>) -> Result<u64, StoreError> {
        let (key, row) = (keys::event_claim(self.scope, id), ClaimRow::new(self.newest + 1, self.now));
        let claim = self.table.put_if(key, &row, |put| match full {
            None => put.condition_expression(IS_NEW),
            Some(full) => put
                .condition_expression("#first = :full")
                .expression_attribute_names("#first", "first")
                .expression_attribute_values(":full", number(full)),
        });
        match claim.await? {
            Conditional::Done(_) => Ok(row.first),
            Conditional::Failed(Some(other)) => Ok(from_item::<ClaimRow>(other)?.first),
            Conditional::Failed(None) => Err(StoreError::Unavailable("a claim was not returned".into())),
        }
    }

    /// Returns the first number that the event of a change at this time can have: that of the first event
    /// with a watermark that is not older, or the next one.
    async fn first_number(&mut self, at: Timestamp) -> Result<u64, StoreError> {
        let (mut before, mut first, mut step) = (self.newest, self.newest + 1, 1);
        while before > 0 && self.is_since(before, at).await? {
            first = before;
            before = before.saturating_sub(step);
            step *= 2;
        }
        while first - before > 1 {
            let middle = before + (first - before) / 2;
            if self.is_since(middle, at).await? {
                first = middle;
            } else {
                before = middle;
            }
        }
        Ok(first)
    }

    /// Whether the watermark of an event is not older than this time. An event that is expired is older than
    /// all changes that the stream still has.
    async fn is_since(&mut self, sequence: u64, at: Timestamp) -> Result<bool, StoreError> {
        if !self.watermarks.contains_key(&sequence) {
            let row: Option<EventRow> = self.table.get(event_key(self.scope, sequence), true).await?;
            let Some(row) = row else { return Ok(false) };
            self.saw(sequence, row);
        }
        Ok(self.watermarks.get(&sequence).is_some_and(|watermark| *watermark >= at))
    }

    /// Makes sure that all events of a window were seen, up to the newest one.
    async fn read_window(&mut self, first: u64) -> Result<(), StoreError> {
        let last = first + self.window - 1;
        let seen = self.watermarks.range(first..=last).count() as u64;
        if self.newest + 1 >= first && seen == (last.min(self.newest) + 1).saturating_sub(first) {
            return Ok(());
        }
        // The next event needs the watermark of the one before the window.
        let (from, to) = (keys::event_place(first.saturating_sub(1)), keys::event_place(last));
        let range = KeyRange::between(keys::events_partition(self.scope), from, to);
        for row in self.table.all::<EventRow>(&range).await? {
            self.saw(row.sequence()?, row);
        }
        self.newest = self.newest.max(first.saturating_sub(1));
        Ok(())
    }

    /// Reads the newest events, in pages that grow, until one is older than the oldest change or there are
    /// enough for a window. Returns whether the newest one is not expired.
    async fn read_newest(&mut self, since: Timestamp, page: u64) -> Result<bool, StoreError> {
        let (mut limit, mut after, mut is_fresh) = (page, None, false);
        loop {
            let range = KeyRange::all(keys::events_partition(self.scope));
            let query = self.table.query(&range).scan_index_forward(false).consistent_read(true);
            let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let found = query.set_exclusive_start_key(after).send().await?;
            let mut is_older = false;
            for item in found.items.unwrap_or_default() {
                let row: EventRow = from_item(item)?;
                let sequence = row.sequence()?;
                is_fresh |= !row.is_expired(self.now);
                is_older |= row.watermark < since;
                self.saw(sequence, row);
            }
            after = found.last_evaluated_key;
            let missing = self.window.saturating_sub(self.watermarks.len() as u64);
            if is_older || after.is_none() || missing == 0 {
                return Ok(is_fresh);
            }
            limit = (4 * limit).min(missing);
        }
    }

    fn saw(&mut self, sequence: u64, row: EventRow) {
        self.newest = self.newest.max(sequence);
        self.watermarks.insert(sequence, row.watermark);
        self.numbers.insert(row.id, sequence);
    }
}
