//! The steps that users take with a broadcast: confirm, pause, resume, cancel.

use shared_aws::{
    broadcast::{BroadcastWrite, reference},
    table::{StoreError, Versioned},
    team::AuditEvent,
};
use shared_domain::{
    broadcast::{
        Broadcast, BroadcastStatus, BroadcastStep, Estimate, EstimateRef, FailureWatch, StepNotAllowed,
        WaitReason, Waiting, can_confirm, is_stale,
    },
    ids::UserId,
    time::Timestamp,
    user::UserRef,
};

use super::{AudienceError, BroadcastWorkflow};

/// How often a step is taken again because the broadcast changed at the same time.
const ATTEMPTS: usize = 5;

/// Whether a broadcast was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    Confirmed(Box<Broadcast>),
    /// The estimate is not the last one, or the audience changed since.
    Stale,
    /// The checklist of an estimate of now forbids it.
    Stop(Box<Estimate>),
    /// As [`BroadcastWorkflow::is_too_large`].
    TooLarge,
    NotAllowed(StepNotAllowed),
    /// The broadcast changed at the same time.
    Changed,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    Done(Box<Broadcast>),
    NotAllowed(StepNotAllowed),
    /// The broadcast changed in every attempt, or was removed.
    Changed,
}

impl BroadcastWorkflow {
    /// Stores an estimate, so that a user can confirm it. `false` if the broadcast changed at the same time.
    pub async fn store_estimate(
        &self,
        before: &Versioned<Broadcast>,
        estimate: &Estimate,
    ) -> Result<bool, StoreError> {
        let after = Broadcast { estimate: Some(EstimateRef::of(estimate)), ..before.value.clone() };
        let due = before.value.scheduled_at.filter(|_| before.value.confirmed_by.is_some());
        Ok(self.broadcasts.write(before, &after, due, None).await? == BroadcastWrite::Done)
    }

    /// Confirms a broadcast for a user who may broadcast. `named` is the estimate that the user saw. The
    /// audience is evaluated again. Idempotent by the estimate and the user: one that waits for its time can
    /// be confirmed by another user, who then sends it, as after its first sender lost the right.
    pub async fn confirm(
        &self,
        before: &Versioned<Broadcast>,
        named: &str,
        by: &UserRef,
        now: Timestamp,
        entropy: u64,
    ) -> Result<Confirmation, AudienceError> {
        let first = self.confirm_once(before, named, by, now, entropy).await?;
        if first != Confirmation::Changed {
            return Ok(first);
        }
        // Another confirmation may have been first.
        match self.broadcasts.get(before.value.team_key(), &before.value.id).await? {
            Some(found) => self.confirm_once(&found, named, by, now, entropy).await,
            None => Ok(Confirmation::Changed),
        }
    }

    async fn confirm_once(
        &self,
        before: &Versioned<Broadcast>,
        named: &str,
        by: &UserRef,
        now: Timestamp,
        entropy: u64,
    ) -> Result<Confirmation, AudienceError> {
        let broadcast = &before.value;
        let is_own = broadcast.confirmed_by.as_ref().is_some_and(|confirmed| confirmed.id == by.id);
        let is_settled = is_own || broadcast.status != BroadcastStatus::Scheduled;
        if is_settled && broadcast.is_confirmed_with(named) {
            return Ok(Confirmation::Confirmed(Box::new(broadcast.clone())));
        }
        if let Err(refused) = broadcast.status.after(BroadcastStep::Edit) {
            return Ok(Confirmation::NotAllowed(refused));
        }
        let later = broadcast.scheduled_at.filter(|at| *at > now);
        let step = if later.is_some() { BroadcastStep::ConfirmLater } else { BroadcastStep::ConfirmNow };
        let status = match broadcast.status.after(step) {
            Ok(status) => status,
            Err(refused) => return Ok(Confirmation::NotAllowed(refused)),
        };
        let estimate = broadcast.estimate.as_ref().filter(|estimate| estimate.id == named);
        let Some(estimate) = estimate else { return Ok(Confirmation::Stale) };
        if self.is_too_large(broadcast).await? {
            return Ok(Confirmation::TooLarge);
        }
        let current = self.estimate(broadcast, true, now, entropy).await?;
        if !can_confirm(&current.checks) {
            return Ok(Confirmation::Stop(Box::new(current)));
        }
        if is_stale(estimate, &current.tally) {
            return Ok(Confirmation::Stale);
        }
        if is_own && status == broadcast.status {
            return Ok(Confirmation::Confirmed(Box::new(broadcast.clone())));
        }
        let confirmed_by = Some(by.clone());
        let after = Broadcast { status, confirmed_by, waiting: None, ..broadcast.clone() };
        let event = audit(&by.id, "broadcast.confirm", broadcast, now, entropy);
        match self.broadcasts.write(before, &after, Some(later.unwrap_or(now)), Some(&event)).await? {
            BroadcastWrite::Done => Ok(Confirmation::Confirmed(Box::new(after))),
            BroadcastWrite::Changed | BroadcastWrite::KeyTaken => Ok(Confirmation::Changed),
        }
    }

    /// Pauses, resumes or cancels a broadcast. A step that was taken before changes nothing. Texts that are
    /// queued when it is canceled are not sent.
    pub async fn take_step(
        &self,
        before: Versioned<Broadcast>,
        step: BroadcastStep,
        by: &UserId,
        now: Timestamp,
        entropy: u64,
    ) -> Result<StepOutcome, StoreError> {
        self.step(before, step, by, now, entropy, step == BroadcastStep::Cancel).await
    }

    /// [`BroadcastWorkflow::take_step`] that lets queued texts go out, as after a restore.
    pub async fn take_step_after_texts(
        &self,
        before: Versioned<Broadcast>,
        step: BroadcastStep,
        by: &UserId,
        now: Timestamp,
        entropy: u64,
    ) -> Result<StepOutcome, StoreError> {
        self.step(before, step, by, now, entropy, false).await
    }

    async fn step(
        &self,
        mut before: Versioned<Broadcast>,
        step: BroadcastStep,
        by: &UserId,
        now: Timestamp,
        entropy: u64,
        stops_texts: bool,
    ) -> Result<StepOutcome, StoreError> {
        for _ in 0..ATTEMPTS {
            let broadcast = &before.value;
            let status = match broadcast.status.after(step) {
                Ok(status) => status,
                Err(refused) => return Ok(StepOutcome::NotAllowed(refused)),
            };
            if status == broadcast.status {
                return Ok(StepOutcome::Done(Box::new(broadcast.clone())));
            }
            let mut after = Broadcast { status, waiting: None, reason: None, ..broadcast.clone() };
            let action = match step {
                BroadcastStep::Pause => {
                    after.waiting = Some(Waiting { reason: WaitReason::PausedByUser, until: None });
                    "broadcast.pause"
                }
                BroadcastStep::Resume => {
                    let of = reference(broadcast);
                    let progress = self.recipients.progress(&broadcast.organization, &of).await?;
                    after.watch = FailureWatch::from(&progress);
                    "broadcast.resume"
                }
                BroadcastStep::Edit => "broadcast.edit",
                _ => {
                    after.finished_at = Some(now);
                    "broadcast.cancel"
                }
            };
            let has_recipients = broadcast.preparation > 0;
            let goes_on = step != BroadcastStep::Cancel && step != BroadcastStep::Edit;
            let due = (goes_on || has_recipients).then_some(now);
            let event = audit(by, action, broadcast, now, entropy);
            let is_halted = has_recipients && matches!(step, BroadcastStep::Pause | BroadcastStep::Cancel);
            let written = if is_halted {
                self.broadcasts.halt(&before, &after, due, Some(&event), stops_texts).await?
            } else {
                self.broadcasts.write(&before, &after, due, Some(&event)).await?
            };
            if written == BroadcastWrite::Done {
                return Ok(StepOutcome::Done(Box::new(after)));
            }
            let (team, id) = (broadcast.team_key(), &broadcast.id);
            let Some(found) = self.broadcasts.get(team, id).await? else { break };
            before = found;
        }
        Ok(StepOutcome::Changed)
    }
}

fn audit<'a>(
    actor: &'a UserId,
    action: &'static str,
    broadcast: &'a Broadcast,
    at: Timestamp,
    entropy: u64,
) -> AuditEvent<'a> {
    AuditEvent { actor, action, target: broadcast.id.as_str(), at, entropy }
}
