//! Replies to broadcasts: the first message of a recipient within the reply window.
//!
//! A reply is one transaction: the recipient, the counts of its partition, the mark on the inbound message,
//! and the follow-up of its answer if there is one. It is written once for each recipient, so a repeated
//! delivery of the message changes nothing. 6 write units, and 8 for a follow-up.

use shared_domain::{
    broadcast::BroadcastRef,
    ids::{ConversationId, MessageId, OrganizationId},
    message::Message,
    phone::PhoneNumber,
    question::Answer,
    time::Timestamp,
};

use crate::{
    broadcast::recipients::answer_count,
    inbox::out_of_office::put_reply,
    table::{
        error::StoreError,
        item::{attribute, number, text},
        keys,
        requests::{EXISTS, Table},
        transaction::Transaction,
    },
};

/// The reply of a recipient.
#[derive(Debug, Clone, Copy)]
pub struct RecipientReply<'a> {
    pub organization: &'a OrganizationId,
    pub of: &'a BroadcastRef,
    pub number: &'a PhoneNumber,
    pub conversation: &'a ConversationId,
    pub message: &'a MessageId,
    /// When the message was first received.
    pub at: Timestamp,
    /// The answer to the question of the broadcast.
    pub answer: Option<Answer>,
    /// The text that the answer gets.
    pub follow_up: Option<&'a Message>,
}

/// The outcome of a [`RecipientReply`]. Unless it is done, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ReplyOutcome {
    Done,
    /// The recipient replied before or was erased, or the message is the reply to another broadcast.
    Repeated,
    /// The contact opted out or is blocked, so the follow-up cannot be accepted.
    MayNotBeTexted,
}

/// The replies to broadcasts.
#[derive(Debug, Clone)]
pub struct BroadcastReplies {
    table: Table,
}

impl BroadcastReplies {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores the reply of a recipient.
    pub async fn write(&self, reply: &RecipientReply<'_>) -> Result<ReplyOutcome, StoreError> {
        let RecipientReply { organization, of, number: phone, conversation, message, at, answer, follow_up } =
            *reply;
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::recipient(organization, of, phone), |update| {
            let update = update
                .condition_expression(format!("{EXISTS} AND attribute_not_exists(repliedAt)"))
                .expression_attribute_values(":at", number(at.millis()));
            match answer {
                Some(answer) => update
                    .update_expression("SET repliedAt = :at, answer = :answer")
                    .expression_attribute_values(":answer", text(answer.name())),
                None => update.update_expression("SET repliedAt = :at"),
            }
        })?;
        let counts = keys::recipient_counts(organization, of, keys::recipient_shard(phone));
        transaction.update(counts, |update| {
            let update = update
                .condition_expression(EXISTS)
                .expression_attribute_names("#replied", "replied")
                .expression_attribute_values(":one", number(1));
            match answer {
                Some(answer) => update
                    .update_expression("ADD #replied :one, #answer :one")
                    .expression_attribute_names("#answer", answer_count(answer)),
                None => update.update_expression("ADD #replied :one"),
            }
        })?;
        let broadcast = attribute(of)?;
        transaction.update(keys::message(organization, conversation, message), |update| {
            update
                .update_expression("SET broadcast = :broadcast")
                .condition_expression(format!("{EXISTS} AND attribute_not_exists(broadcast)"))
                .expression_attribute_values(":broadcast", broadcast)
        })?;
        let places = match follow_up {
            Some(follow_up) => {
                let claim = format!("question-{}", of.broadcast);
                Some(put_reply(&mut transaction, organization, &claim, follow_up)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        let refused = places.and_then(|places| places.conversation);
        Ok(if committed.is_done() {
            ReplyOutcome::Done
        } else if refused.is_some_and(|place| committed.refused_at(place)) {
            ReplyOutcome::MayNotBeTexted
        } else {
            ReplyOutcome::Repeated
        })
    }

    /// Corrects the answer of a recipient who replied. `false` if it is another one than `from` by now.
    pub async fn correct(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        phone: &PhoneNumber,
        from: Option<Answer>,
        to: Answer,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.update(keys::recipient(organization, of, phone), |update| {
            let update = update
                .update_expression("SET answer = :to")
                .expression_attribute_values(":to", text(to.name()));
            match from {
                Some(from) => update
                    .condition_expression("answer = :from")
                    .expression_attribute_values(":from", text(from.name())),
                None => update
                    .condition_expression("attribute_exists(repliedAt) AND attribute_not_exists(answer)"),
            }
        })?;
        let counts = keys::recipient_counts(organization, of, keys::recipient_shard(phone));
        transaction.update(counts, |update| {
            let update = update
                .condition_expression(EXISTS)
                .expression_attribute_names("#to", answer_count(to))
                .expression_attribute_values(":one", number(1));
            match from {
                Some(from) => update
                    .update_expression("ADD #from :minus, #to :one")
                    .expression_attribute_names("#from", answer_count(from))
                    .expression_attribute_values(":minus", number(-1)),
                None => update.update_expression("ADD #to :one"),
            }
        })?;
        Ok(transaction.commit().await?.is_done())
    }
}
