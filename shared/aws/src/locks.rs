//! The lock in the table: each operation one `UpdateItem` on the conversation, whose refusal returns the item, so that
//! the answer needs no read. The conditions restate [`shared_domain::lock`]; `tests/locks.rs` holds both together.
//!
//! | operation | requests | write units |
//! |---|---|---|
//! | acquire, takeover, release, break | 1 | 2 (1 for the conversation, 1 for the list index, which shows who is responding) |
//! | acquire again by the holder | 1 | 1 |
//! | acquire of an unread conversation | 1 | 3 (opening marks it read: its entry among the unread goes) |
//! | refused acquire, renew, refused renew | 1 | 1 |

use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganisationId, UserId},
    lock::{self, Denied, FencingToken, Lease, LockPolicy, LockState, Lost, Person},
    time::Timestamp,
};

use crate::{
    items::{BrokenRow, ConversationRow, PersonRow},
    keys,
    table::{Item, StoreError, Table, attribute, number, text},
};

/// [`lock::acquire`]: free, mine, or ended for longer than the skew. A conversation must be there.
const MAY_ACQUIRE: &str = "attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me \
     OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)";

/// [`lock::current`]: mine, this token, and neither end reached.
pub(crate) const IS_CURRENT: &str =
    "lockHolder.id = :me AND fence = :token AND lockExpiresAt > :now AND lockIdleAt > :now";

/// Which lock.
#[derive(Debug, Clone, Copy)]
pub struct Thread<'a> {
    /// The tenant.
    pub organisation: &'a OrganisationId,
    /// The inbox.
    pub inbox: &'a InboxId,
    /// The conversation.
    pub conversation: &'a ConversationId,
}

/// Locks of conversations.
#[derive(Debug, Clone)]
pub struct Locks {
    table: Table,
}

/// The answer to an acquire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has it.
    Held(Lease),
    /// A colleague has it.
    Denied(Denied),
    /// There is no such conversation.
    NoConversation,
}

/// The answer to a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The caller still has it.
    Held(Lease),
    /// The caller has lost it.
    Lost(Lost),
    /// There is no such conversation.
    NoConversation,
}

impl Locks {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Takes the lock, takes it over, or takes it again; the token grows with each. Opening marks the conversation read.
    ///
    /// # Errors
    /// [`StoreError`]; that another holds it is an answer.
    pub async fn acquire(
        &self,
        thread: Thread<'_>,
        user: &Person,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Acquired, StoreError> {
        let request = self
            .update(thread)
            .update_expression(
                "SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, \
                 fence = if_not_exists(fence, :zero) + :one, #read = :read REMOVE gsi2pk, gsi2sk",
            )
            .expression_attribute_names("#read", "read")
            .expression_attribute_values(":read", AttributeValue::Bool(true))
            .condition_expression(MAY_ACQUIRE)
            .expression_attribute_values(":me", text(&user.id))
            .expression_attribute_values(":holder", attribute(&PersonRow::of(user))?)
            .expression_attribute_values(":expires", number(policy.lease_end(now).millis()))
            .expression_attribute_values(":idle", number(policy.idle_end(now).millis()))
            .expression_attribute_values(":skewed", number(now.minus(policy.skew).millis()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1));
        match send(request).await? {
            Outcome::Done(state) => state.lease.map(Acquired::Held).ok_or_else(disagreement),
            Outcome::Refused(state) => match lock::acquire(&state, user, now, policy) {
                Err(denied) => Ok(Acquired::Denied(denied)),
                Ok(_) => Err(disagreement()),
            },
            Outcome::Absent => Ok(Acquired::NoConversation),
        }
    }

    /// Extends the lease; activity also moves the idle release.
    ///
    /// # Errors
    /// [`StoreError`]; a lost lock is an answer.
    pub async fn renew(
        &self,
        thread: Thread<'_>,
        user: &UserId,
        token: FencingToken,
        active: bool,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Renewed, StoreError> {
        let mut request = self
            .update(thread)
            .condition_expression(IS_CURRENT)
            .expression_attribute_values(":me", text(user))
            .expression_attribute_values(":token", number(token))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":expires", number(policy.lease_end(now).millis()));
        request = if active {
            request
                .update_expression("SET lockExpiresAt = :expires, lockIdleAt = :idle")
                .expression_attribute_values(":idle", number(policy.idle_end(now).millis()))
        } else {
            request.update_expression("SET lockExpiresAt = :expires")
        };
        match send(request).await? {
            Outcome::Done(state) => state.lease.map(Renewed::Held).ok_or_else(disagreement),
            Outcome::Refused(state) => Ok(Renewed::Lost(lock::lost(&state, user, token, now))),
            Outcome::Absent => Ok(Renewed::NoConversation),
        }
    }

    /// Gives the lock back. Nothing happens when it is already gone or was acquired anew;
    /// `false` when there is no such conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release(
        &self,
        thread: Thread<'_>,
        user: &UserId,
        token: FencingToken,
    ) -> Result<bool, StoreError> {
        let request = self
            .update(thread)
            .update_expression("REMOVE lockHolder, lockExpiresAt, lockIdleAt")
            .condition_expression("lockHolder.id = :me AND fence = :token")
            .expression_attribute_values(":me", text(user))
            .expression_attribute_values(":token", number(token));
        Ok(match send(request).await? {
            Outcome::Done(_) | Outcome::Refused(_) => true,
            Outcome::Absent => false,
        })
    }

    /// Takes the lock away from whoever has it, and remembers who did, for the holder's next renewal. Nothing happens
    /// when that lock is gone already; `false` when there is no such conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn break_lock(
        &self,
        thread: Thread<'_>,
        by: &Person,
        held: FencingToken,
    ) -> Result<bool, StoreError> {
        let broken = BrokenRow { token: held, by: PersonRow::of(by) };
        let request = self
            .update(thread)
            .update_expression("SET lockBroken = :broken REMOVE lockHolder, lockExpiresAt, lockIdleAt")
            .condition_expression("attribute_exists(lockHolder) AND fence = :token")
            .expression_attribute_values(":token", number(held))
            .expression_attribute_values(":broken", attribute(&broken)?);
        Ok(match send(request).await? {
            Outcome::Done(_) | Outcome::Refused(_) => true,
            Outcome::Absent => false,
        })
    }

    fn update(&self, thread: Thread<'_>) -> UpdateItemFluentBuilder {
        let key = keys::conversation(thread.organisation, thread.inbox, thread.conversation);
        self.table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

enum Outcome {
    Done(LockState),
    Refused(LockState),
    Absent,
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Outcome, StoreError> {
    match request.send().await {
        Ok(done) => Ok(Outcome::Done(state(done.attributes.unwrap_or_default())?)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                Some(item) => Ok(Outcome::Refused(state(item.clone())?)),
                None => Ok(Outcome::Absent),
            },
            _ => Err(error.into()),
        },
    }
}

fn state(item: Item) -> Result<LockState, StoreError> {
    let row: ConversationRow = serde_dynamo::from_item(item)?;
    Ok(row.lock()?)
}

/// The item that came back contradicts the condition. Nothing is granted on such an answer; the caller may ask again.
fn disagreement() -> StoreError {
    StoreError::Unavailable("the lock changed while it was read".into())
}
