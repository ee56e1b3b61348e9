//! Changes of recipients: each is one transaction with the count of the recipient's partition, under the
//! condition that the recipient is still in its state.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use shared_domain::{
    broadcast::{Broadcast, BroadcastRef, RecipientEvent, RecipientState, SkipReason, WaitReason},
    ids::{MessageId, OrganizationId},
    message::Message,
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{Recipients, StoredRecipient, counts::QUEUED_SEGMENTS};
use crate::table::{
    error::StoreError,
    item::{number, text},
    keys,
    requests::EXISTS,
    transaction::Transaction,
};

/// How often a recipient is read again because it changed at the same time.
const ATTEMPTS: usize = 5;

impl Recipients {
    /// Makes a recipient wait. `false` if it does not wait any more.
    pub async fn hold(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        reason: WaitReason,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Held, |update| {
            update
                .update_expression("SET #state = :to, reason = :reason, checkAt = :until REMOVE failingSince")
                .expression_attribute_values(":reason", text(reason.as_str()))
                .expression_attribute_values(":until", number(until.millis()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Makes a recipient wait whose text could not be released now. `false` if it does not wait any more.
    pub async fn put_off(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Held, |update| {
            update
                .update_expression(
                    "SET #state = :to, reason = :reason, checkAt = :until, \
                     failingSince = if_not_exists(failingSince, :now)",
                )
                .expression_attribute_values(":reason", text(WaitReason::Error.as_str()))
                .expression_attribute_values(":until", number(until.millis()))
                .expression_attribute_values(":now", number(now.millis()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Leaves a recipient out. `false` if it does not wait any more.
    pub async fn skip(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        reason: SkipReason,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Skipped, |update| {
            update
                .update_expression("SET #state = :to, reason = :reason REMOVE checkIn, checkAt, #text")
                .expression_attribute_names("#text", "text")
                .expression_attribute_values(":reason", text(reason.as_str()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Erases a number from all preparations of a broadcast. A recipient that still waits, or whose message
    /// is on its way, is counted as left out, so the sum of the states stays the number of recipients.
    /// `false` if the number was no recipient.
    pub async fn erase(&self, broadcast: &Broadcast, number: &PhoneNumber) -> Result<bool, StoreError> {
        let organization = &broadcast.organization;
        let mut found = false;
        for preparation in 1..=broadcast.preparation {
            let of = BroadcastRef { broadcast: broadcast.id.clone(), preparation };
            let Some(recipient) = self.get(organization, &of, number).await? else { continue };
            found = true;
            let is_counted = preparation == broadcast.preparation && recipient.state.is_open();
            let is_left_out =
                is_counted && self.skip(organization, &of, &recipient, SkipReason::Canceled).await?;
            if is_counted && !is_left_out && !broadcast.status.is_final() {
                continue; // it changed, or nothing is counted yet: left to the next pass
            }
            self.table.delete(keys::recipient(organization, &of, number)).await?;
        }
        Ok(found)
    }

    /// Adds that the failed text of a recipient is sent again by this message. Does nothing if the recipient
    /// does not exist or has another message. 1 read unit, and 4 write units.
    pub(crate) async fn retry(
        &self,
        transaction: &mut Transaction<'_>,
        organization: &OrganizationId,
        failed: &MessageId,
        by: &Message,
    ) -> Result<(), StoreError> {
        let (Some(of), phone) = (&by.broadcast, &by.contact_number) else { return Ok(()) };
        let Some(stored) = self.get(organization, of, phone).await? else { return Ok(()) };
        let event = RecipientEvent::Retry { failed: failed.clone(), message: by.id.clone() };
        let Some(next) = stored.recipient().after(event) else { return Ok(()) };
        let change = Change { organization, of, number: phone, from: stored.state, segments: by.segments() };
        change.write(transaction, next.state(), |update| {
            update
                .update_expression(
                    "SET #state = :to, message = :message, textSegments = :segments, releasedAt = :at \
                     REMOVE reason",
                )
                .expression_attribute_values(":message", text(&by.id))
                .expression_attribute_values(":segments", number(by.segments()))
                .expression_attribute_values(":at", number(by.created_at.millis()))
        })?;
        Ok(())
    }

    /// Brings the recipient of a message of a broadcast to the message's delivery state. Idempotent. 1 read
    /// unit, and 4 write units if the state changes.
    pub async fn follow(&self, organization: &OrganizationId, message: &Message) -> Result<(), StoreError> {
        let Some(of) = &message.broadcast else { return Ok(()) };
        let number = &message.contact_number;
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.get(organization, of, number).await? else { return Ok(()) };
            let event =
                RecipientEvent::Report { message: message.id.clone(), delivery: message.delivery.state() };
            let Some(next) = stored.recipient().after(event) else { return Ok(()) };
            if next.state() == stored.state {
                return Ok(());
            }
            let mut transaction = Transaction::new(&self.table);
            let change = Change::of(organization, of, &stored);
            let failure = message.delivery.report(message.delivery.state());
            let failure = failure.filter(|_| message.delivery.state().is_failure());
            let reason = failure.and_then(|report| report.code.clone().or(report.detail.clone()));
            change.write(&mut transaction, next.state(), |update| match reason {
                Some(reason) => update
                    .update_expression("SET #state = :to, reason = :reason")
                    .expression_attribute_values(":reason", text(reason)),
                None => update.update_expression("SET #state = :to REMOVE reason"),
            })?;
            if transaction.commit().await?.is_done() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("a recipient changed in every attempt".into()))
    }
}

/// A change of a recipient's state.
pub(crate) struct Change<'a> {
    pub(crate) organization: &'a OrganizationId,
    pub(crate) of: &'a BroadcastRef,
    pub(crate) number: &'a PhoneNumber,
    pub(crate) from: RecipientState,
    /// The segments of the text that is queued before or after the change.
    pub(crate) segments: usize,
}

impl<'a> Change<'a> {
    /// A change of a recipient whose text is not queued by it.
    fn of(organization: &'a OrganizationId, of: &'a BroadcastRef, recipient: &'a StoredRecipient) -> Self {
        let segments = recipient.text_segments.unwrap_or_default();
        Self { organization, of, number: &recipient.number, from: recipient.state, segments }
    }

    /// Adds the change to a transaction, under the condition that the recipient is still in its state.
    /// Returns the place of the recipient.
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        to: RecipientState,
        build: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<usize, StoreError> {
        let Self { organization, of, number: phone, from, segments } = *self;
        let place = transaction.update(keys::recipient(organization, of, phone), |update| {
            build(update)
                .condition_expression("#state = :from")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":from", text(from.as_str()))
                .expression_attribute_values(":to", text(to.as_str()))
        })?;
        if from != to {
            let shard = keys::recipient_shard(phone);
            let segments = i64::try_from(segments).unwrap_or_default();
            let queued = |state| if state == RecipientState::Queued { segments } else { 0 };
            transaction.update(keys::recipient_counts(organization, of, shard), |update| {
                update
                    .update_expression("ADD #from :minus, #to :one, #segments :segments")
                    .condition_expression(EXISTS)
                    .expression_attribute_names("#from", from.as_str())
                    .expression_attribute_names("#to", to.as_str())
                    .expression_attribute_names("#segments", QUEUED_SEGMENTS)
                    .expression_attribute_values(":minus", number(-1))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":segments", number(queued(to) - queued(from)))
            })?;
        }
        Ok(place)
    }
}
