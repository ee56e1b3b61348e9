//! What follows the restore of the table from a backup, before messages may be sent again: the table is
//! brought up to what the carrier knows.
//!
//! - Messages that were received since the backup are taken in from the carrier's list, without automatic
//!   replies and e-mails, which went out before. A STOP among them opts out again.
//! - A message that waited for the carrier at the backup may have been sent since. The carrier is asked about
//!   each of them. Those that it does not have are queued again, or fail if they are older than
//!   [`MAX_UNKNOWN_AGE`].
//! - A broadcast that was to send texts since the backup is canceled: the table does not know who got one.
//!   One that is scheduled for later is a draft again: it may have been sent earlier or canceled since.
//! - Conversations that began since the backup get lock tokens that go on after those from before.
//!
//! All of it can be repeated. The functions of the stack must not run in the meantime.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use shared_aws::{
    broadcast::Broadcasts,
    messaging::{Deliveries, Messages, Outbox, OutboxEntry},
    notification::Notifications,
    restore::{CheckedItem, Restores, TableCopy},
    sending::SendingPauses,
    table::{StoreError, Table},
    team::{Organizations, Teams},
};
use shared_carriers::twilio::{Client, LookupError, NumberWebhooks};
use shared_domain::{
    broadcast::{BroadcastStatus, BroadcastStep},
    ids::{BroadcastId, ConversationId, InboxId, MessageId, OrganizationId, TeamId, UserId},
    keys::{InboxKey, TeamKey},
    message::{DeliveryState, Message, Report},
    opt_out::KeywordReplies,
    time::Timestamp,
};

use crate::{
    broadcast::{BroadcastWorkflow, StepOutcome},
    check_error::CheckError,
    reconcile::{MAX_UNKNOWN_AGE, ReconcileWorkflow},
    sweep::{SweepError, SweepWorkflow},
};

/// A run of the sweep begins no number after this time.
const SWEEP_BUDGET: Duration = Duration::from_mins(10);
/// Runs of the sweep. Each reads 200 messages of a number.
const MAX_SWEEPS: usize = 10_000;

/// Why the table was not brought up to date. The next run continues.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the carrier was not asked: {0}")]
    Carrier(#[from] LookupError),
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[error("{0} numbers were not read from the carrier's list completely")]
    NotSwept(usize),
    #[error("an item changed at the same time: the functions of the stack still run")]
    Contended,
}

impl From<CheckError> for RestoreError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Store(error) => Self::Store(error),
            CheckError::Carrier(error) => Self::Carrier(error),
            CheckError::Contended => Self::Contended,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BroughtUp {
    /// Received messages that were taken in again.
    pub received: usize,
    /// Messages that the carrier has sent since the backup.
    pub sent: usize,
    /// Messages that the carrier does not have. They are sent when sending is resumed.
    pub queued: usize,
    /// Messages that the carrier does not have and that are too old to be sent.
    pub failed: usize,
    pub canceled: Vec<BroadcastId>,
    /// Broadcasts that have to be confirmed again.
    pub unscheduled: Vec<BroadcastId>,
}

/// How many items contradict a rule, by its code.
pub type Violations = BTreeMap<&'static str, usize>;

/// Brings a restored table up to date.
#[derive(Debug)]
pub struct RestoreWorkflow {
    items: TableCopy,
    restores: Restores,
    sweep: SweepWorkflow,
    carrier: ReconcileWorkflow,
    messages: Messages,
    deliveries: Deliveries,
    outbox: Outbox,
    notifications: Notifications,
    teams: Teams,
    broadcasts: Broadcasts,
    steps: BroadcastWorkflow,
    organizations: Organizations,
    pauses: SendingPauses,
}

/// What a look at the table found.
#[derive(Default)]
struct Found {
    open: BTreeMap<MessageId, (OrganizationId, Box<Message>)>,
    unfenced: Vec<(OrganizationId, InboxId, ConversationId)>,
    broadcasts: Vec<(OrganizationId, TeamId, BroadcastId)>,
}

impl RestoreWorkflow {
    pub fn new(table: &Table, carrier: Client, webhooks: NumberWebhooks, replies: KeywordReplies) -> Self {
        let sweep = SweepWorkflow::new(table, carrier.clone(), webhooks, replies).without_replies();
        Self {
            items: TableCopy::new(table.clone()),
            restores: Restores::new(table.clone()),
            sweep,
            carrier: ReconcileWorkflow::new(table.clone(), carrier, Duration::ZERO),
            messages: Messages::new(table.clone()),
            deliveries: Deliveries::new(table.clone()),
            outbox: Outbox::new(table.clone()),
            notifications: Notifications::new(table.clone()),
            teams: Teams::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            steps: BroadcastWorkflow::new(table, None),
            organizations: Organizations::new(table.clone()),
            pauses: SendingPauses::new(table.clone()),
        }
    }

    /// Does one run, as `by`.
    pub async fn run(
        &self,
        clock: impl Fn() -> Timestamp,
        entropy: u64,
        by: &UserId,
    ) -> Result<BroughtUp, RestoreError> {
        let mut done = BroughtUp { received: self.take_in(&clock, entropy).await?, ..BroughtUp::default() };
        self.suppress_emails(clock()).await?;
        let mut found = Found::default();
        let look = |item| match item {
            CheckedItem::OpenMessage(organization, message) => {
                found.open.insert(message.id.clone(), (organization, message));
            }
            CheckedItem::Conversation { organization, inbox, id, is_fenced: false, .. } => {
                found.unfenced.push((organization, inbox, id));
            }
            CheckedItem::Broadcast { organization, team, id } => {
                found.broadcasts.push((organization, team, id));
            }
            _ => {}
        };
        let generation = self.generation().await?;
        self.items.check(generation, look).await?;
        for (organization, inbox, id) in &found.unfenced {
            let conversation = InboxKey { organization, inbox }.conversation(id);
            self.items.raise_fence(conversation, generation).await?;
        }
        // Ids sort by time, and the oldest of several equal texts is found first.
        for (organization, message) in found.open.values() {
            self.resolve(clock(), organization, message, &mut done).await?;
        }
        for (organization, team, id) in &found.broadcasts {
            match self.stop(TeamKey { organization, team }, id, by, clock(), entropy).await? {
                Some(BroadcastStep::Cancel) => done.canceled.push(id.clone()),
                Some(_) => done.unscheduled.push(id.clone()),
                None => {}
            }
        }
        self.restores.set_unreconciled(false).await?;
        Ok(done)
    }

    /// The number of the restore that goes on.
    async fn generation(&self) -> Result<u64, StoreError> {
        Ok(self.restores.last().await?.map_or(1, |window| window.generation))
    }

    /// Takes in what the carrier received. Returns how many messages were not stored.
    async fn take_in(&self, clock: &impl Fn() -> Timestamp, entropy: u64) -> Result<usize, RestoreError> {
        let mut received = 0;
        for _ in 0..MAX_SWEEPS {
            let swept = self.sweep.run(clock, entropy, SWEEP_BUDGET).await?;
            received += swept.found;
            let left = swept.failed + swept.skipped;
            if left > 0 {
                return Err(RestoreError::NotSwept(left));
            }
            if swept.found == 0 && !self.sweep.has_gaps().await? {
                break;
            }
        }
        Ok(received)
    }

    /// Claims the recipients of e-mails that the table asks for, because they were sent before. The stream
    /// has the items already, so removing them is not enough.
    async fn suppress_emails(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let waiting = self.notifications.overdue(now + Duration::from_hours(1)).await?;
            if waiting.is_empty() {
                return Ok(());
            }
            for notification in waiting {
                let organization = &notification.organization;
                if let Some(team) = &notification.team {
                    let settings = self.teams.notification_settings(TeamKey { organization, team }).await?;
                    for address in settings.recipients(&notification.subject) {
                        self.notifications.claim(organization, &notification.id, address, now).await?;
                    }
                }
                self.notifications.remove(&notification.id).await?;
            }
        }
    }

    /// Finds the outcome of a message that had none at the backup.
    async fn resolve(
        &self,
        now: Timestamp,
        organization: &OrganizationId,
        message: &Message,
        done: &mut BroughtUp,
    ) -> Result<(), RestoreError> {
        let entry = OutboxEntry {
            organization: organization.clone(),
            message: message.id.clone(),
            at: message.created_at,
            of_broadcast: message.broadcast.is_some(),
        };
        if let Some(found) = self.carrier.find_at_carrier(organization, message).await? {
            if !self.carrier.report_found(now, organization, message, &found).await? {
                return Err(RestoreError::Contended);
            }
            self.outbox.remove(&entry).await?;
            done.sent += 1;
        } else if message.created_at + MAX_UNKNOWN_AGE <= now {
            let detail = "The message was not sent before the data was restored. You can send it again.";
            let report = Report { at: now, code: Some("not_accepted".into()), detail: Some(detail.into()) };
            let (state, id) = (DeliveryState::Failed, &message.id);
            self.deliveries.report(organization, id, state, &report, None).await?;
            self.outbox.remove(&entry).await?;
            done.failed += 1;
        } else {
            if !self.messages.unclaim(organization, &message.id).await? {
                return Err(RestoreError::Contended);
            }
            self.items.add_to_outbox(organization, message, now).await?;
            done.queued += 1;
        }
        Ok(self.outbox.mark_resolved(&message.id).await?)
    }

    /// Keeps a broadcast from sending texts again. Returns the step that does so, if one is needed.
    async fn stop(
        &self,
        team: TeamKey<'_>,
        id: &BroadcastId,
        by: &UserId,
        now: Timestamp,
        entropy: u64,
    ) -> Result<Option<BroadcastStep>, RestoreError> {
        let Some(found) = self.broadcasts.get(team, id).await? else { return Ok(None) };
        let Some(step) = stopping_step(found.value.status, found.value.scheduled_at, now) else {
            return Ok(None);
        };
        // Texts that users saw as queued are sent when sending is resumed.
        match self.steps.take_step_after_texts(found, step, by, now, entropy).await? {
            StepOutcome::Done(_) => Ok(Some(step)),
            StepOutcome::NotAllowed(_) | StepOutcome::Changed => Err(RestoreError::Contended),
        }
    }

    /// Returns what contradicts the rules that must hold before the functions of the stack run again.
    pub async fn verify(&self, now: Timestamp) -> Result<Violations, StoreError> {
        let (mut messages, mut queued, mut outbox) = (HashSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut last_messages, mut conversations) = (Vec::new(), HashSet::new());
        let (mut of_messages, mut broadcasts) = (Vec::new(), Vec::new());
        let mut violations = Violations::new();
        let mut count = |code, items: usize| {
            if items > 0 {
                *violations.entry(code).or_default() += items;
            }
        };
        let (mut unfenced, mut events) = (0, 0);
        let look = |item| match item {
            CheckedItem::OpenMessage(organization, message) => {
                of_messages.push((organization, message.inbox.clone(), message.conversation.clone()));
                messages.insert(message.id.clone());
                if message.delivery.state() == DeliveryState::Queued {
                    queued.insert(message.id);
                } else {
                    count("not_reconciled", 1);
                }
            }
            CheckedItem::Message { organization, inbox, id, conversation, .. } => {
                of_messages.push((organization, inbox, conversation));
                messages.insert(id);
            }
            CheckedItem::Conversation { organization, inbox, id, last_message, is_fenced } => {
                last_messages.extend(last_message);
                unfenced += usize::from(!is_fenced);
                conversations.insert((organization, inbox, id));
            }
            CheckedItem::Broadcast { organization, team, id } => broadcasts.push((organization, team, id)),
            CheckedItem::Outbox(message) => {
                outbox.insert(message);
            }
            CheckedItem::Event => events += 1,
            CheckedItem::Other => {}
        };
        let window = self.restores.last().await?;
        self.items.check(window.map_or(1, |window| window.generation), look).await?;
        count("carrier_not_asked", usize::from(window.is_some_and(|window| window.is_unreconciled)));
        count("lock_token", unfenced);
        count("event", events);
        count("queued_without_outbox", queued.difference(&outbox).count());
        count("outbox_without_message", outbox.difference(&queued).count());
        let lost = of_messages.iter().filter(|place| !conversations.contains(place)).count();
        count("message_without_conversation", lost);
        let lost = last_messages.iter().filter(|id| !messages.contains(id)).count();
        count("last_message_missing", lost);
        for (organization, team, id) in &broadcasts {
            let found = self.broadcasts.get(TeamKey { organization, team }, id).await?;
            let may_send = |found: &shared_aws::table::Versioned<shared_domain::broadcast::Broadcast>| {
                stopping_step(found.value.status, found.value.scheduled_at, now).is_some()
            };
            count("broadcast_not_canceled", usize::from(found.as_ref().is_some_and(may_send)));
        }
        for organization in self.organizations.list().await? {
            let state = self.pauses.get(&organization.id).await?;
            count("not_paused", usize::from(state.pause.is_none()));
        }
        Ok(violations)
    }
}

/// What keeps a broadcast from sending texts again that it sent since the table was backed up with this
/// status.
fn stopping_step(
    status: BroadcastStatus,
    scheduled_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<BroadcastStep> {
    match status {
        BroadcastStatus::Preparing | BroadcastStatus::Running | BroadcastStatus::Paused => {
            Some(BroadcastStep::Cancel)
        }
        BroadcastStatus::Scheduled if scheduled_at.is_some_and(|at| at > now) => Some(BroadcastStep::Edit),
        BroadcastStatus::Scheduled => Some(BroadcastStep::Cancel),
        BroadcastStatus::Draft
        | BroadcastStatus::Completed
        | BroadcastStatus::Canceled
        | BroadcastStatus::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_that_was_due_since_the_backup_is_canceled_and_a_later_one_is_a_draft() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let later = Some(now + Duration::from_secs(1));
        let cancel = Some(BroadcastStep::Cancel);
        assert_eq!(stopping_step(BroadcastStatus::Paused, later, now), cancel);
        assert_eq!(stopping_step(BroadcastStatus::Scheduled, Some(now), now), cancel);
        assert_eq!(stopping_step(BroadcastStatus::Scheduled, None, now), cancel);
        assert_eq!(stopping_step(BroadcastStatus::Scheduled, later, now), Some(BroadcastStep::Edit));
        assert_eq!(stopping_step(BroadcastStatus::Draft, Some(now), now), None);
        assert_eq!(stopping_step(BroadcastStatus::Completed, None, now), None);
    }
}
