//! Accepting a text: one transaction, so that accepted means durably stored and every guard held at that instant.
//!
//! The conversation (with its guards: lock, nothing unseen, not blocked, not opted out), the message, its outbox row and,
//! where one was given, the idempotency key. 8 write units: 2 for each of the three rows and 2 for the list entry that
//! moves to Archived; 2 more with an idempotency key, and 2 where the contact is assigned to a user, whose list moves too.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::UpdateBuilder,
    },
};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Folder, LastMessage},
    ids::{MessageId, OrganizationId, UserId},
    lock::FencingToken,
    message::{Direction, Message},
    time::Timestamp,
};

use crate::{
    contact::rows::ContactRow,
    conversation::{
        locks::IS_CURRENT,
        rows::{ConversationRow, LastMessageRow},
    },
    messaging::rows::{MessageRow, OutboxRow},
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{Item, attribute, number, text},
        keys::{self, Key},
        requests::{Table, condition_failed, row},
        transaction::build_error,
    },
};

/// [`shared_domain::lock::held_by_another`] is nobody.
const NOT_HELD_BY_ANOTHER: &str = "(attribute_not_exists(lockHolder) OR lockHolder.id = :me \
     OR lockExpiresAt <= :now OR lockIdleAt <= :now)";
/// [`shared_domain::conversation::Conversation::unseen_by`] is nothing.
const NOTHING_UNSEEN: &str = "(attribute_not_exists(lastInbound) OR lastInbound <= :seen)";
/// Rows carry these attributes only where they are true.
pub(crate) const MAY_BE_TEXTED: &str =
    "attribute_not_exists(contact.#out) AND attribute_not_exists(contact.blocked)";

/// What must hold at the instant of acceptance, besides that the contact may be texted.
#[derive(Debug, Clone, Copy)]
pub enum Guard<'a> {
    /// A reply under a lock; `seen` where something newer than it must not stand in the thread.
    Reply {
        /// Holder and token; nobody in a personal inbox, which has no lock.
        lock: Option<(&'a UserId, FencingToken)>,
        /// The newest message that the writer saw.
        seen: Option<&'a MessageId>,
    },
    /// A composed text: no lock is needed, but nobody else may hold one. Machines are nobody.
    Compose {
        /// Who writes.
        user: Option<&'a UserId>,
    },
}

/// A text to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// The tenant.
    pub organization: &'a OrganizationId,
    /// The message, queued.
    pub message: &'a Message,
    /// Who receives it, for a conversation that begins with it.
    pub contact: &'a Contact,
    /// What must hold.
    pub guard: Guard<'a>,
    /// The key to remember.
    pub idempotency: Option<Idempotency<'a>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Durably stored; it will be sent.
    Stored,
    /// A guard did not hold; the conversation as it was at that instant says which.
    Refused(Option<Box<Conversation>>),
    /// The idempotency key was used in the meantime.
    KeyTaken,
}

/// Accepts texts.
#[derive(Debug, Clone)]
pub struct Sends {
    table: Table,
}

impl Sends {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Accepts a text, or says what stood against it. Idempotent by the SDK's token within a call, and by the
    /// idempotency key across calls.
    ///
    /// # Errors
    /// [`StoreError`]: it is then not known to be accepted; with the same key the caller may ask again.
    pub async fn accept(&self, wanted: Acceptance<'_>) -> Result<Accepted, StoreError> {
        let (organization, message) = (wanted.organization, wanted.message);
        let outbox =
            OutboxRow { org: organization.to_string(), sk: message.id.to_string(), at: message.created_at };
        let mut parts = vec![
            TransactWriteItem::builder().update(self.thread(&wanted)?).build(),
            self.new_row(
                keys::message(organization, &message.conversation, &message.id),
                &MessageRow::of(message),
            )?,
            self.new_row(keys::outbox(&message.conversation, &message.id), &outbox)?,
        ];
        if let Some(given) = wanted.idempotency {
            parts.push(given.part(&self.table, organization, message.id.as_str(), message.created_at)?);
        }
        let sent = self.table.client.transact_write_items().set_transact_items(Some(parts)).send().await;
        let Err(error) = sent else { return Ok(Accepted::Stored) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
        else {
            return Err(error.into());
        };
        let reasons = canceled.cancellation_reasons();
        if condition_failed(reasons.get(3)) {
            return Ok(Accepted::KeyTaken);
        }
        if !condition_failed(reasons.first()) {
            return Err(error.into());
        }
        let thread = reasons.first().and_then(|reason| reason.item.clone()).filter(|item| !item.is_empty());
        Ok(Accepted::Refused(thread.map(conversation).transpose()?))
    }

    fn thread(&self, wanted: &Acceptance<'_>) -> Result<Update, StoreError> {
        let (organization, message) = (wanted.organization, wanted.message);
        let folder = Folder::after(Direction::Outbound);
        let place = keys::place(folder, message.created_at, &message.conversation);
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(
                keys::conversation(organization, &message.inbox, &message.conversation).into_item(),
            ))
            .expression_attribute_names("#read", "read")
            .expression_attribute_names("#out", "out")
            .expression_attribute_values(":last", attribute(&LastMessageRow::of(&LastMessage::of(message)))?)
            .expression_attribute_values(":message", text(&message.id))
            .expression_attribute_values(":place", text(place))
            .expression_attribute_values(":read", AttributeValue::Bool(true))
            .expression_attribute_values(":contact", attribute(&ContactRow::of(wanted.contact))?)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut assigned = "";
        if let (Guard::Compose { .. }, Some(user)) = (wanted.guard, &wanted.contact.assigned) {
            assigned = ", assignedIn = if_not_exists(assignedIn, :assigned)";
            let listed = keys::assigned_in(organization, &message.inbox, &user.id);
            update = update.expression_attribute_values(":assigned", text(listed));
        }
        update = update.update_expression(format!(
            "SET lastMessage = :last, lastOutbound = :message, place = :place, #read = if_not_exists(#read, :read), \
             contact = if_not_exists(contact, :contact){assigned} REMOVE deliveryFailed"
        ));
        guarded(update, wanted.guard, message.created_at).build().map_err(build_error)
    }

    fn new_row<T: serde::Serialize>(&self, key: Key, item: &T) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(row(key, item)?))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(put.build().map_err(build_error)?).build())
    }
}

/// Restates the guard as a condition on the conversation.
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

fn conversation(item: Item) -> Result<Box<Conversation>, StoreError> {
    Ok(Box::new(serde_dynamo::from_item::<_, ConversationRow>(item)?.conversation()?))
}
