//! Releasing the texts of a broadcast: as many as its number sends in 15 seconds, the others later.

use std::time::Duration;

use shared_aws::{
    broadcast::{BroadcastWrite, Refused, Release, Released, StoredRecipient, reference},
    clients::BroadcastJob,
    messaging::{Acceptance, Guard},
    table::{StoreError, Versioned},
};
use shared_domain::{
    broadcast::{
        AHEAD, Asked, Broadcast, BroadcastRef, BroadcastStatus, BroadcastStep, Progress, RecipientState,
        SkipReason, WaitReason, Waiting, room, slice_delay,
    },
    contact::custom_value,
    conversation::Conversation,
    ids::{ConversationId, MessageId},
    inbox::{Stage, TeamInbox},
    keys::{RecipientKey, TeamKey},
    lock,
    message::Message,
    phone::PhoneNumber,
    segment::Segments,
    sending_hours::{HoursMode, RecipientPlace, SendingHours},
    time::Timestamp,
    weekly_hours::WeeklyHours,
};

use super::BroadcastWorkflow;

/// When the sweep looks at a broadcast whose worker does not say anything.
pub(super) const CHECK_AFTER: Duration = Duration::from_mins(2);
/// How long before the end of a recipient's hours the last text is sent. The carrier needs some time as well.
const LAST_SEND: Duration = Duration::from_secs(60);
/// How many recipients of a canceled broadcast one slice leaves out at most.
const MAX_SKIPS: usize = 250;
/// How soon a broadcast is looked at again whose texts are on their way.
const PACE_DELAY: Duration = Duration::from_secs(3);
/// How soon a broadcast is looked at again that waits for the carrier or the registration.
const STOP_DELAY: Duration = Duration::from_secs(60);
/// A recipient whose conversation is locked is looked at again after this time at most.
const LOCK_DELAY: Duration = Duration::from_mins(2);
/// A recipient whose conversation changed at the same time is looked at again after this time.
const CHANGE_DELAY: Duration = Duration::from_secs(10);
/// After this time, no delivery report is expected.
const SETTLED_AFTER: Duration = Duration::from_hours(24);
/// After this time, the states of queued recipients are compared with those of their messages.
const REPORT_DELAY: Duration = Duration::from_mins(5);

/// How much earlier than planned a message may continue a broadcast: the clock of its host may be behind, and
/// the queue counts in whole seconds.
const EARLY: Duration = Duration::from_secs(1);

/// What a worker does after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// The broadcast has no work to do, or another worker does it.
    Over,
    /// There is more to do now.
    Continue,
    /// There is more to do after this time.
    ContinueAfter(Duration),
}

/// What the releases of a slice have in common.
struct ReleasingSlice<'a> {
    broadcast: &'a Broadcast,
    of: &'a BroadcastRef,
    from: &'a TeamInbox,
    team_hours: Option<WeeklyHours>,
}

/// What became of a recipient.
enum Step {
    Queued,
    Left,
    /// No text can be released now.
    Stop(Option<WaitReason>),
}

impl BroadcastWorkflow {
    /// Does the next part of a broadcast. `worker` is a random number that names the caller.
    pub async fn run_slice(
        &self,
        clock: impl Fn() -> Timestamp,
        worker: u64,
        job: &BroadcastJob,
    ) -> Result<Slice, StoreError> {
        let team = job.team_key();
        if !self.broadcasts.acquire(team, &job.broadcast, worker, job.continues, clock()).await? {
            return Ok(Slice::Over);
        }
        let slice = self.slice(&clock, worker, job).await;
        let go_on_at = match slice {
            Ok(Slice::Continue) => Some(clock() - EARLY),
            Ok(Slice::ContinueAfter(wait)) => Some(clock() + wait - EARLY),
            Ok(Slice::Over) | Err(_) => None,
        };
        self.broadcasts.give_back(team, &job.broadcast, worker, go_on_at).await?;
        slice
    }

    async fn slice(
        &self,
        clock: &impl Fn() -> Timestamp,
        worker: u64,
        job: &BroadcastJob,
    ) -> Result<Slice, StoreError> {
        let Some(found) = self.broadcasts.get(job.team_key(), &job.broadcast).await? else {
            return Ok(Slice::Over);
        };
        let now = clock();
        match found.value.status {
            BroadcastStatus::Scheduled if found.value.scheduled_at.is_none_or(|at| at <= now) => {
                self.prepare(clock, worker, found).await
            }
            BroadcastStatus::Preparing => self.prepare(clock, worker, found).await,
            BroadcastStatus::Running => self.release(clock, found).await,
            BroadcastStatus::Completed => self.settle(now, found).await,
            BroadcastStatus::Canceled => self.leave_out(clock, found).await,
            BroadcastStatus::Paused => self.watch(now, found).await,
            BroadcastStatus::Draft | BroadcastStatus::Scheduled | BroadcastStatus::Failed => Ok(Slice::Over),
        }
    }

    /// Releases texts. Ends the broadcast when no recipient is open.
    async fn release(
        &self,
        clock: &impl Fn() -> Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let broadcast = &found.value;
        let of = reference(broadcast);
        let progress = self.recipients.progress(&broadcast.organization, &of).await?;
        if progress.is_complete() {
            return self.complete(clock(), found, progress).await;
        }
        let from = self.inboxes.get_with_team(broadcast.inbox_key()).await?;
        let from = from.ok_or_else(|| StoreError::Corrupt("a broadcast without inbox".into()))?;
        let now = clock();
        match broadcast.watch.look(&progress) {
            Ok(watch) if watch == broadcast.watch => {}
            Ok(watch) => self.broadcasts.set_watch(broadcast, watch).await?,
            Err(failures) => return self.pause(now, &found, progress, failures).await,
        }
        if let Some(waiting) = self.stopped(broadcast, &from, now).await? {
            return self.wait(broadcast, waiting, progress, now + STOP_DELAY, STOP_DELAY).await;
        }
        let segments = u64::try_from(Segments::of(&broadcast.text).count).unwrap_or(u64::MAX);
        let room = room(from.segments_per_second(), segments, progress.count(RecipientState::Queued));
        let due = self.recipients.due(&broadcast.organization, &of, Some(now), room).await?;
        if due.is_empty() {
            return self.wait_for_recipients(broadcast, &of, &progress, now).await;
        }
        let team_hours = self.team_hours(broadcast).await?;
        let slice = ReleasingSlice { broadcast, of: &of, from: &from, team_hours };
        let (texts, end) = self.release_each(clock, &slice, &due).await;
        if texts > 0 {
            tracing::info!(event = "broadcast_texts_released", broadcast = %broadcast.id, texts, "texts of a broadcast released");
        }
        match end? {
            Step::Queued | Step::Left => {}
            Step::Stop(Some(reason)) => {
                let waiting = Waiting { reason, until: None };
                return self.wait(broadcast, waiting, progress, now + STOP_DELAY, STOP_DELAY).await;
            }
            Step::Stop(None) => return Ok(Slice::Continue),
        }
        self.broadcasts.postpone(broadcast, None, Some(progress), clock() + CHECK_AFTER).await?;
        let delay = slice_delay(due.len());
        Ok(if delay.is_zero() { Slice::Continue } else { Slice::ContinueAfter(delay) })
    }

    /// Releases the texts of these recipients one after the other, up to the first that stops the broadcast.
    /// Returns how many texts were accepted, and the last step.
    async fn release_each(
        &self,
        clock: &impl Fn() -> Timestamp,
        slice: &ReleasingSlice<'_>,
        recipients: &[StoredRecipient],
    ) -> (u64, Result<Step, StoreError>) {
        let mut texts = 0;
        for recipient in recipients {
            match self.release_one(clock(), slice, recipient).await {
                Ok(Step::Queued) => texts += 1,
                Ok(Step::Left) => {}
                end => return (texts, end),
            }
        }
        (texts, Ok(Step::Left))
    }

    /// What stops all texts of the number.
    pub(super) async fn stopped(
        &self,
        broadcast: &Broadcast,
        from: &TeamInbox,
        now: Timestamp,
    ) -> Result<Option<Waiting>, StoreError> {
        let (state, pace) = self.paces.get_with_sending_state(broadcast.inbox_key()).await?;
        if state.pause.is_some() {
            return Ok(Some(Waiting { reason: WaitReason::Carrier, until: None }));
        }
        if from.inbox.stage == Stage::Active && !from.may_send() {
            return Ok(Some(Waiting { reason: WaitReason::Registration, until: None }));
        }
        Ok(pace.held(now).map(|(limit, until)| Waiting { reason: limit.into(), until: Some(until) }))
    }

    async fn wait(
        &self,
        broadcast: &Broadcast,
        waiting: Waiting,
        progress: Progress,
        due: Timestamp,
        delay: Duration,
    ) -> Result<Slice, StoreError> {
        self.broadcasts.postpone(broadcast, Some(waiting), Some(progress), due).await?;
        Ok(Slice::ContinueAfter(delay))
    }

    /// No recipient is due: the texts are on their way, or the recipients wait.
    async fn wait_for_recipients(
        &self,
        broadcast: &Broadcast,
        of: &BroadcastRef,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<Slice, StoreError> {
        let next = self.recipients.next_due(&broadcast.organization, of).await?;
        let next = next.and_then(|recipient| Some((recipient.check_at?, recipient)));
        match next {
            Some((at, recipient)) if at > now && progress.count(RecipientState::Queued) == 0 => {
                let is_locked = recipient.reason.as_deref() == Some(WaitReason::Locked.as_str());
                let reason = if is_locked { WaitReason::Locked } else { WaitReason::QuietHours };
                let waiting = Waiting { reason, until: Some(at) };
                self.wait(broadcast, waiting, *progress, at, now.duration_until(at)).await
            }
            _ => {
                self.follow_messages(broadcast, of, now).await?;
                let waiting = Waiting { reason: WaitReason::Pace, until: None };
                self.wait(broadcast, waiting, *progress, now + CHECK_AFTER, PACE_DELAY).await
            }
        }
    }

    /// Compares queued recipients with their messages, in case a worker died between the two writes of a
    /// report. Reads all recipients, so it does it every five minutes.
    async fn follow_messages(
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

    async fn release_one(
        &self,
        now: Timestamp,
        slice: &ReleasingSlice<'_>,
        recipient: &StoredRecipient,
    ) -> Result<Step, StoreError> {
        let ReleasingSlice { broadcast, of, from, .. } = *slice;
        let organization = &broadcast.organization;
        let hold = async |reason, until| {
            self.recipients.hold(organization, of, recipient, reason, until).await.map(|_| Step::Left)
        };
        let skip = async |reason| {
            self.recipients.skip(organization, of, recipient, reason).await.map(|_| Step::Left)
        };
        if !matches!(recipient.state, RecipientState::Pending | RecipientState::Held) {
            return Ok(Step::Left); // the index is behind
        }
        let hours = self.hours_of(broadcast, slice.team_hours.as_ref(), recipient).await?;
        let send_until = match hours.next_release(now) {
            None => return skip(SkipReason::Expired).await,
            Some(release) if release.at > now => return hold(WaitReason::QuietHours, release.at).await,
            Some(release) if release.until.is_some_and(|until| until < now + AHEAD + LAST_SEND) => {
                let after = release.until.and_then(|until| hours.next_release(until));
                return match after {
                    Some(next) => hold(WaitReason::QuietHours, next.at).await,
                    None => skip(SkipReason::Expired).await,
                };
            }
            Some(release) => release.until,
        };
        let sender = broadcast.sender();
        let conversation = ConversationId::of(&broadcast.inbox, &recipient.number);
        let key = broadcast.inbox_key().conversation(&conversation);
        let existing = self.conversations.get(key).await?;
        if let Some(until) = existing.as_ref().and_then(|found| locked_until(found, broadcast, now)) {
            return hold(WaitReason::Locked, until.min(now + LOCK_DELAY)).await;
        }
        let shown = match &existing {
            Some(_) => None,
            None => {
                let team = broadcast.team_key();
                Some(self.contacts.by_number_or_provisional(team, &recipient.number).await?)
            }
        };
        let contact = match (&existing, &shown) {
            (Some(conversation), _) => &conversation.contact,
            (None, Some(shown)) => &shown.contact,
            (None, None) => return Ok(Step::Left),
        };
        let name = RecipientKey { broadcast: &broadcast.id, number: &recipient.number };
        let text = recipient.text.as_ref().unwrap_or(&broadcast.text).clone();
        let message = Message {
            id: MessageId::of_recipient(name, &broadcast.inbox, now),
            sender: Some(sender.clone()),
            broadcast: Some(of.clone()),
            send_until,
            ..from.outbound(&recipient.number, text, now, 0)
        };
        let acceptance = Acceptance {
            organization,
            message: &message,
            contact,
            guard: Guard::Compose { user: Some(&sender.id) },
            idempotency: None,
        };
        let refused = match self.sends.release(acceptance, Release { broadcast, recipient }).await? {
            Released::Queued => {
                if let Some(shown) = &shown
                    && let Err(error) = self.contacts.sync_if_changed(broadcast.team_key(), shown).await
                {
                    tracing::warn!(event = "contact_copy_not_checked", message_id = %message.id, %error, "copy of a contact not checked");
                }
                return Ok(Step::Queued);
            }
            Released::Refused(refused) => refused,
        };
        match refused {
            Refused::NotWaiting => Ok(Step::Left),
            Refused::NotRunning => Ok(Step::Stop(None)),
            Refused::NotRegistered => Ok(Step::Stop(Some(WaitReason::Registration))),
            Refused::Skip(reason) => skip(reason).await,
            Refused::Conversation(Some(found)) if found.contact.blocked => skip(SkipReason::Blocked).await,
            Refused::Conversation(Some(found)) if found.contact.opted_out => skip(SkipReason::OptedOut).await,
            Refused::Conversation(found) => {
                let until = found.and_then(|found| locked_until(&found, broadcast, now));
                let until = until.map_or(now + CHANGE_DELAY, |until| until.min(now + LOCK_DELAY));
                hold(WaitReason::Locked, until).await
            }
        }
    }

    async fn hours_of(
        &self,
        broadcast: &Broadcast,
        team_hours: Option<&WeeklyHours>,
        recipient: &StoredRecipient,
    ) -> Result<SendingHours, StoreError> {
        let place = match &recipient.contact {
            Some(id) if broadcast.hours != HoursMode::Always => {
                let entries =
                    self.contacts.get_entries(broadcast.team_key(), std::slice::from_ref(id)).await?;
                let own = entries.first().and_then(|entry| custom_value(&entry.custom, "timeZone"));
                RecipientPlace::of(&recipient.number, own)
            }
            _ => RecipientPlace::of(&recipient.number, None),
        };
        Ok(SendingHours::of(&place, broadcast.hours, team_hours))
    }

    /// How a text is sent again now. `None` if no text of the recipient may be released now. A recipient who
    /// was erased, or whose broadcast was removed, has no hours.
    pub(crate) async fn resend_at(
        &self,
        team: TeamKey<'_>,
        of: &BroadcastRef,
        number: &PhoneNumber,
        now: Timestamp,
    ) -> Result<Option<Resend>, StoreError> {
        let found = self.broadcasts.get(team, &of.broadcast).await?;
        let recipient = self.recipients.get(team.organization, of, number).await?;
        let Some((found, recipient)) = found.zip(recipient) else { return Ok(Some(Resend::default())) };
        let broadcast = found.value;
        let team_hours = self.team_hours(&broadcast).await?;
        let hours = self.hours_of(&broadcast, team_hours.as_ref(), &recipient).await?;
        let release = hours.next_release(now).filter(|release| release.at <= now);
        let is_long_enough =
            |until: &Option<Timestamp>| until.is_none_or(|until| until >= now + AHEAD + LAST_SEND);
        let (window_hours, question) = (broadcast.reply_window_hours, broadcast.question.is_some());
        let asked = Asked { of: of.clone(), at: now, window_hours, question };
        let until = release.map(|release| release.until).filter(is_long_enough);
        Ok(until.map(|until| Resend { until, asked: Some(asked) }))
    }

    async fn complete(
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
        match self.broadcasts.write(&found, &after, due, None).await? {
            BroadcastWrite::Done => {
                tracing::info!(event = "broadcast_completed", broadcast = %after.id, "broadcast completed");
                Ok(Slice::Over)
            }
            BroadcastWrite::Changed | BroadcastWrite::KeyTaken => Ok(Slice::Continue),
        }
    }

    /// A paused broadcast ends if its last texts were on their way.
    async fn watch(&self, now: Timestamp, found: Versioned<Broadcast>) -> Result<Slice, StoreError> {
        let of = reference(&found.value);
        let progress = self.recipients.progress(&found.value.organization, &of).await?;
        if progress.is_complete() {
            return self.complete(now, found, progress).await;
        }
        if progress.count(RecipientState::Queued) > 0 {
            self.follow_messages(&found.value, &of, now).await?;
        }
        self.broadcasts.postpone(&found.value, found.value.waiting, Some(progress), now + STOP_DELAY).await?;
        Ok(Slice::Over)
    }

    /// Keeps the progress of a broadcast up to date that ended: delivery reports and replies still come.
    async fn settle(&self, now: Timestamp, found: Versioned<Broadcast>) -> Result<Slice, StoreError> {
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

    /// Pauses a broadcast of which too many texts failed.
    async fn pause(
        &self,
        now: Timestamp,
        found: &Versioned<Broadcast>,
        progress: Progress,
        failures: u64,
    ) -> Result<Slice, StoreError> {
        let Ok(status) = found.value.status.after(BroadcastStep::Pause) else { return Ok(Slice::Over) };
        let reason = format!(
            "{failures} of the last texts failed, which is more than 10 percent. Look at the recipients who \
             failed before you resume it."
        );
        let waiting = Some(Waiting { reason: WaitReason::Carrier, until: None });
        let (reason, progress) = (Some(reason), Some(progress));
        let after = Broadcast { status, waiting, reason, progress, ..found.value.clone() };
        if self.broadcasts.write(found, &after, Some(now + STOP_DELAY), None).await? == BroadcastWrite::Done {
            tracing::warn!(event = "broadcast_paused", broadcast = %after.id, failures, "broadcast paused");
        }
        Ok(Slice::Over)
    }

    /// Leaves out the recipients of a canceled broadcast that still wait.
    async fn leave_out(
        &self,
        clock: &impl Fn() -> Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let broadcast = &found.value;
        let of = reference(broadcast);
        let waiting = self.recipients.due(&broadcast.organization, &of, None, MAX_SKIPS).await?;
        for recipient in &waiting {
            if matches!(recipient.state, RecipientState::Pending | RecipientState::Held) {
                self.recipients.skip(&broadcast.organization, &of, recipient, SkipReason::Canceled).await?;
            }
        }
        let progress = self.recipients.progress(&broadcast.organization, &of).await?;
        if progress.count(RecipientState::Pending) + progress.count(RecipientState::Held) == 0 {
            return self.settle(clock(), found).await;
        }
        self.broadcasts.postpone(broadcast, None, Some(progress), clock() + CHECK_AFTER).await?;
        Ok(Slice::ContinueAfter(Duration::from_secs(u64::from(waiting.is_empty()))))
    }
}

/// How a failed text of a broadcast is sent again.
#[derive(Debug, Default)]
pub(crate) struct Resend {
    /// Until when the carrier may send it.
    pub(crate) until: Option<Timestamp>,
    /// What the conversation keeps of it, so that its reply counts.
    pub(crate) asked: Option<Asked>,
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

/// Until when another user than the sender holds the lock of a conversation.
fn locked_until(conversation: &Conversation, broadcast: &Broadcast, now: Timestamp) -> Option<Timestamp> {
    let held = lock::held_by_another(&conversation.lock, &broadcast.sender().id, now);
    held.map(|denied| denied.expires_at)
}
