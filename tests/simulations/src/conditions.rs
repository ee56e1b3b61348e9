//! The lock's operations on an item in memory, each under the condition that the table checks.

use std::time::Duration;

use shared_domain::{
    ids::UserId,
    lock::{self, BrokenLock, Denied, FencingToken, Lease, LockPolicy, LockState, LockViolation, LostLock},
    time::Timestamp,
    user::UserRef,
};

/// A term of a condition, or a property of the fencing token, that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// Acquire: a lock without a holder is free.
    AcquireWhenFree,
    /// Acquire: the holder can acquire again.
    AcquireAgain,
    /// Acquire: a lock is free after its lease.
    AcquireAfterLease,
    /// Acquire: a lock is free after its idle release.
    AcquireAfterIdleRelease,
    /// Acquire: a lock is free only after the clock skew has also passed.
    AcquireAfterSkew,
    /// Acquire: a live lease of another user refuses.
    AcquireRefused,
    /// Reply: by the holder.
    ReplyHolder,
    /// Reply: with the current token.
    ReplyToken,
    /// Reply: before the end of the lease.
    ReplyLeaseEnd,
    /// Reply: before the idle release.
    ReplyIdleEnd,
    /// Renew: by the holder.
    RenewHolder,
    /// Renew: with the current token.
    RenewToken,
    /// Renew: before the end of the lease.
    RenewLeaseEnd,
    /// Renew: before the idle release.
    RenewIdleEnd,
    /// Release: by the holder.
    ReleaseHolder,
    /// Release: with the current token.
    ReleaseToken,
    /// Break: of the token that the admin saw.
    BreakToken,
    /// Each acquisition increments the fence.
    FenceGrows,
    /// Deletion of an expired lock keeps the fence.
    FenceStays,
}

impl Term {
    /// All terms.
    pub const ALL: [Self; 19] = [
        Self::AcquireWhenFree,
        Self::AcquireAgain,
        Self::AcquireAfterLease,
        Self::AcquireAfterIdleRelease,
        Self::AcquireAfterSkew,
        Self::AcquireRefused,
        Self::ReplyHolder,
        Self::ReplyToken,
        Self::ReplyLeaseEnd,
        Self::ReplyIdleEnd,
        Self::RenewHolder,
        Self::RenewToken,
        Self::RenewLeaseEnd,
        Self::RenewIdleEnd,
        Self::ReleaseHolder,
        Self::ReleaseToken,
        Self::BreakToken,
        Self::FenceGrows,
        Self::FenceStays,
    ];
}

/// The conditions, complete or without one term. A term is left out by giving the rule an item, a user or a
/// token for which the term is always true. The rule itself always decides.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// The durations of the lock.
    pub policy: LockPolicy,
    /// The term that is left out.
    pub without: Option<Term>,
}

/// An end that is never reached.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// The terms of a condition on holder, token and both ends.
struct Terms {
    holder: Term,
    token: Term,
    lease_end: Term,
    idle_end: Term,
}

const REPLY: Terms = Terms {
    holder: Term::ReplyHolder,
    token: Term::ReplyToken,
    lease_end: Term::ReplyLeaseEnd,
    idle_end: Term::ReplyIdleEnd,
};
const RENEW: Terms = Terms {
    holder: Term::RenewHolder,
    token: Term::RenewToken,
    lease_end: Term::RenewLeaseEnd,
    idle_end: Term::RenewIdleEnd,
};

impl Conditions {
    /// Returns the complete conditions.
    pub fn complete(policy: LockPolicy) -> Self {
        Self { policy, without: None }
    }

    fn omits(&self, term: Term) -> bool {
        self.without == Some(term)
    }

    /// Applies [`lock::acquire`].
    ///
    /// # Errors
    /// If another user holds the lock.
    pub fn acquire(&self, item: &mut LockState, user: &UserRef, now: Timestamp) -> Result<Lease, Denied> {
        let (mut seen, mut policy, mut requester) = (item.clone(), self.policy, user.clone());
        match (&mut seen.lease, self.without) {
            (None, Some(Term::AcquireWhenFree)) => {
                let other = UserRef { id: UserId::parse("nobody").unwrap(), name: String::new() };
                return Err(Denied { holder: other, expires_at: now });
            }
            (Some(_), Some(Term::AcquireAgain)) => requester.id = UserId::parse("stranger").unwrap(),
            (Some(lease), Some(Term::AcquireAfterLease)) => lease.expires_at = NEVER,
            (Some(lease), Some(Term::AcquireAfterIdleRelease)) => lease.idle_release_at = NEVER,
            (_, Some(Term::AcquireAfterSkew)) => policy.skew = Duration::ZERO,
            (_, Some(Term::AcquireRefused)) => seen.lease = None,
            _ => {}
        }
        let mut lease = lock::acquire(&seen, &requester, now, &policy)?;
        lease.holder = user.clone();
        if self.omits(Term::FenceGrows) {
            lease.token = item.fence.max(FencingToken::new(1));
        }
        item.fence = lease.token;
        item.lease = Some(lease.clone());
        Ok(lease)
    }

    /// Applies [`lock::guard`] to a reply with a token.
    ///
    /// # Errors
    /// If the lock does not allow the reply.
    pub fn reply(
        &self,
        item: &LockState,
        user: &UserId,
        token: FencingToken,
        now: Timestamp,
    ) -> Result<(), LockViolation> {
        let (seen, user, token) = self.given_to_rule(&REPLY, item, user, token);
        lock::guard(&seen, &user, Some(token), now)
    }

    /// Applies [`lock::renew`].
    ///
    /// # Errors
    /// If the user has lost the lock.
    pub fn renew(
        &self,
        item: &mut LockState,
        user: &UserId,
        token: FencingToken,
        active: bool,
        now: Timestamp,
    ) -> Result<Lease, LostLock> {
        let (seen, user, token) = self.given_to_rule(&RENEW, item, user, token);
        let mut renewed = lock::renew(&seen, &user, token, active, now, &self.policy)?;
        // The rule may have been given other ends than those of the item.
        if let Some(before) = &item.lease {
            let idle_end = if active { self.policy.idle_end(now) } else { before.idle_release_at };
            renewed.expires_at = self.policy.lease_end(now).max(before.expires_at);
            renewed.idle_release_at = idle_end.max(before.idle_release_at);
        }
        item.lease = Some(renewed.clone());
        Ok(renewed)
    }

    /// Releases the lock if the condition holds: `lockHolder.id = :me AND fence = :token`.
    pub fn release(&self, item: &mut LockState, user: &UserId, token: FencingToken) -> bool {
        let Some(lease) = &item.lease else { return false };
        let holder = lease.holder.id == *user || self.omits(Term::ReleaseHolder);
        let released = holder && (item.fence == token || self.omits(Term::ReleaseToken));
        if released {
            item.lease = None;
        }
        released
    }

    /// Breaks the lock if the condition holds: `attribute_exists(lockHolder) AND fence = :token`.
    pub fn break_lock(&self, item: &mut LockState, by: &UserRef, token: FencingToken) -> bool {
        let broken = item.lease.is_some() && (item.fence == token || self.omits(Term::BreakToken));
        if broken {
            item.lease = None;
            item.broken = Some(BrokenLock { token, by: by.clone() });
        }
        broken
    }

    /// Deletes an expired lock, as DynamoDB's time to live would. The product does not do this; if it ever
    /// does, the fence must remain.
    pub fn delete_expired(&self, item: &mut LockState) {
        item.lease = None;
        if self.omits(Term::FenceStays) {
            item.fence = FencingToken::default();
        }
    }

    /// Returns item, user and token as they are given to the rule.
    fn given_to_rule(
        &self,
        terms: &Terms,
        item: &LockState,
        user: &UserId,
        token: FencingToken,
    ) -> (LockState, UserId, FencingToken) {
        let (mut seen, mut user, mut token) = (item.clone(), user.clone(), token);
        if let Some(lease) = &mut seen.lease {
            if self.omits(terms.holder) {
                user = lease.holder.id.clone();
            }
            if self.omits(terms.token) {
                token = lease.token;
            }
            if self.omits(terms.lease_end) {
                lease.expires_at = NEVER;
            }
            if self.omits(terms.idle_end) {
                lease.idle_release_at = NEVER;
            }
        }
        (seen, user, token)
    }
}
