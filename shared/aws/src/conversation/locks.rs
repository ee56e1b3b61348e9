//! The lock of a conversation: each operation is one `UpdateItem` on the conversation. If its condition
//! fails, the answer contains the item, so no read follows. The holder's locks ([`HeldLocks`]) are updated at
//! the same time by an acquire, which undoes one of the two writes if the other is refused, and afterwards by
//! the others. The conditions restate [`shared_domain::lock`]; `tests/locks.rs` proves them equal.
//!
//! | operation | requests | write units |
//! |---|---|---|
//! | acquire, takeover, release, break | 2 | 3 (the conversation, the list that shows the holder, and the holder's locks) |
//! | acquire again by the holder | 2 | 2 |
//! | acquire of an unread conversation | 3 | 5 (the conversation becomes read: the entry in the unread list and the counter) |
//! | refused acquire | 3 | 3 (the conversation, and the entry in the user's locks, which is removed again) |
//! | renew, refused renew | 1 | 1 |
//!
//! Each change of the holder costs 1 more if the contact is assigned to a user, whose list shows the holder
//! as well.

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValue},
};
use shared_domain::{
    ids::{InboxId, OrganizationId, UserId},
    keys::ConversationKey,
    lock::{self, Denied, FencingToken, Lease, LockPolicy, LockState, LostLock},
    time::Timestamp,
    user::UserRef,
};

use crate::{
    conversation::{
        held_locks::{Attempt, HeldLock, HeldLocks, Reserved},
        rows::{BrokenRow, ConversationRow},
        unread::Unread,
    },
    table::{
        error::StoreError,
        item::{Item, attribute, from_item, number, text},
        keys,
        requests::{Conditional, Table},
    },
};

/// [`lock::acquire`]: no holder, the same holder, or ended for longer than the skew. The conversation must
/// exist.
const MAY_ACQUIRE: &str = "attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me \
     OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)";

/// [`lock::current`]: this holder, this token, and neither end reached.
pub(crate) const IS_CURRENT: &str =
    "lockHolder.id = :me AND fence = :token AND lockExpiresAt > :now AND lockIdleAt > :now";

/// The stored lease does not end after the new one.
const ENDS_EARLIER: &str = "lockExpiresAt <= :expires";

/// A renewal is written again if a concurrent one moved only one of the two ends.
const RENEW_ATTEMPTS: usize = 3;

/// This holder and this token, whether or not the lease has ended.
const IS_HELD_WITH_TOKEN: &str = "lockHolder.id = :me AND fence = :token";

const REMOVE_LOCK: &str = "REMOVE lockHolder, lockExpiresAt, lockIdleAt";

/// The locks of conversations.
#[derive(Debug, Clone)]
pub struct Locks {
    table: Table,
    unread: Unread,
    held: HeldLocks,
}

/// The outcome of an acquire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// The caller holds the lock.
    Held(Lease),
    /// Another user holds it.
    Denied(Denied),
    /// The caller holds as many other locks as one user may. Holds these.
    TooMany(Vec<HeldLock>),
    NoConversation,
}

/// The outcome of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The caller still holds the lock.
    Held(Lease),
    /// The caller has lost it.
    Lost(LostLock),
    NoConversation,
}

impl Locks {
    pub fn new(table: Table) -> Self {
        Self { unread: Unread::new(table.clone()), held: HeldLocks::new(table.clone()), table }
    }

    /// Acquires the lock, takes it over from an ended lease, or acquires it again; the token grows each time.
    /// Marks the conversation read. `entropy` must be random.
    ///
    /// Two writes run side by side: one locks the conversation, the other reserves an entry in the user's
    /// locks, also if the same user held the lock before: the earlier request may have stopped between its
    /// two writes. If the lock is refused, the entry is given back. If there are too many locks or the entry
    /// cannot be written, the conversation is restored: unlocked, and unread if it was unread.
    pub async fn acquire(
        &self,
        key: ConversationKey<'_>,
        user: &UserRef,
        now: Timestamp,
        entropy: u64,
        policy: &LockPolicy,
    ) -> Result<Acquired, StoreError> {
        let attempt = Attempt::new(now, entropy);
        let (locked, reserved) = tokio::join!(
            self.lock(key, user, &attempt, now, policy),
            Box::pin(self.held.reserve(key, &user.id, &attempt, policy.per_user, now)), // large
        );
        let before: ConversationRow = match locked? {
            Conditional::Done(before) => from_item(before)?,
            Conditional::Failed(current) => {
                if let Ok(Reserved::Entry { replaced }) = reserved {
                    self.give_back(key, user, &attempt, replaced).await;
                }
                let Some(current) = current else { return Ok(Acquired::NoConversation) };
                let denied = lock::acquire(&lock_state(current)?, user, now, policy).err();
                return denied.map(Acquired::Denied).ok_or_else(contradiction);
            }
        };
        let lease = Lease {
            holder: user.clone(),
            token: before.fence.next(),
            expires_at: policy.lease_end(now),
            idle_release_at: policy.idle_end(now),
        };
        match reserved {
            Ok(Reserved::Entry { .. }) => {
                if !before.read {
                    self.count_as_read(key, now).await;
                }
                Ok(Acquired::Held(lease))
            }
            Ok(Reserved::Full(held)) => {
                self.restore(key, &before, &lease, now).await?;
                Ok(Acquired::TooMany(held))
            }
            Err(error) => {
                self.restore(key, &before, &lease, now).await?;
                Err(error)
            }
        }
    }

    async fn lock(
        &self,
        key: ConversationKey<'_>,
        user: &UserRef,
        attempt: &Attempt,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Conditional, StoreError> {
        let holder = attribute(user)?;
        let updated = self.table.update_if(keys::conversation(key), |update| {
            update
                .update_expression(
                    "SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, \
                     lockAttempt = :attempt, fence = if_not_exists(fence, :zero) + :one, #read = :read \
                     REMOVE unreadIn",
                )
                .condition_expression(MAY_ACQUIRE)
                .expression_attribute_names("#read", "read")
                .expression_attribute_values(":read", AttributeValue::Bool(true))
                .expression_attribute_values(":me", text(&user.id))
                .expression_attribute_values(":holder", holder)
                .expression_attribute_values(":attempt", text(attempt))
                .expression_attribute_values(":expires", number(policy.lease_end(now).millis()))
                .expression_attribute_values(":idle", number(policy.idle_end(now).millis()))
                .expression_attribute_values(":skewed", number((now - policy.skew).millis()))
                .expression_attribute_values(":zero", number(0))
                .expression_attribute_values(":one", number(1))
                .return_values(ReturnValue::AllOld)
        });
        updated.await
    }

    /// Failures are only logged: an entry without a lock is removed when there are too many.
    async fn give_back(
        &self,
        key: ConversationKey<'_>,
        user: &UserRef,
        attempt: &Attempt,
        replaced: Option<Attempt>,
    ) {
        if let Err(error) = self.held.give_back(key, &user.id, attempt, replaced).await {
            log_stale_entry(key, &error);
        }
    }

    async fn restore(
        &self,
        key: ConversationKey<'_>,
        before: &ConversationRow,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::conversation(key), |update| {
            let update = with_token(update, &lease.holder.id, lease.token);
            if before.read {
                update.update_expression(REMOVE_LOCK)
            } else {
                update
                    .update_expression(format!("SET #read = :unread, unreadIn = pk {REMOVE_LOCK}"))
                    .expression_attribute_names("#read", "read")
                    .expression_attribute_values(":unread", AttributeValue::Bool(false))
            }
        });
        // If another user acquired the lock in between, the conversation stays read, and only this request
        // knows that it was unread.
        if !updated.await?.is_done() && !before.read {
            self.count_as_read(key, now).await;
        }
        Ok(())
    }

    /// Failures are only logged: a recount corrects the counter.
    async fn count_as_read(&self, key: ConversationKey<'_>, now: Timestamp) {
        if let Err(error) = self.unread.add(key.inbox_key(), -1, now).await {
            tracing::warn!(event = "unread_count_stale", inbox = %key.inbox, %error, "unread counter not updated");
        }
    }

    /// Failures are only logged: an entry without a lock is removed when there are too many.
    async fn remove_from_held(&self, key: ConversationKey<'_>, holder: &UserId, before: ConversationRow) {
        let Some(attempt) = before.lock_attempt else { return };
        let gone = [(keys::held_lock(key.inbox, key.conversation), attempt)];
        if let Err(error) = self.held.remove(key.organization, holder, &gone).await {
            log_stale_entry(key, &error);
        }
    }

    /// Extends the lease. An `active` renewal also moves the idle release. A renewal that arrives after a
    /// later one never shortens either.
    pub async fn renew(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        token: FencingToken,
        active: bool,
        now: Timestamp,
        policy: &LockPolicy,
    ) -> Result<Renewed, StoreError> {
        let (mut expires, mut idle) = (policy.lease_end(now), active.then(|| policy.idle_end(now)));
        for _ in 0..RENEW_ATTEMPTS {
            let current = match self.extend(key, user, token, now, expires, idle).await? {
                Conditional::Done(item) => {
                    return lock_state(item)?.lease.map(Renewed::Held).ok_or_else(contradiction);
                }
                Conditional::Failed(None) => return Ok(Renewed::NoConversation),
                Conditional::Failed(Some(item)) => lock_state(item)?,
            };
            match lock::renew(&current, user, token, active, now, policy) {
                Err(lost) => return Ok(Renewed::Lost(lost)),
                Ok(lease) if current.lease.as_ref() == Some(&lease) => return Ok(Renewed::Held(lease)),
                Ok(lease) => (expires, idle) = (lease.expires_at, active.then_some(lease.idle_release_at)),
            }
        }
        Err(contradiction())
    }

    /// Moves the ends of a current lock, unless the stored ones are later.
    async fn extend(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        token: FencingToken,
        now: Timestamp,
        expires: Timestamp,
        idle: Option<Timestamp>,
    ) -> Result<Conditional, StoreError> {
        let updated = self.table.update_if(keys::conversation(key), |update| {
            let update = update
                .expression_attribute_values(":me", text(user))
                .expression_attribute_values(":token", number(token))
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":expires", number(expires.millis()))
                .return_values(ReturnValue::AllNew);
            match idle {
                Some(idle) => update
                    .update_expression("SET lockExpiresAt = :expires, lockIdleAt = :idle")
                    .condition_expression(format!("{IS_CURRENT} AND {ENDS_EARLIER} AND lockIdleAt <= :idle"))
                    .expression_attribute_values(":idle", number(idle.millis())),
                None => update
                    .update_expression("SET lockExpiresAt = :expires")
                    .condition_expression(format!("{IS_CURRENT} AND {ENDS_EARLIER}")),
            }
        });
        updated.await
    }

    /// Releases the lock. Does nothing if it does not exist or was acquired again. `false` if the
    /// conversation does not exist.
    pub async fn release(
        &self,
        key: ConversationKey<'_>,
        user: &UserId,
        token: FencingToken,
    ) -> Result<bool, StoreError> {
        let updated = self.table.update_if(keys::conversation(key), |update| {
            with_token(update, user, token).update_expression(REMOVE_LOCK).return_values(ReturnValue::AllOld)
        });
        match updated.await? {
            Conditional::Done(before) => {
                self.remove_from_held(key, user, from_item(before)?).await;
                Ok(true)
            }
            Conditional::Failed(current) => Ok(current.is_some()),
        }
    }

    /// Breaks the lock with this token and stores who broke it for the holder's next renewal. Does nothing if
    /// that lock does not exist. `false` if the conversation does not exist.
    pub async fn break_lock(
        &self,
        key: ConversationKey<'_>,
        by: &UserRef,
        token: FencingToken,
    ) -> Result<bool, StoreError> {
        let broken = attribute(&BrokenRow { token, by: by.clone() })?;
        let updated = self.table.update_if(keys::conversation(key), |update| {
            update
                .update_expression(format!("SET lockBroken = :broken {REMOVE_LOCK}"))
                .condition_expression("attribute_exists(lockHolder) AND fence = :token")
                .expression_attribute_values(":token", number(token))
                .expression_attribute_values(":broken", broken)
                .return_values(ReturnValue::AllOld)
        });
        match updated.await? {
            Conditional::Done(before) => {
                let before: ConversationRow = from_item(before)?;
                if let Some(lease) = before.lock().lease {
                    self.remove_from_held(key, &lease.holder.id, before).await;
                }
                Ok(true)
            }
            Conditional::Failed(current) => Ok(current.is_some()),
        }
    }

    /// Returns the locks that a user holds in these inboxes: 1 read unit, and 1 for each lock.
    pub async fn of_user(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
        now: Timestamp,
    ) -> Result<Vec<HeldLock>, StoreError> {
        let mut held = self.held.of(organization, user, inboxes).await?;
        held.retain(|lock| lock.lease.live(now));
        held.sort_by(|one, other| one.conversation.cmp(&other.conversation));
        Ok(held)
    }

    /// Breaks every lock that a user holds in these inboxes, for a user who loses access to them: 1 read
    /// unit, and for each lock 1 read unit and 3 write units. Returns how many there were.
    ///
    /// On an error the remaining locks end with their leases, because they cannot be renewed without access.
    pub async fn break_all_of(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        inboxes: &[InboxId],
        by: &UserRef,
    ) -> Result<usize, StoreError> {
        let held = self.held.of(organization, user, inboxes).await?;
        for lock in &held {
            let key = ConversationKey { organization, inbox: &lock.inbox, conversation: &lock.conversation };
            self.break_lock(key, by, lock.lease.token).await?;
        }
        Ok(held.len())
    }
}

fn with_token(
    update: UpdateItemFluentBuilder,
    holder: &UserId,
    token: FencingToken,
) -> UpdateItemFluentBuilder {
    update
        .condition_expression(IS_HELD_WITH_TOKEN)
        .expression_attribute_values(":me", text(holder))
        .expression_attribute_values(":token", number(token))
}

fn log_stale_entry(key: ConversationKey<'_>, error: &StoreError) {
    tracing::warn!(event = "held_locks_stale", inbox = %key.inbox, %error, "lock still listed as held");
}

fn lock_state(item: Item) -> Result<LockState, StoreError> {
    Ok(from_item::<ConversationRow>(item)?.lock())
}

/// The returned item contradicts the failed condition. The lock is not granted, and the caller can retry.
fn contradiction() -> StoreError {
    StoreError::Unavailable("the lock changed while it was read".into())
}
