//! Broadcasts that release no texts: those that are paused, canceled or completed. Delivery reports and
//! replies still come.

use std::time::Duration;

use shared_aws::{
    broadcast::{BroadcastWrite, Counts, reference},
    table::{StoreError, Versioned},
};
use shared_domain::{
    broadcast::{
        AHEAD, Broadcast, BroadcastRef, BroadcastStep, Progress, RecipientState, SkipReason, slice_delay,
    },
    time::Timestamp,
};

use super::{
    BroadcastWorkflow,
    release::{CHECK_AFTER, STOP_DELAY},
    slice::Slice,
};

/// How many recipients of a canceled broadcast one slice leaves out at most.
const MAX_SKIPS: usize = 250;
/// How soon a paused broadcast is looked at again for whose texts no report is missing.
const PAUSED_DELAY: Duration = Duration::from_mins(15);
/// After this time, no delivery report is expected.
const SETTLED_AFTER: Duration = Duration::from_hours(24);
/// After this time, the states of queued recipients are compared with those of their messages.
const REPORT_DELAY: Duration = Duration::from_mins(5);

impl BroadcastWorkflow {
    /// Compares queued recipients with their messages, in case a worker died between the two writes of a
    /// report. Reads all recipients, so it does it every five minutes.
    pub(super) async fn follow_messages(
        &self,
        broadcast: &Broadcast,
        of: &BroadcastRef,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_young = broadcast.started_at.is_none_or(|at| at + REPORT_DELAY >= now);
        if is_young || !self.broadcasts.follow_since(broadcast, now, REPORT_DELAY).await? {
            return Ok(());
        }
        let queued = Some(RecipientState::Queued);
        let mut after = None;
        loop {
            let organization = &broadcast.organization;
            let page = self.recipients.page(organization, of, queued, 100, after.as_deref()).await?;
            for recipient in page.items {
                let is_old = recipient.released_at.is_some_and(|at| at + REPORT_DELAY < now);
                if let Some(id) = recipient.message.filter(|_| is_old)
                    && let Some(message) = self.messages.get(organization, &id).await?
                {
                    self.recipients.follow(organization, &message).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Ends a broadcast of which no recipient is open.
    pub(super) async fn complete(
        &self,
        now: Timestamp,
        found: Versioned<Broadcast>,
        progress: Progress,
    ) -> Result<Slice, StoreError> {
        let Ok(status) = found.value.status.after(BroadcastStep::Complete) else { return Ok(Slice::Over) };
        let (finished_at, watched) = (Some(now), Some(progress));
        let after =
            Broadcast { status, waiting: None, finished_at, progress: watched, ..found.value.clone() };
        let due = Some(now + CHECK_AFTER / 2); // replies may have come since the counts were read
        self.say_ahead(&after, 0, now).await?;
        match self.broadcasts.write(&found, &after, due, None).await? {
            BroadcastWrite::Done => {
                tracing::info!(event = "broadcast_completed", broadcast = %after.id, "broadcast completed");
                Ok(Slice::Over)
            }
            BroadcastWrite::Changed | BroadcastWrite::KeyTaken => Ok(Slice::Continue),
        }
    }

    /// A paused broadcast ends if its last texts were on their way.
    pub(super) async fn watch(
        &self,
        now: Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let of = reference(&found.value);
        let Counts { progress, queued_segments, .. } =
            self.recipients.counts(&found.value.organization, &of).await?;
        if progress.is_complete() {
            return self.complete(now, found, progress).await;
        }
        let is_new = self.say_ahead(&found.value, queued_segments, now).await?;
        let queued = progress.count(RecipientState::Queued);
        if queued > 0 {
            self.follow_messages(&found.value, &of, now).await?;
        }
        let is_quiet = queued + progress.count(RecipientState::Sent) == 0;
        let delay = if is_quiet { PAUSED_DELAY } else { STOP_DELAY };
        let after = Broadcast { progress: Some(progress), ..found.value.clone() };
        // If it changed at the same time, it stays due.
        self.broadcasts.write(&found, &after, Some(now + delay), None).await?;
        Ok(after_halt(queued_segments, is_new))
    }

    /// Keeps the progress of a broadcast up to date that ended: delivery reports and replies still come.
    pub(super) async fn settle(
        &self,
        now: Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let broadcast = &found.value;
        let of = reference(broadcast);
        let mut progress = self.recipients.progress(&broadcast.organization, &of).await?;
        if progress.count(RecipientState::Queued) > 0 {
            self.follow_messages(broadcast, &of, now).await?;
            progress = self.recipients.progress(&broadcast.organization, &of).await?;
        }
        let due = next_look(broadcast.finished_at.unwrap_or(now), &progress, now);
        let after = Broadcast { progress: Some(progress), ..broadcast.clone() };
        // If it changed at the same time, it stays due.
        self.broadcasts.write(&found, &after, due, None).await?;
        Ok(Slice::Over)
    }

    /// Leaves out the recipients of a canceled broadcast that still wait.
    pub(super) async fn leave_out(
        &self,
        clock: &impl Fn() -> Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let broadcast = &found.value;
        let of = reference(broadcast);
        let waiting = self.recipients.due(&broadcast.organization, &of, None, MAX_SKIPS).await?;
        let mut is_stuck = true;
        for recipient in &waiting {
            if matches!(recipient.state, RecipientState::Pending | RecipientState::Held) {
                let (organization, reason) = (&broadcast.organization, SkipReason::Canceled);
                is_stuck &= !self.recipients.skip(organization, &of, recipient, reason).await?;
            }
        }
        let Counts { progress, queued_segments, .. } =
            self.recipients.counts(&broadcast.organization, &of).await?;
        let is_new = self.say_ahead(broadcast, queued_segments, clock()).await?;
        if progress.count(RecipientState::Pending) + progress.count(RecipientState::Held) == 0 {
            self.settle(clock(), found).await?;
            return Ok(after_halt(queued_segments, is_new));
        }
        self.broadcasts.postpone(broadcast, None, Some(progress), clock() + CHECK_AFTER).await?;
        // The index is behind if it has only those who do not wait anymore.
        Ok(if is_stuck { Slice::ContinueAfter(slice_delay(0)) } else { Slice::Continue })
    }
}

/// What comes next for a broadcast that was halted: other broadcasts of the inbox get the room of its last
/// texts when those are sent.
fn after_halt(queued_segments: u64, is_new: bool) -> Slice {
    if is_new && queued_segments > 0 { Slice::ContinueAfter(AHEAD) } else { Slice::Over }
}

/// When a worker looks again at a broadcast that ended: while the carrier reports on its texts, for a day at
/// most, after one minute, two, four and so on up to an hour. A text that is queued was sent again, maybe
/// days later, and has no report yet.
fn next_look(ended_at: Timestamp, progress: &Progress, now: Timestamp) -> Option<Timestamp> {
    let is_reported = progress.count(RecipientState::Queued) + progress.count(RecipientState::Sent) == 0;
    let age = ended_at.duration_until(now);
    let is_watched = age < SETTLED_AFTER || progress.count(RecipientState::Queued) > 0;
    (!is_reported && is_watched).then(|| now + age.clamp(CHECK_AFTER / 2, Duration::from_hours(1)))
}
