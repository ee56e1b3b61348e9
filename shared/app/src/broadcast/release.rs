//! Releasing the texts of a broadcast. All broadcasts of an inbox together have as many on their way as its
//! number sends in 15 seconds. The others are released later.

use std::time::Duration;

use shared_aws::{
    broadcast::{BroadcastWrite, Counts, Refused, Release, Released, StoredRecipient, reference},
    messaging::{Acceptance, Guard},
    table::{StoreError, Versioned},
};
use shared_domain::{
    broadcast::{
        AHEAD, Asked, Broadcast, BroadcastRef, BroadcastStep, LAST_SEND, MAX_SLICE, Progress, RecipientState,
        SkipReason, WaitReason, Waiting, slice_delay,
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

use super::{BroadcastWorkflow, slice::Slice};

/// When the sweep looks at a broadcast whose worker does not say anything.
pub(super) const CHECK_AFTER: Duration = Duration::from_mins(2);
/// A text of 1,600 characters, the carrier's limit, has this many segments at most: each may take two units
/// of UCS-2.
const MAX_SEGMENTS: u64 = 49;
/// How soon a broadcast is looked at again whose texts are on their way.
const PACE_DELAY: Duration = Duration::from_secs(3);
/// How soon a broadcast is looked at again that waits for the carrier or the registration.
pub(super) const STOP_DELAY: Duration = Duration::from_secs(60);
/// A recipient whose conversation is locked is looked at again after this time at most.
const LOCK_DELAY: Duration = Duration::from_mins(2);
/// How many recipients of a slice may fail. The next one stops the broadcast for a minute.
const MAX_FAILURES: usize = 10;
/// A recipient is left out if its text cannot be released for this time.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);
/// A recipient whose conversation changed at the same time is looked at again after this time.
const CHANGE_DELAY: Duration = Duration::from_secs(10);

/// What the releases of a slice have in common.
struct ReleasingSlice<'a> {
    broadcast: &'a Broadcast,
    version: u64,
    of: &'a BroadcastRef,
    from: &'a TeamInbox,
    team_hours: Option<WeeklyHours>,
}

/// What became of a recipient.
enum Step {
    Queued,
    /// It was held or left out.
    Moved,
    /// It does not wait anymore, though the index still has it.
    Unchanged,
    /// No text can be released now.
    Stop(Option<WaitReason>),
}

impl Step {
    fn of_move(is_done: bool) -> Self {
        if is_done { Self::Moved } else { Self::Unchanged }
    }
}

impl BroadcastWorkflow {
    /// Releases texts. Ends the broadcast when no recipient is open.
    pub(super) async fn release(
        &self,
        clock: &impl Fn() -> Timestamp,
        found: Versioned<Broadcast>,
    ) -> Result<Slice, StoreError> {
        let broadcast = &found.value;
        let of = reference(broadcast);
        let counts = self.recipients.counts(&broadcast.organization, &of).await?;
        let (own, progress) = (segments_queued(&counts), counts.progress);
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
        let limit = match self.segments_ahead(broadcast, &from, now).await? {
            Ok(limit) => limit,
            Err(waiting) => {
                self.say_ahead(broadcast, own, now).await?;
                return self.wait(broadcast, waiting, progress, now + STOP_DELAY, STOP_DELAY).await;
            }
        };
        let texts_ahead = self.texts_ahead.get(broadcast.inbox_key()).await?;
        let room = texts_ahead.value.room(&broadcast.id, own, limit, now);
        let at_most = usize::try_from(room).unwrap_or(MAX_SLICE).clamp(1, MAX_SLICE);
        let due = self.recipients.due(&broadcast.organization, &of, Some(now), at_most).await?;
        if due.is_empty() {
            self.say_ahead(broadcast, own, now).await?;
            return self.wait_for_recipients(broadcast, &of, &progress, now).await;
        }
        let needed: Vec<u64> = due.iter().map(|recipient| segments(broadcast, recipient)).collect();
        let taken = self.texts_ahead.change(broadcast.inbox_key(), texts_ahead, now, |texts| {
            texts.take(&broadcast.id, own, &needed, limit, now)
        });
        // If the other broadcasts took all the turns, it looks again.
        let taken = taken.await?.unwrap_or(0);
        if taken == 0 {
            return self.wait_for_texts(broadcast, &of, progress, now, slice_delay(0)).await;
        }
        let team_hours = self.team_hours(broadcast).await?;
        let slice = ReleasingSlice { broadcast, version: found.version, of: &of, from: &from, team_hours };
        let (released, moved, end) = self.release_each(clock, &slice, &due[..taken]).await;
        if released > 0 {
            tracing::info!(event = "broadcast_texts_released", broadcast = %broadcast.id, texts = released, "texts of a broadcast released");
        }
        if released < taken {
            // Counted again: another worker may have released texts if the lease has ended, and a release
            // whose answer was lost is in the counts.
            let counts = self.recipients.counts(&broadcast.organization, &of).await?;
            self.say_ahead(broadcast, segments_queued(&counts), clock()).await?;
        }
        match end? {
            Step::Queued | Step::Moved | Step::Unchanged => {}
            Step::Stop(Some(reason)) => {
                let waiting = Waiting { reason, until: None };
                return self.wait(broadcast, waiting, progress, now + STOP_DELAY, STOP_DELAY).await;
            }
            Step::Stop(None) => return Ok(Slice::ContinueAfter(slice_delay(0))),
        }
        self.broadcasts.postpone(broadcast, None, Some(progress), clock() + CHECK_AFTER).await?;
        // Those that were held or left out needed no room, so others go on at once.
        let is_room_left = moved > 0 && released + moved == taken;
        let is_stuck = moved == 0 && released == 0;
        let delay = if is_room_left { Duration::ZERO } else { slice_delay(if is_stuck { 0 } else { taken }) };
        Ok(if delay.is_zero() { Slice::Continue } else { Slice::ContinueAfter(delay) })
    }

    /// Releases the texts of these recipients one after the other, up to the first that stops the broadcast.
    /// Returns how many texts were accepted, how many recipients were held or left out, and the last step.
    async fn release_each(
        &self,
        clock: &impl Fn() -> Timestamp,
        slice: &ReleasingSlice<'_>,
        recipients: &[StoredRecipient],
    ) -> (usize, usize, Result<Step, StoreError>) {
        let (mut released, mut moved, mut failures) = (0, 0, 0);
        for recipient in recipients {
            match self.release_one(clock(), slice, recipient).await {
                Ok(Step::Queued) => released += 1,
                Ok(Step::Moved) => moved += 1,
                Ok(Step::Unchanged) => {}
                Ok(stop) => return (released, moved, Ok(stop)),
                Err(error) => match self.put_off(clock(), slice, recipient, &error).await {
                    // One that failed before does not count, or a few of them would stop it again and again.
                    Ok(true) if recipient.failing_since.is_some() => {}
                    Ok(true) if failures == MAX_FAILURES => {
                        return (released, moved, Ok(Step::Stop(Some(WaitReason::Error))));
                    }
                    Ok(true) => failures += 1,
                    // It does not wait anymore, usually because its text was released and the answer was
                    // lost.
                    Ok(false) => released += 1,
                    Err(_) => return (released, moved, Err(error)),
                },
            }
        }
        (released, moved, Ok(Step::Unchanged))
    }

    /// Lets a recipient wait whose text cannot be released, so that the others do not wait for it. Leaves it
    /// out if that has been so for a day. `false` if it does not wait anymore.
    async fn put_off(
        &self,
        now: Timestamp,
        slice: &ReleasingSlice<'_>,
        recipient: &StoredRecipient,
        error: &StoreError,
    ) -> Result<bool, StoreError> {
        let ReleasingSlice { broadcast, of, .. } = *slice;
        let (recipients, organization) = (&self.recipients, &broadcast.organization);
        let waits = if recipient.failing_since.is_some_and(|since| since + GIVE_UP_AFTER <= now) {
            recipients.skip(organization, of, recipient, SkipReason::Expired).await?
        } else {
            let is_short = matches!(error, StoreError::Unavailable(_));
            let until = now + if is_short { CHANGE_DELAY } else { LOCK_DELAY };
            recipients.put_off(organization, of, recipient, now, until).await?
        };
        if waits {
            tracing::error!(event = "broadcast_text_not_released", broadcast = %broadcast.id, %error, "text of a broadcast not released");
        }
        Ok(waits)
    }

    /// Tells the other broadcasts of the inbox how many segments of this one are on their way, which releases
    /// no more now. `true` if that is new.
    pub(super) async fn say_ahead(
        &self,
        broadcast: &Broadcast,
        segments: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let before = self.texts_ahead.get(broadcast.inbox_key()).await?;
        let changed = self.texts_ahead.change(broadcast.inbox_key(), before, now, |texts| {
            let after = texts.with(&broadcast.id, segments, now);
            (after != *texts, after)
        });
        Ok(changed.await?.unwrap_or(true))
    }

    /// What stops all texts of the number.
    pub(super) async fn stopped(
        &self,
        broadcast: &Broadcast,
        from: &TeamInbox,
        now: Timestamp,
    ) -> Result<Option<Waiting>, StoreError> {
        Ok(self.segments_ahead(broadcast, from, now).await?.err())
    }

    /// How many segments may be queued, which is what the number sends in 15 seconds, or what stops it.
    async fn segments_ahead(
        &self,
        broadcast: &Broadcast,
        from: &TeamInbox,
        now: Timestamp,
    ) -> Result<Result<u64, Waiting>, StoreError> {
        let (state, pace) = self.paces.get_with_sending_state(broadcast.inbox_key()).await?;
        if state.pause.is_some() {
            return Ok(Err(Waiting { reason: WaitReason::Carrier, until: None }));
        }
        if from.inbox.stage == Stage::Active && !from.may_send() {
            return Ok(Err(Waiting { reason: WaitReason::Registration, until: None }));
        }
        if let Some((limit, until)) = pace.held(now) {
            return Ok(Err(Waiting { reason: limit.into(), until: Some(until) }));
        }
        Ok(Ok(pace.segments_in(AHEAD, from.segments_per_second(), now)))
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
            Some((at, recipient)) if at > now => {
                let own = [WaitReason::Locked, WaitReason::Error];
                let own = own.into_iter().find(|own| recipient.reason.as_deref() == Some(own.as_str()));
                let reason = own.unwrap_or(WaitReason::QuietHours);
                let waiting = Waiting { reason, until: Some(at) };
                if progress.count(RecipientState::Queued) == 0 {
                    return self.wait(broadcast, waiting, *progress, at, now.duration_until(at)).await;
                }
                self.follow_messages(broadcast, of, now).await?;
                self.wait(broadcast, waiting, *progress, now + CHECK_AFTER, PACE_DELAY).await
            }
            next => {
                let is_due = next.is_some_and(|(at, _)| at <= now);
                let delay = if is_due { slice_delay(0) } else { PACE_DELAY };
                self.wait_for_texts(broadcast, of, *progress, now, delay).await
            }
        }
    }

    /// There is no room until texts that are queued go out.
    async fn wait_for_texts(
        &self,
        broadcast: &Broadcast,
        of: &BroadcastRef,
        progress: Progress,
        now: Timestamp,
        delay: Duration,
    ) -> Result<Slice, StoreError> {
        self.follow_messages(broadcast, of, now).await?;
        let waiting = Waiting { reason: WaitReason::Pace, until: None };
        self.wait(broadcast, waiting, progress, now + CHECK_AFTER, delay).await
    }

    async fn release_one(
        &self,
        now: Timestamp,
        slice: &ReleasingSlice<'_>,
        recipient: &StoredRecipient,
    ) -> Result<Step, StoreError> {
        let ReleasingSlice { broadcast, version, of, from, .. } = *slice;
        let organization = &broadcast.organization;
        let hold = async |reason, until| {
            self.recipients.hold(organization, of, recipient, reason, until).await.map(Step::of_move)
        };
        let skip =
            async |reason| self.recipients.skip(organization, of, recipient, reason).await.map(Step::of_move);
        let is_waiting = matches!(recipient.state, RecipientState::Pending | RecipientState::Held);
        if !is_waiting || recipient.check_at.is_some_and(|at| at > now) {
            return Ok(Step::Unchanged); // the index is behind
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
            (None, None) => return Ok(Step::Unchanged),
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
        let refused = match self.sends.release(acceptance, Release { broadcast, version, recipient }).await? {
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
            Refused::NotWaiting => Ok(Step::Unchanged),
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

    /// How a text is sent again now. `None` if no text of the recipient may be released now: outside the
    /// hours, and after the broadcast was canceled. A recipient who was erased, or whose broadcast was
    /// removed, has no hours.
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
        if self.broadcasts.stops_texts(team.organization, &of.broadcast).await? {
            return Ok(None);
        }
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
        let due = Some(now + STOP_DELAY);
        if self.broadcasts.halt(found, &after, due, None, false).await? == BroadcastWrite::Done {
            tracing::warn!(event = "broadcast_paused", broadcast = %after.id, failures, "broadcast paused");
        }
        Ok(Slice::Over)
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

/// How many segments are queued. While functions of a version run that does not count segments, the sum
/// differs from the texts.
fn segments_queued(counts: &Counts) -> u64 {
    let queued = counts.progress.count(RecipientState::Queued);
    counts.queued_segments.clamp(queued, queued * MAX_SEGMENTS)
}

/// The segments of a recipient's text.
fn segments(broadcast: &Broadcast, recipient: &StoredRecipient) -> u64 {
    let text = recipient.text.as_ref().unwrap_or(&broadcast.text);
    u64::try_from(Segments::of(text).count).unwrap_or(u64::MAX)
}

/// Until when another user than the sender holds the lock of a conversation.
fn locked_until(conversation: &Conversation, broadcast: &Broadcast, now: Timestamp) -> Option<Timestamp> {
    let held = lock::held_by_another(&conversation.lock, &broadcast.sender().id, now);
    held.map(|denied| denied.expires_at)
}
