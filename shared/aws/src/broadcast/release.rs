//! Releasing the text of a recipient: the transaction that accepts a composed message, with everything that
//! must hold for a broadcast.
//!
//! It writes the conversation, the message and its outbox entry as [`Sends`](crate::messaging::Sends) does,
//! and the recipient with the count of its partition. It requires that the broadcast was not halted, that its
//! sender is a member of the inbox, that the inbox is active and its team registered, and that the number is
//! neither opted out nor blocked. A pause, a STOP or a removal of the member is therefore either before the
//! message or after it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use shared_domain::{
    broadcast::{Asked, Broadcast, RecipientState, SkipReason},
    conversation::Conversation,
    message::Message,
    opt_out::OptOutSubject,
    registration::RegistrationStatus,
    time::Timestamp,
};

use crate::{
    broadcast::recipients::{Change, StoredRecipient, reference},
    opt_out::opt_outs::state_key,
    table::{
        error::StoreError,
        item::{Item, number, text},
        keys,
        transaction::Transaction,
    },
};

/// The number of a broadcast's recipient is neither opted out nor blocked.
const MAY_BE_TEXTED: &str = "attribute_not_exists(pk) OR (attribute_not_exists(blocked) \
     AND (attribute_not_exists(#sources) OR size(#sources) = :zero))";

/// A recipient whose text is released.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    pub broadcast: &'a Broadcast,
    /// The version of the broadcast, which runs.
    pub version: u64,
    pub recipient: &'a StoredRecipient,
}

/// The outcome of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// The message is stored durably, and the recipient is queued.
    Queued,
    /// Nothing was written.
    Refused(Refused),
}

/// Why a text was not released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The recipient was released or left out before.
    NotWaiting,
    /// The broadcast does not run any more.
    NotRunning,
    /// The team's registration is not complete.
    NotRegistered,
    /// The recipient gets no text.
    Skip(SkipReason),
    /// The conversation has a guard against the message. Holds the conversation as it was.
    Conversation(Option<Box<Conversation>>),
}

/// The places of the conditions of a release.
#[derive(Debug)]
pub(crate) struct Conditions {
    recipient: usize,
    halt: usize,
    member: usize,
    inbox: usize,
    team: usize,
    numbers: Vec<usize>,
}

impl Release<'_> {
    /// What the conversation keeps of the text.
    pub(crate) fn asked(&self, at: Timestamp) -> Asked {
        let Broadcast { reply_window_hours, question, .. } = self.broadcast;
        let (of, window_hours) = (reference(self.broadcast), *reply_window_hours);
        Asked { of, at, window_hours, question: question.is_some() }
    }

    /// Adds the recipient and the conditions to the transaction that accepts its message.
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        message: &Message,
    ) -> Result<Conditions, StoreError> {
        let Self { broadcast, version, recipient } = *self;
        let organization = &broadcast.organization;
        let of = reference(broadcast);
        let (number_of, from, segments) = (&recipient.number, recipient.state, message.segments());
        let change = Change { organization, of: &of, number: number_of, from, segments };
        let id = text(&message.id);
        let recipient = change.write(transaction, RecipientState::Queued, |update| {
            // The message has the text now, and expires by the retention of its team.
            update
                .update_expression(
                    "SET #state = :to, message = :message, textSegments = :segments, releasedAt = :at \
                     REMOVE checkIn, checkAt, reason, #text",
                )
                .expression_attribute_names("#text", "text")
                .expression_attribute_values(":message", id)
                .expression_attribute_values(":segments", number(segments))
                .expression_attribute_values(":at", number(message.created_at.millis()))
        })?;
        let halt = transaction.require(keys::broadcast_halt(organization, &broadcast.id), |check| {
            check
                .condition_expression("attribute_not_exists(halted) OR halted < :version")
                .expression_attribute_values(":version", number(version))
        })?;
        let sender = &broadcast.sender().id;
        let member = transaction.require_exists(keys::member(broadcast.inbox_key(), sender))?;
        let inbox = transaction.require(keys::inbox(broadcast.inbox_key()), |check| {
            check
                .condition_expression("stage = :active")
                .expression_attribute_values(":active", text("active"))
        })?;
        let approved = text(RegistrationStatus::Approved.as_str());
        let team = transaction.require(keys::team(broadcast.team_key()), |check| {
            check
                .condition_expression("registration = :approved")
                .expression_attribute_values(":approved", approved)
        })?;
        let phone = &message.contact_number;
        let subjects = [
            OptOutSubject::of_team(organization, &broadcast.team, phone),
            OptOutSubject::of_organization(organization, phone),
        ];
        let mut numbers = Vec::new();
        for subject in &subjects {
            numbers.push(transaction.require(state_key(subject), |check| {
                check
                    .condition_expression(MAY_BE_TEXTED)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                    .expression_attribute_names("#sources", "state")
                    .expression_attribute_values(":zero", zero())
            })?);
        }
        Ok(Conditions { recipient, halt, member, inbox, team, numbers })
    }
}

fn zero() -> AttributeValue {
    number(0)
}

impl Conditions {
    /// Returns which of the conditions failed. The first in the order of the checks counts.
    pub(crate) fn refusal(&self, refused: &BTreeMap<usize, Option<Item>>) -> Option<Refused> {
        let failed = |place: &usize| refused.contains_key(place);
        if failed(&self.recipient) {
            Some(Refused::NotWaiting)
        } else if failed(&self.halt) {
            Some(Refused::NotRunning)
        } else if failed(&self.inbox) {
            Some(Refused::Skip(SkipReason::Retired))
        } else if failed(&self.team) {
            Some(Refused::NotRegistered)
        } else if failed(&self.member) {
            Some(Refused::Skip(SkipReason::NoAccess))
        } else if self.numbers.iter().any(failed) {
            let items = self.numbers.iter().filter_map(|place| refused.get(place)?.as_ref());
            let is_blocked = items.into_iter().any(|item| item.contains_key("blocked"));
            Some(Refused::Skip(if is_blocked { SkipReason::Blocked } else { SkipReason::OptedOut }))
        } else {
            None
        }
    }
}
