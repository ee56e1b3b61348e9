//! Accepting an outbound message in one transaction: an accepted message is stored durably, and every guard
//! held at that instant.
//!
//! The transaction writes the conversation (under its guards: lock, nothing unseen, not blocked, not opted
//! out), the message, its outbox entry and the idempotency key, if there is one. It costs 8 write units: 2
//! for each of the three items and 2 for the list entry that moves to Archived; 2 more with an idempotency
//! key, 2 if the contact is assigned to a user, whose list changes as well, and 3 if it sends a failed
//! message again, with 4 more for the recipient of a broadcast.

use aws_sdk_dynamodb::types::{AttributeValue, builders::UpdateBuilder};
use shared_domain::{
    broadcast::Asked,
    contact::Contact,
    conversation::{Conversation, Folder, MessagePreview},
    ids::{MessageId, OrganizationId, UserId},
    keys::InboxKey,
    lock::FencingToken,
    message::{Direction, Message},
    time::Timestamp,
};

use crate::{
    broadcast::{Recipients, Refused, Release, Released},
    contact::rows::ContactCopyRow,
    conversation::{
        locks::IS_CURRENT,
        rows::{ConversationRow, MessagePreviewRow},
    },
    messaging::{
        failed_messages,
        rows::{MessageRow, OutboxRow},
    },
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, attribute, from_item, number, text},
        keys,
        requests::Table,
        transaction::{Committed, Transaction, returning_item},
    },
};

/// The negation of [`shared_domain::lock::held_by_another`].
const NOT_HELD_BY_ANOTHER: &str = "(attribute_not_exists(lockHolder) OR lockHolder.id = :me \
     OR lockExpiresAt <= :now OR lockIdleAt <= :now)";
/// [`shared_domain::conversation::Conversation::unseen_by`] is `None`.
const NOTHING_UNSEEN: &str = "(attribute_not_exists(lastInbound) OR lastInbound <= :seen)";
/// Not opted out and not blocked. An item has these attributes only if they are true.
pub(crate) const MAY_BE_TEXTED: &str =
    "attribute_not_exists(contact.#out) AND attribute_not_exists(contact.blocked)";

/// The part of [`MAY_BE_TEXTED`] that holds also for messages that bypass opt-outs.
pub(crate) const NOT_BLOCKED: &str = "attribute_not_exists(contact.blocked)";

/// Keeps a text of a broadcast on the conversation, with the text and the outbound message before it. The
/// values are those before the write.
const NEXT_TEXT: &str = ", asked = :asked, askedBefore = if_not_exists(asked, :asked), \
     outboundBefore = if_not_exists(lastOutbound, :message)";
/// [`NEXT_TEXT`] for a text that is sent again: what was before its first attempt stays.
const SENT_AGAIN: &str = ", asked = :asked";

/// What must hold when a message is accepted, in addition to [`MAY_BE_TEXTED`].
#[derive(Debug, Clone, Copy)]
pub enum Guard<'a> {
    /// A reply.
    Reply {
        /// Holder and token. `None` in a personal inbox, which has no lock.
        lock: Option<(&'a UserId, FencingToken)>,
        /// The newest message that the author saw. With it, a reply is refused if a newer message came in.
        seen: Option<&'a MessageId>,
    },
    /// A composed message. It needs no lock, but no other user may hold one.
    Compose {
        /// `None` for a machine.
        user: Option<&'a UserId>,
    },
}

/// A message to accept.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    pub organization: &'a OrganizationId,
    pub message: &'a Message,
    /// Copied onto the conversation if the message begins it.
    pub contact: &'a Contact,
    pub guard: Guard<'a>,
    pub idempotency: Option<Idempotency<'a>>,
}

/// The outcome of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Stored durably; it will be sent.
    Stored,
    /// A guard did not hold. Holds the conversation as it was at that instant, which shows why.
    Refused(Option<Box<Conversation>>),
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
    /// The failed message is sent again already, or was delivered after all.
    AlreadyRetried,
}

/// Accepts outbound messages.
#[derive(Debug, Clone)]
pub struct Sends {
    table: Table,
}

impl Sends {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Accepts a message. Idempotent within a call by the SDK's request token, and across calls by the
    /// idempotency key.
    ///
    /// After an error the message may or may not be accepted; the caller may repeat the call with the same
    /// key.
    pub async fn accept(&self, acceptance: Acceptance<'_>) -> Result<Accepted, StoreError> {
        self.accept_retry(acceptance, None).await
    }

    /// [`Sends::accept`] for a failed message that is sent again. `asked` is what the conversation keeps of a
    /// text of a broadcast.
    pub async fn accept_retry(
        &self,
        acceptance: Acceptance<'_>,
        asked: Option<&Asked>,
    ) -> Result<Accepted, StoreError> {
        let Acceptance { organization, message, .. } = acceptance;
        let mut transaction = Transaction::new(&self.table);
        let conversation = Self::write_message(&mut transaction, &acceptance, asked)?;
        let used_key = match acceptance.idempotency {
            Some(key) => {
                Some(key.write(&mut transaction, organization, message.id.as_str(), message.created_at)?)
            }
            None => None,
        };
        let retried = match &message.retry_of {
            Some(failed) => {
                Some(failed_messages::mark_retried(&mut transaction, organization, failed, message)?)
            }
            None => None,
        };
        if let Some(failed) = &message.retry_of {
            let recipients = Recipients::new(self.table.clone());
            recipients.retry(&mut transaction, organization, failed, message).await?;
        }
        let committed = transaction.commit().await?;
        if used_key.is_some_and(|place| committed.refused_at(place)) {
            return Ok(Accepted::KeyTaken);
        }
        if retried.is_some_and(|place| committed.refused_at(place)) {
            return Ok(Accepted::AlreadyRetried);
        }
        match committed {
            Committed::Done => Ok(Accepted::Stored),
            Committed::Refused(mut refused) => match refused.remove(&conversation) {
                Some(current) => Ok(Accepted::Refused(current.map(stored_conversation).transpose()?)),
                None => Err(StoreError::Unavailable("two messages got the same id".into())),
            },
        }
    }

    /// Accepts the message of a recipient of a broadcast. After an error the message may or may not be
    /// accepted. The caller may repeat the call: a recipient that is queued is not released again.
    pub async fn release(
        &self,
        acceptance: Acceptance<'_>,
        release: Release<'_>,
    ) -> Result<Released, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let asked = release.asked(acceptance.message.created_at);
        let conversation = Self::write_message(&mut transaction, &acceptance, Some(&asked))?;
        let conditions = release.write(&mut transaction, acceptance.message)?;
        let mut refused = match transaction.commit().await? {
            Committed::Done => return Ok(Released::Queued),
            Committed::Refused(refused) => refused,
        };
        if let Some(reason) = conditions.refusal(&refused) {
            return Ok(Released::Refused(reason));
        }
        match refused.remove(&conversation) {
            Some(current) => {
                let current = current.map(stored_conversation).transpose()?;
                Ok(Released::Refused(Refused::Conversation(current)))
            }
            None => Err(StoreError::Unavailable("a condition of a release failed".into())),
        }
    }

    /// Adds the conversation, the message and its outbox entry, and returns the place of the conversation.
    /// `asked` is kept on the conversation to recognize the reply to a broadcast.
    fn write_message(
        transaction: &mut Transaction<'_>,
        acceptance: &Acceptance<'_>,
        asked: Option<&Asked>,
    ) -> Result<usize, StoreError> {
        let Acceptance { organization, message, .. } = *acceptance;
        let conversation = Self::update_conversation(transaction, acceptance, asked)?;
        let key = keys::message(organization, &message.conversation, &message.id);
        transaction.put_new(key, &MessageRow::of(message))?;
        let key = keys::outbox(&message.conversation, &message.id);
        transaction.put_new(key, &OutboxRow::of(organization, message))?;
        Ok(conversation)
    }

    /// Adds the write of the conversation under the guards and returns its place.
    fn update_conversation(
        transaction: &mut Transaction<'_>,
        acceptance: &Acceptance<'_>,
        asked: Option<&Asked>,
    ) -> Result<usize, StoreError> {
        let Acceptance { organization, message, contact, guard, .. } = *acceptance;
        let inbox = InboxKey { organization, inbox: &message.inbox };
        let place =
            keys::place(Folder::after(Direction::Outbound), message.created_at, &message.conversation);
        let last = attribute(&MessagePreviewRow::of(&MessagePreview::of(message)))?;
        let contact_copy = attribute(&ContactCopyRow::of(contact))?;
        let asked = asked.map(attribute).transpose()?;
        transaction.update(keys::conversation(inbox.conversation(&message.conversation)), |update| {
            let mut update = returning_item(update)
                .expression_attribute_names("#read", "read")
                .expression_attribute_names("#out", "out")
                .expression_attribute_values(":last", last)
                .expression_attribute_values(":message", text(&message.id))
                .expression_attribute_values(":place", text(place))
                .expression_attribute_values(":read", AttributeValue::Bool(true))
                .expression_attribute_values(":contact", contact_copy);
            let mut assigned = "";
            if let (Guard::Compose { .. }, Some(user)) = (guard, &contact.assigned) {
                assigned = ", assignedIn = if_not_exists(assignedIn, :assigned)";
                let partition = text(keys::assigned_in(inbox, &user.id));
                update = update.expression_attribute_values(":assigned", partition);
            }
            let mut of_broadcast = "";
            if let Some(asked) = asked {
                of_broadcast = if message.retry_of.is_some() { SENT_AGAIN } else { NEXT_TEXT };
                update = update.expression_attribute_values(":asked", asked);
            }
            let answered = if message.is_answer() { ", waitingSince" } else { "" };
            let update = update.update_expression(format!(
                "SET lastMessage = :last, lastOutbound = :message, place = :place, \
                 #read = if_not_exists(#read, :read), contact = if_not_exists(contact, :contact){assigned}\
                 {of_broadcast} REMOVE deliveryFailed{answered}"
            ));
            guarded(update, guard, message.created_at)
        })
    }
}

/// Adds the condition that restates the guard.
fn guarded(update: UpdateBuilder, guard: Guard<'_>, now: Timestamp) -> UpdateBuilder {
    let now = number(now.millis());
    match guard {
        Guard::Reply { lock, seen } => {
            let mut condition = format!("attribute_exists(pk) AND {MAY_BE_TEXTED}");
            let mut update = update;
            if let Some((user, token)) = lock {
                condition = format!("{condition} AND {IS_CURRENT}");
                update = update
                    .expression_attribute_values(":me", text(user))
                    .expression_attribute_values(":token", number(token))
                    .expression_attribute_values(":now", now);
            }
            if let Some(seen) = seen {
                condition = format!("{condition} AND {NOTHING_UNSEEN}");
                update = update.expression_attribute_values(":seen", text(seen));
            }
            update.condition_expression(condition)
        }
        Guard::Compose { user } => update
            .condition_expression(format!("{NOT_HELD_BY_ANOTHER} AND {MAY_BE_TEXTED}"))
            .expression_attribute_values(":me", text(user.map_or("", |user| user.as_str())))
            .expression_attribute_values(":now", now),
    }
}

fn stored_conversation(item: Item) -> Result<Box<Conversation>, StoreError> {
    Ok(Box::new(from_item::<ConversationRow>(item)?.conversation()?))
}
