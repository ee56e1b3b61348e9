//! The lock in the table: each operation one `UpdateItem` on the conversation, whose refusal returns the item, so that
//! the answer needs no read; after it, [`crate::conversation::held_locks`] is told of what was gained or given up. The conditions restate [`shared_domain::lock`]; `tests/locks.rs` holds both together.
//!
//! | operation | requests | write units |
//! |---|---|---|
//! | acquire, takeover, release, break | 2 | 3 (the conversation, the list, which shows who is responding, and the holder's set) |
//! | acquire again by the holder | 1 | 1 |
//! | acquire of an unread conversation | 3 | 5 (opening marks it read: its entry among the unread goes, and the inbox counts one less) |
//! | refused acquire, renew, refused renew | 1 | 1 |
//!
//! 1 more for each that changes who is responding where the contact is assigned to a user, whose list shows it, too.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared_domain::{
    ids::{InboxId, OrganizationId, UserId},
    keys::ConversationKey,
    lock::{self, Denied, FencingToken, Lease, LockPolicy, LockState, LostLock},
    time::Timestamp,
    user::UserRef,
};

use crate::{
    conversation::{
        held_locks::{HeldLock, HeldLocks},
        rows::{BrokenRow, ConversationRow},
        unread::Unread,
    },
    table::{
        error::StoreError,
        item::{Item, attribute, number, text},
        items::PersonRow,
        keys,
        requests::Table,
    },
};

/// [`lock::acquire`]: free, mine, or ended for longer than the skew. A conversation must be there.
const MAY_ACQUIRE: &str = "attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me \
     OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)";

/// [`lock::current`]: mine, this token, and neither end reached.
pub(crate) const IS_CURRENT: &str =
    "lockHolder.id = :me AND fence = :token AND lockExpiresAt > :now AND lockIdleAt > :now";

/// Locks of conversations.
#[derive(Debug, Clone)]
pub struct Locks {
    table: Table,
    unread: Unread,
    held: HeldLocks,
}

/// The answer to an acquire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has it.
    Held(Lease),
    /// A colleague has it.
    Denied(Denied),
    /// The caller has as many others as one may have: these.
    TooMany(Vec<HeldLock>),
    /// There is no such conversation.
    NoConversation,
}

/// The answer to a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The caller still has it.
    Held(Lease),
    /// The caller has lost it.
    Lost(LostLock),
    /// There is no such conversation.
    NoConversation,
}

impl Locks {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { unread: Unread::new(table.clone()), held: HeldLocks::new(table.clone()), table }
    }

    /// Takes the lock, takes it over, or takes it again; the token grows with each. Opening marks the conversation read.
    ///
    /// # Errors
    /// [`StoreError`]; that another holds it is an answer.
    pub async fn acquire(
        &self,
        thread: ConversationKey<'_>,
        user: &UserRef,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Acquired, StoreError> {
        let request = self
            .update(thread)
            .return_values(ReturnValue::AllOld)
            .update_expression(
                "SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, \
                 fence = if_not_exists(fence, :zero) + :one, #read = :read REMOVE unreadIn",
            )
            .expression_attribute_names("#read", "read")
            .expression_attribute_values(":read", AttributeValue::Bool(true))
            .condition_expression(MAY_ACQUIRE)
            .expression_attribute_values(":me", text(&user.id))
            .expression_attribute_values(":holder", attribute(&PersonRow::of(user))?)
            .expression_attribute_values(":expires", number(policy.lease_end(now).millis()))
            .expression_attribute_values(":idle", number(policy.idle_end(now).millis()))
            .expression_attribute_values(":skewed", number((now - policy.skew).millis()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1));
        match request.send().await {
            Ok(done) => {
                let before: ConversationRow = serde_dynamo::from_item(done.attributes.unwrap_or_default())?;
                let lease = Lease {
                    holder: user.clone(),
                    token: before.fence.next(),
                    expires_at: policy.lease_end(now),
                    idle_release_at: policy.idle_end(now),
                };
                self.keep(thread, &before, lease, now, policy).await
            }
            Err(error) => match refused(error)? {
                Some(state) => match lock::acquire(&state, user, now, policy) {
                    Err(denied) => Ok(Acquired::Denied(denied)),
                    Ok(_) => Err(disagreement()),
                },
                None => Ok(Acquired::NoConversation),
            },
        }
    }

    /// Enters a new lock into its holder's set, or gives it back when the set is full: then the conversation stands as it
    /// was before, unread if it was unread.
    async fn keep(
        &self,
        thread: ConversationKey<'_>,
        before: &ConversationRow,
        lease: Lease,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Acquired, StoreError> {
        let user = &lease.holder.id;
        let mine = |old: &Lease| old.holder.id == *user && old.live(now);
        if before.lock()?.lease.as_ref().is_some_and(mine) {
            return Ok(Acquired::Held(lease));
        }
        match self.held.add(thread, user, policy.per_user, now).await {
            Ok(Ok(())) => {
                if !before.read {
                    self.count_one_less(thread, now).await;
                }
                Ok(Acquired::Held(lease))
            }
            Ok(Err(held)) => {
                self.give_back(thread, before, &lease).await?;
                Ok(Acquired::TooMany(held))
            }
            Err(error) => {
                self.give_back(thread, before, &lease).await?;
                Err(error)
            }
        }
    }

    async fn give_back(
        &self,
        thread: ConversationKey<'_>,
        before: &ConversationRow,
        lease: &Lease,
    ) -> Result<(), StoreError> {
        let removed = "REMOVE lockHolder, lockExpiresAt, lockIdleAt";
        let mut request = self
            .update(thread)
            .condition_expression("lockHolder.id = :me AND fence = :token")
            .expression_attribute_values(":me", text(&lease.holder.id))
            .expression_attribute_values(":token", number(lease.token));
        request = if before.read {
            request.update_expression(removed)
        } else {
            request
                .update_expression(format!("SET #read = :unread, unreadIn = pk {removed}"))
                .expression_attribute_names("#read", "read")
                .expression_attribute_values(":unread", AttributeValue::Bool(false))
        };
        send(request).await.map(|_| ())
    }

    /// The lock is held, whether or not this is counted: a counter that is one off is counted anew.
    async fn count_one_less(&self, thread: ConversationKey<'_>, now: Timestamp) {
        if let Err(error) = self.unread.count(thread.organization, thread.inbox, -1, now).await {
            tracing::warn!(inbox = %thread.inbox, %error, "opened, and still counted as unread");
        }
    }

    /// The lock is gone, whether or not its holder's set says so: what is gone is cleared away when the set is full.
    async fn forget(&self, thread: ConversationKey<'_>, holder: &UserId) {
        let gone = [(thread.inbox.clone(), thread.conversation.clone())];
        if let Err(error) = self.held.remove(thread.organization, holder, &gone).await {
            tracing::warn!(inbox = %thread.inbox, %error, "released, and still in the holder's set");
        }
    }

    /// Extends the lease; activity also moves the idle release.
    ///
    /// # Errors
    /// [`StoreError`]; a lost lock is an answer.
    pub async fn renew(
        &self,
        thread: ConversationKey<'_>,
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
        thread: ConversationKey<'_>,
        user: &UserId,
        token: FencingToken,
    ) -> Result<bool, StoreError> {
        let request = self
            .update(thread)
            .update_expression("REMOVE lockHolder, lockExpiresAt, lockIdleAt")
            .condition_expression("lockHolder.id = :me AND fence = :token")
            .expression_attribute_values(":me", text(user))
            .expression_attribute_values(":token", number(token));
        match send(request).await? {
            Outcome::Done(_) => {
                self.forget(thread, user).await;
                Ok(true)
            }
            Outcome::Refused(_) => Ok(true),
            Outcome::Absent => Ok(false),
        }
    }

    /// Takes the lock away from whoever has it, and remembers who did, for the holder's next renewal. Nothing happens when
    /// that lock is gone already; `false` when there is no such conversation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn break_lock(
        &self,
        thread: ConversationKey<'_>,
        by: &UserRef,
        held: FencingToken,
    ) -> Result<bool, StoreError> {
        let broken = BrokenRow { token: held, by: PersonRow::of(by) };
        let request = self
            .update(thread)
            .return_values(ReturnValue::AllOld)
            .update_expression("SET lockBroken = :broken REMOVE lockHolder, lockExpiresAt, lockIdleAt")
            .condition_expression("attribute_exists(lockHolder) AND fence = :token")
            .expression_attribute_values(":token", number(held))
            .expression_attribute_values(":broken", attribute(&broken)?);
        match send(request).await? {
            Outcome::Done(before) => {
                if let Some(lease) = before.lease {
                    self.forget(thread, &lease.holder.id).await;
                }
                Ok(true)
            }
            Outcome::Refused(_) => Ok(true),
            Outcome::Absent => Ok(false),
        }
    }

    /// Takes every lock away that a user holds in these inboxes, as somebody who lost access to them must not hold one:
    /// 1 read unit, and 1 more and 3 write units a lock.
    ///
    /// # Errors
    /// [`StoreError`]; what was not reached ends with its lease, since it cannot be renewed without access.
    pub async fn break_all_of(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
        by: &UserRef,
    ) -> Result<usize, StoreError> {
        let held = self.held.of(organization, user, inboxes).await?;
        for lock in &held {
            let thread =
                ConversationKey { organization, inbox: &lock.inbox, conversation: &lock.conversation };
            self.break_lock(thread, by, lock.lease.token).await?;
        }
        Ok(held.len())
    }

    fn update(&self, thread: ConversationKey<'_>) -> UpdateItemFluentBuilder {
        let key = keys::conversation(thread.organization, thread.inbox, thread.conversation);
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
    /// The lock as it was asked for: after the write, or before it.
    Done(LockState),
    Refused(LockState),
    Absent,
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Outcome, StoreError> {
    match request.send().await {
        Ok(done) => Ok(Outcome::Done(state(done.attributes.unwrap_or_default())?)),
        Err(error) => Ok(refused(error)?.map_or(Outcome::Absent, Outcome::Refused)),
    }
}

/// The lock that stood against a request, or nothing when there is no conversation.
fn refused(error: SdkError<UpdateItemError, HttpResponse>) -> Result<Option<LockState>, StoreError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
            refused.item().map(|item| state(item.clone())).transpose()
        }
        _ => Err(error.into()),
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
