//! The lock's operations on a row in memory, each under the condition that the table would check.

use std::time::Duration;

use shared_domain::{
    ids::UserId,
    lock::{self, BrokenLock, Denied, FencingToken, Lease, LockPolicy, LockState, LockViolation, LostLock},
    time::Timestamp,
    user::UserRef,
};

/// A term of a condition, or a property of the token, that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// Acquire: what nobody holds is free.
    FreeWhenHeldByNobody,
    /// Acquire: what I hold I get again.
    FreeToItsHolder,
    /// Acquire: free when the lease has ended.
    FreeAfterLeaseEnd,
    /// Acquire: free when the idle release has come.
    FreeAfterIdleEnd,
    /// Acquire: not before the skew has passed.
    FreeAfterSkew,
    /// Acquire: a colleague's live lease refuses.
    NotAColleagues,
    /// Reply: by the holder.
    ReplyHolder,
    /// Reply: with the current token.
    ReplyToken,
    /// Reply: before the lease's end.
    ReplyLeaseEnd,
    /// Reply: before the idle release.
    ReplyIdleEnd,
    /// Renew: by the holder.
    RenewHolder,
    /// Renew: with the current token.
    RenewToken,
    /// Renew: before the lease's end.
    RenewLeaseEnd,
    /// Renew: before the idle release.
    RenewIdleEnd,
    /// Release: by the holder.
    ReleaseHolder,
    /// Release: of the current token.
    ReleaseToken,
    /// Break: of the token that was seen.
    BreakToken,
    /// Each acquisition makes the fence grow.
    FenceGrows,
    /// What tidies up after an end leaves the fence.
    FenceStays,
}

impl Term {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::FreeWhenHeldByNobody,
        Self::FreeToItsHolder,
        Self::FreeAfterLeaseEnd,
        Self::FreeAfterIdleEnd,
        Self::FreeAfterSkew,
        Self::NotAColleagues,
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

/// The conditions, whole or without one term. A term is left out by showing the rule a row, a user or a token for which
/// it holds anyhow; what is decided is always the rule's decision.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// The lock's times.
    pub policy: LockPolicy,
    /// What is left out.
    pub without: Option<Term>,
}

/// An end that never comes.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// The terms of one condition on holder, token and both ends.
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
    /// All terms.
    pub fn whole(policy: LockPolicy) -> Self {
        Self { policy, without: None }
    }

    fn lacks(&self, term: Term) -> bool {
        self.without == Some(term)
    }

    /// [`lock::acquire`].
    ///
    /// # Errors
    /// [`Denied`].
    pub fn acquire(&self, row: &mut LockState, user: &UserRef, now: Timestamp) -> Result<Lease, Denied> {
        let (mut seen, mut policy, mut asks) = (row.clone(), self.policy, user.clone());
        match (&mut seen.lease, self.without) {
            (None, Some(Term::FreeWhenHeldByNobody)) => {
                let nobody = UserRef { id: UserId::parse("nobody").unwrap(), name: String::new() };
                return Err(Denied { holder: nobody, expires_at: now });
            }
            (Some(_), Some(Term::FreeToItsHolder)) => asks.id = UserId::parse("stranger").unwrap(),
            (Some(lease), Some(Term::FreeAfterLeaseEnd)) => lease.expires_at = NEVER,
            (Some(lease), Some(Term::FreeAfterIdleEnd)) => lease.idle_release_at = NEVER,
            (_, Some(Term::FreeAfterSkew)) => policy.skew = Duration::ZERO,
            (_, Some(Term::NotAColleagues)) => seen.lease = None,
            _ => {}
        }
        let mut lease = lock::acquire(&seen, &asks, now, &policy)?;
        lease.holder = user.clone();
        if self.lacks(Term::FenceGrows) {
            lease.token = row.fence.max(FencingToken::new(1));
        }
        row.fence = lease.token;
        row.lease = Some(lease.clone());
        Ok(lease)
    }

    /// [`lock::guard`] of a reply that shows a token.
    ///
    /// # Errors
    /// [`LockViolation`].
    pub fn reply(
        &self,
        row: &LockState,
        user: &UserId,
        token: FencingToken,
        now: Timestamp,
    ) -> Result<(), LockViolation> {
        let (seen, user, token) = self.shown(&REPLY, row, user, token);
        lock::guard(&seen, &user, Some(token), now)
    }

    /// [`lock::renew`].
    ///
    /// # Errors
    /// [`LostLock`].
    pub fn renew(
        &self,
        row: &mut LockState,
        user: &UserId,
        token: FencingToken,
        active: bool,
        now: Timestamp,
    ) -> Result<Lease, LostLock> {
        let (seen, user, token) = self.shown(&RENEW, row, user, token);
        let mut renewed = lock::renew(&seen, &user, token, active, now, &self.policy)?;
        if let Some(before) = row.lease.as_ref().filter(|_| !active) {
            renewed.idle_release_at = before.idle_release_at;
        }
        row.lease = Some(renewed.clone());
        Ok(renewed)
    }

    /// Gives the lock back if it is this one: `lockHolder.id = :me AND fence = :token`.
    pub fn release(&self, row: &mut LockState, user: &UserId, token: FencingToken) -> bool {
        let Some(lease) = &row.lease else { return false };
        let holder = lease.holder.id == *user || self.lacks(Term::ReleaseHolder);
        let released = holder && (row.fence == token || self.lacks(Term::ReleaseToken));
        if released {
            row.lease = None;
        }
        released
    }

    /// Takes the lock away if it is this one: `attribute_exists(lockHolder) AND fence = :token`.
    pub fn break_lock(&self, row: &mut LockState, by: &UserRef, token: FencingToken) -> bool {
        let broken = row.lease.is_some() && (row.fence == token || self.lacks(Term::BreakToken));
        if broken {
            row.lease = None;
            row.broken = Some(BrokenLock { token, by: by.clone() });
        }
        broken
    }

    /// Somebody removes what has ended, at whatever time, as DynamoDB's time to live would. Nothing of ours does; should it
    /// ever, the fence must stay.
    pub fn tidy(&self, row: &mut LockState) {
        row.lease = None;
        if self.lacks(Term::FenceStays) {
            row.fence = FencingToken::default();
        }
    }

    /// Row, user and token as the rule sees them.
    fn shown(
        &self,
        terms: &Terms,
        row: &LockState,
        user: &UserId,
        token: FencingToken,
    ) -> (LockState, UserId, FencingToken) {
        let (mut seen, mut user, mut token) = (row.clone(), user.clone(), token);
        if let Some(lease) = &mut seen.lease {
            if self.lacks(terms.holder) {
                user = lease.holder.id.clone();
            }
            if self.lacks(terms.token) {
                token = lease.token;
            }
            if self.lacks(terms.lease_end) {
                lease.expires_at = NEVER;
            }
            if self.lacks(terms.idle_end) {
                lease.idle_release_at = NEVER;
            }
        }
        (seen, user, token)
    }
}
