//! Preparing a broadcast: the audience is evaluated and stored, and does not change after that.

use std::{collections::HashMap, time::Duration};

use shared_aws::{
    broadcast::{BroadcastWrite, NewRecipient, PreparedCounts, reference},
    table::{StoreError, Versioned},
};
use shared_domain::{
    broadcast::{Broadcast, BroadcastStatus, BroadcastStep, EstimateRef, SkipReason, first_look},
    ids::Id,
    sending_hours::{RecipientPlace, SendingHours},
    time::Timestamp,
};
use tokio::sync::mpsc;

use super::{AudienceError, BroadcastWorkflow, people::PersonalText, release::CHECK_AFTER, slice::Slice};

/// How many pages of people are read before the first of them is stored.
const READ_AHEAD: usize = 2;
/// When a worker renews its lease. That is early enough for several attempts.
const KEEP_LEASE_AFTER: Duration = Duration::from_secs(15);

impl BroadcastWorkflow {
    /// Prepares a broadcast. `worker` has its lease.
    pub(super) async fn prepare(
        &self,
        clock: &impl Fn() -> Timestamp,
        worker: u64,
        broadcast: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let Some(broadcast) = self.begin_preparation(clock(), worker, broadcast).await? else {
            return Ok(Slice::Over);
        };
        if broadcast.status != BroadcastStatus::Preparing {
            return Ok(Slice::Over); // a missed occurrence
        }
        match self.store_recipients(clock, worker, &broadcast).await {
            Ok(Some(counts)) => self.start(clock(), &broadcast, &counts).await,
            Ok(None) => Ok(Slice::Over),
            Err(AudienceError::SegmentRemoved(id)) => {
                tracing::warn!(event = "broadcast_failed", broadcast = %broadcast.id, segment = %id, "broadcast failed");
                self.fail(clock(), &broadcast, "A segment of the audience was removed.").await
            }
            Err(AudienceError::Store(error)) => Err(error),
        }
    }

    /// Counts the preparation. The first one of an occurrence schedules the next, and an occurrence that was
    /// missed fails. `None` if the broadcast changed at the same time.
    async fn begin_preparation(
        &self,
        now: Timestamp,
        worker: u64,
        before: Versioned<Broadcast>,
    ) -> Result<Option<Broadcast>, StoreError> {
        if let Some(reason) = self.missed(&before.value, now).await? {
            let (status, reason) = (BroadcastStatus::Failed, Some(reason.to_owned()));
            let after = Broadcast { status, reason, finished_at: Some(now), ..before.value.clone() };
            let next = after.next_occurrence(Id::new(now, worker), now);
            let written = self.broadcasts.begin(&before, &after, None, next.as_ref()).await?;
            if written != BroadcastWrite::Done {
                return Ok(None);
            }
            tracing::warn!(event = "broadcast_missed", broadcast = %after.id, "broadcast not started at its time");
            return Ok(Some(after));
        }
        let preparation = before.value.preparation + 1;
        let status = BroadcastStatus::Preparing;
        let started_at = before.value.started_at.or(Some(now));
        // Nobody confirms it again, and its item is written with each slice.
        let estimate = before.value.estimate.clone();
        let estimate = estimate.map(|estimate| EstimateRef { audience: None, ..estimate });
        let after =
            Broadcast { preparation, status, estimate, started_at, waiting: None, ..before.value.clone() };
        let is_first = before.value.preparation == 0;
        let next = is_first.then(|| after.next_occurrence(Id::new(now, worker), now)).flatten();
        let due = Some(now + CHECK_AFTER);
        let written = self.broadcasts.begin(&before, &after, due, next.as_ref()).await?;
        Ok((written == BroadcastWrite::Done).then_some(after))
    }

    /// Why a scheduled broadcast does not start: its sender lost the right in the meantime, or it is an
    /// occurrence of a series that is late. A later one follows, and people should not get several texts at
    /// once.
    async fn missed(
        &self,
        broadcast: &Broadcast,
        now: Timestamp,
    ) -> Result<Option<&'static str>, StoreError> {
        if broadcast.status != BroadcastStatus::Scheduled {
            return Ok(None);
        }
        let is_of_series = broadcast.series.is_some();
        if is_of_series && broadcast.is_missed(now) {
            return Ok(Some("Its time had passed by more than an hour, so this occurrence was skipped."));
        }
        if !self.may_send(broadcast).await? {
            return Ok(Some(if is_of_series {
                "The user who confirmed it may no longer send broadcasts from this inbox, so this occurrence \
                 was skipped. To go on, confirm the next one again."
            } else {
                "The user who confirmed it may no longer send broadcasts from this inbox, so it was not sent."
            }));
        }
        if !is_of_series {
            return Ok(None);
        }
        let from = self.inboxes.get_with_team(broadcast.inbox_key()).await?;
        let from = from.ok_or_else(|| StoreError::Corrupt("a broadcast without inbox".into()))?;
        let waiting = self.stopped(broadcast, &from, now).await?;
        let is_stopped = waiting.is_some_and(|waiting| waiting.until.is_none());
        Ok(is_stopped.then_some("The inbox could not send at its time, so this occurrence was skipped."))
    }

    /// Whether the user who confirmed a broadcast may still do so.
    async fn may_send(&self, broadcast: &Broadcast) -> Result<bool, StoreError> {
        let sender = &broadcast.sender().id;
        let user = self.members.user_in_team(broadcast.team_key(), sender).await?;
        let may_broadcast = user.is_some_and(|user| user.may_broadcast());
        Ok(may_broadcast && self.members.membership(broadcast.inbox_key(), sender).await?.is_some())
    }

    /// Stores the recipients. `None` if another worker took the lease.
    async fn store_recipients(
        &self,
        clock: &impl Fn() -> Timestamp,
        worker: u64,
        broadcast: &Broadcast,
    ) -> Result<Option<PreparedCounts>, AudienceError> {
        let (team, of, start) = (broadcast.team_key(), reference(broadcast), clock());
        let from = self.inboxes.get_with_team(broadcast.inbox_key()).await?;
        let own_number = from.map(|from| from.inbox.number);
        let own_number = own_number.ok_or_else(|| StoreError::Corrupt("a broadcast without inbox".into()))?;
        let text = PersonalText::of(broadcast, &own_number);
        let same = text.is_the_same_for_all();
        let team_hours = self.team_hours(broadcast).await?;
        // People are read while those before them are stored.
        let (read, mut to_store) = mpsc::channel(READ_AHEAD);
        let reading = async move {
            let mut audience = self.audience_of(broadcast, start);
            while let Some(people) = audience.next().await? {
                if read.send(people).await.is_err() {
                    break; // another worker took the lease
                }
            }
            Ok(())
        };
        let storing = async move {
            let mut counts = PreparedCounts::default();
            let mut releases: HashMap<RecipientPlace, Option<Timestamp>> = HashMap::new();
            let mut kept_at = start;
            while let Some(people) = to_store.recv().await {
                let recipients: Vec<NewRecipient> = people
                    .into_iter()
                    .map(|person| {
                        let rendered = text.render(&person);
                        let outcome = rendered.as_ref().map_err(|reason| *reason).and_then(|_| {
                            let place = person.place();
                            let first = *releases.entry(place.clone()).or_insert_with(|| {
                                let hours = SendingHours::of(&place, broadcast.hours, team_hours.as_ref());
                                hours.next_release(start).map(|release| first_look(&release, start))
                            });
                            first.ok_or(SkipReason::Expired)
                        });
                        NewRecipient {
                            contact: person.contact.map(|entry| entry.contact.id),
                            text: rendered.ok().filter(|_| !same),
                            number: person.number,
                            outcome,
                        }
                    })
                    .collect();
                for recipient in &recipients {
                    counts.add(recipient, start);
                }
                self.recipients.put_many(team.organization, &of, &recipients, start).await?;
                if clock() >= kept_at + KEEP_LEASE_AFTER {
                    kept_at = clock();
                    if !self.broadcasts.acquire(team, &broadcast.id, worker, false, kept_at).await? {
                        return Ok(None);
                    }
                    self.broadcasts.postpone(broadcast, None, None, kept_at + CHECK_AFTER).await?;
                }
            }
            Ok::<_, AudienceError>(Some(counts))
        };
        let ((), counts) = futures_util::try_join!(Box::pin(reading), Box::pin(storing))?;
        Ok(counts)
    }

    async fn start(
        &self,
        now: Timestamp,
        prepared: &Broadcast,
        counts: &PreparedCounts,
    ) -> Result<Slice, StoreError> {
        let Some(before) = self.broadcasts.get(prepared.team_key(), &prepared.id).await? else {
            return Ok(Slice::Over);
        };
        let is_current = before.value.preparation == prepared.preparation;
        let Ok(status) = before.value.status.after(BroadcastStep::Run) else { return Ok(Slice::Over) };
        if !is_current || before.value.status == BroadcastStatus::Running {
            return Ok(Slice::Over);
        }
        let after = Broadcast { status, waiting: None, ..before.value.clone() };
        match self.recipients.start(&before, &after, counts, Some(now)).await? {
            BroadcastWrite::Done => {
                tracing::info!(event = "broadcast_started", broadcast = %after.id, "broadcast started");
                Ok(Slice::Continue)
            }
            BroadcastWrite::Changed | BroadcastWrite::KeyTaken => Ok(Slice::Over),
        }
    }

    async fn fail(&self, now: Timestamp, prepared: &Broadcast, reason: &str) -> Result<Slice, StoreError> {
        let found = self.broadcasts.get(prepared.team_key(), &prepared.id).await?;
        if let Some(before) = found.filter(|found| found.value.preparation == prepared.preparation)
            && let Ok(status) = before.value.status.after(BroadcastStep::Fail)
        {
            let (reason, finished_at) = (Some(reason.to_owned()), Some(now));
            let after = Broadcast { status, reason, finished_at, waiting: None, ..before.value.clone() };
            self.broadcasts.write(&before, &after, None, None).await?;
        }
        Ok(Slice::Over)
    }
}
