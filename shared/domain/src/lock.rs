//! The lock on a conversation: a lease with a holder, an expiry and a fencing token.
//!
//! A user who opens a conversation of a shared inbox to reply *acquires* the lock for the lease (60 s). The
//! front end *renews* the lock every 20 s and *releases* it when the user leaves the conversation. Each
//! renewal says whether the user was active. After 3 min without activity (the idle prompt) the front end
//! asks whether the user is still working, and 60 s later (the idle release) the lock ends. A lock therefore
//! has two ends: `expires_at`, if no renewal arrives, and `idle_release_at`, if renewals arrive without
//! activity. It is live before the earlier of the two.
//!
//! The **fencing token** counts the acquisitions of a conversation. It is part of the conversation, which is
//! never deleted, so it keeps growing after a release, an expiry or a takeover. A reply presents its token,
//! and the write that accepts the reply checks holder, token and both ends. A delayed or paused holder is
//! refused, whatever its clock says.
//!
//! **Clock skew** between two hosts is at most `skew`. The holder loses the lock at its end, and another user
//! can take it over only `skew` later. If the skew is larger, another user may get the lock too early, but
//! two replies are still never accepted under one lock, because the token decides.
//!
//! These functions are the rule. `shared/aws` states each as a condition expression, and its contract tests
//! check that both give the same results.
//!
//! ```
//! use shared_domain::lock::{LockPolicy, LockState, LossReason, acquire, renew};
//! use shared_domain::{ids::UserId, time::Timestamp, user::UserRef};
//!
//! let policy = LockPolicy::default();
//! let ada = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() };
//! let now = Timestamp::from_millis(1_800_000_000_000);
//!
//! let lease = acquire(&LockState::default(), &ada, now, &policy).unwrap();
//! let (token, end) = (lease.token, lease.ends_at());
//! let state = LockState::held(lease);
//! assert_eq!(renew(&state, &ada.id, token, true, end, &policy).unwrap_err().loss, LossReason::Expired);
//! ```

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ids::UserId, time::Timestamp, user::UserRef};

/// The settings of locks. They are parameters of the stack. All times except the skew are at least one
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// How long a lock lasts without a renewal.
    pub lease: Duration,
    /// How often the front end should renew.
    pub renew_after: Duration,
    /// After this time without activity, the front end asks whether the user is still working.
    pub idle_prompt: Duration,
    /// After this further time without activity, the lock ends.
    pub idle_release: Duration,
    /// The largest difference between the clocks of two hosts.
    pub skew: Duration,
    /// How many locks a user may hold at the same time, so that one user cannot lock a whole inbox.
    pub per_user: usize,
}

impl Default for LockPolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            renew_after: Duration::from_secs(20),
            idle_prompt: Duration::from_secs(180),
            idle_release: Duration::from_secs(60),
            skew: Duration::from_millis(500),
            per_user: 5,
        }
    }
}

impl LockPolicy {
    /// The end of a lease that starts now.
    pub fn lease_end(&self, now: Timestamp) -> Timestamp {
        now + self.lease
    }

    /// The idle release of a user who is not active after now.
    pub fn idle_end(&self, now: Timestamp) -> Timestamp {
        now + self.idle_prompt + self.idle_release
    }
}

/// The number of an acquisition of a conversation's lock. The first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The token with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The token of the acquisition after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A granted lock, live or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Lease {
    pub holder: UserRef,
    /// The token that a renewal, a release or a reply must present.
    pub token: FencingToken,
    /// The end if no renewal arrives.
    pub expires_at: Timestamp,
    /// The end if the holder is not active.
    pub idle_release_at: Timestamp,
}

impl Lease {
    /// The earlier of the two ends. The lock is no longer live at this time.
    pub fn ends_at(&self) -> Timestamp {
        self.expires_at.min(self.idle_release_at)
    }

    /// Whether the lock is live at `now`.
    pub fn live(&self, now: Timestamp) -> bool {
        now < self.ends_at()
    }

    /// Whether the front end should ask if the user is still working.
    pub fn idle_prompt(&self, now: Timestamp, policy: &LockPolicy) -> bool {
        now >= self.idle_release_at - policy.idle_release
    }
}

/// A lock that an admin broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLock {
    /// The token of the broken lock.
    pub token: FencingToken,
    /// The admin.
    pub by: UserRef,
}

/// The state of a conversation's lock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockState {
    /// The newest token; 0 before the first acquisition.
    pub fence: FencingToken,
    /// The newest lease. `None` if it was released or broken.
    pub lease: Option<Lease>,
    /// The newest break, so that its former holder learns who broke the lock.
    pub broken: Option<BrokenLock>,
}

impl LockState {
    /// The state after this lease was granted.
    pub fn held(lease: Lease) -> Self {
        Self { fence: lease.token, lease: Some(lease), broken: None }
    }

    /// The lease, if it is live.
    pub fn live(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.live(now))
    }
}

/// Another user holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is responding", holder.id)]
pub struct Denied {
    /// The user who is responding.
    pub holder: UserRef,
    /// When the lock ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// Acquires the lock, takes it over after its end, or acquires it again. Each acquisition gets a new token.
///
/// # Errors
/// [`Denied`] if the lease of another user may still be live by any clock within the skew.
pub fn acquire(
    state: &LockState,
    user: &UserRef,
    now: Timestamp,
    policy: &LockPolicy,
) -> Result<Lease, Denied> {
    if let Some(lease) = &state.lease {
        let free = lease.holder.id == user.id || lease.ends_at() < now - policy.skew;
        if !free {
            return Err(Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() });
        }
    }
    Ok(Lease {
        holder: user.clone(),
        token: FencingToken(state.fence.0 + 1),
        expires_at: policy.lease_end(now),
        idle_release_at: policy.idle_end(now),
    })
}

/// Why a token is no longer valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossReason {
    /// The lock was not renewed in time.
    Expired,
    /// The lock was renewed, but its holder was not active.
    Idle,
    /// The same user acquired the lock again, perhaps in another tab.
    Superseded,
    /// The holder released the lock.
    Released,
    /// This admin broke the lock.
    Broken(UserRef),
    /// The lock ended, and another user has acquired it.
    Taken,
}

impl LossReason {
    /// The name in the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Superseded => "superseded",
            Self::Released => "released",
            Self::Broken(_) => "broken",
            Self::Taken => "taken",
        }
    }
}

/// The presented lock is no longer the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostLock {
    /// Why the token is no longer valid.
    pub loss: LossReason,
    /// The current holder, if another user has the lock.
    pub now_held_by: Option<Denied>,
}

/// Returns the lease of this user and token if it is current and live.
///
/// # Errors
/// [`LostLock`] with the reason and the current holder.
pub fn current<'a>(
    state: &'a LockState,
    user: &UserId,
    token: FencingToken,
    now: Timestamp,
) -> Result<&'a Lease, LostLock> {
    match &state.lease {
        Some(lease) if lease.holder.id == *user && lease.token == token && lease.live(now) => Ok(lease),
        _ => Err(lost(state, user, token, now)),
    }
}

/// Extends the lease. If the user was `active`, the idle release moves too. Neither moves to an earlier time:
/// a renewal can arrive after a later one.
///
/// # Errors
/// [`LostLock`] if the lock has ended. It can be acquired again, but not renewed.
pub fn renew(
    state: &LockState,
    user: &UserId,
    token: FencingToken,
    active: bool,
    now: Timestamp,
    policy: &LockPolicy,
) -> Result<Lease, LostLock> {
    let lease = current(state, user, token, now)?;
    let idle_end = if active { policy.idle_end(now) } else { lease.idle_release_at };
    Ok(Lease {
        expires_at: policy.lease_end(now).max(lease.expires_at),
        idle_release_at: idle_end.max(lease.idle_release_at),
        ..lease.clone()
    })
}

/// Determines why a lock is no longer the current one.
pub fn lost(state: &LockState, user: &UserId, token: FencingToken, now: Timestamp) -> LostLock {
    let others = state.live(now).filter(|lease| lease.holder.id != *user);
    let now_held_by =
        others.map(|lease| Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() });
    let broken = state.broken.as_ref().filter(|broken| broken.token == token);
    let loss = match (&state.lease, broken) {
        (_, Some(broken)) => LossReason::Broken(broken.by.clone()),
        (None, None) => LossReason::Released,
        (Some(lease), None) if lease.holder.id != *user => LossReason::Taken,
        (Some(lease), None) if lease.token != token => LossReason::Superseded,
        (Some(lease), None) if lease.idle_release_at <= now => LossReason::Idle,
        (Some(_), None) => LossReason::Expired,
    };
    LostLock { loss, now_held_by }
}

/// Why the lock does not permit a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockViolation {
    /// The reply presents no token, and no other user holds the lock.
    TokenRequired,
    /// The reply presents no token, and another user holds the lock.
    HeldByOther(Denied),
    /// The presented token is no longer valid.
    LockLost(LostLock),
}

/// Checks the token that a reply presents.
///
/// # Errors
/// [`LockViolation`] unless the user presents the token of their live lock.
pub fn guard(
    state: &LockState,
    user: &UserId,
    token: Option<FencingToken>,
    now: Timestamp,
) -> Result<(), LockViolation> {
    match token {
        Some(token) => current(state, user, token, now).map(|_| ()).map_err(LockViolation::LockLost),
        None => Err(held_by_another(state, user, now)
            .map_or(LockViolation::TokenRequired, LockViolation::HeldByOther)),
    }
}

/// The holder of a live lock, unless it is this user.
pub fn held_by_another(state: &LockState, user: &UserId, now: Timestamp) -> Option<Denied> {
    let lease = state.live(now).filter(|lease| lease.holder.id != *user)?;
    Some(Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn user(id: &str) -> UserRef {
        UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() }
    }

    fn seconds(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    fn held_by(id: &str) -> LockState {
        LockState::held(acquire(&LockState::default(), &user(id), START, &LockPolicy::default()).unwrap())
    }

    fn policy() -> LockPolicy {
        LockPolicy::default()
    }

    #[test]
    fn a_free_lock_is_granted_with_the_first_token() {
        let lease = acquire(&LockState::default(), &user("ada"), START, &policy()).unwrap();
        assert_eq!((lease.token.get(), lease.expires_at), (1, seconds(60)));
    }

    #[test]
    fn a_held_lock_is_denied_with_the_holder_and_the_end() {
        let denied = acquire(&held_by("ada"), &user("ben"), seconds(59), &policy()).unwrap_err();
        assert_eq!(denied, Denied { holder: user("ada"), expires_at: seconds(60) });
    }

    #[test]
    fn an_expired_lease_can_be_taken_over_by_another_user_once_the_skew_has_passed() {
        let state = held_by("ada");
        let end = seconds(60) + policy().skew;
        assert!(acquire(&state, &user("ben"), end, &policy()).is_err());
        let taken = acquire(&state, &user("ben"), end + Duration::from_millis(1), &policy()).unwrap();
        assert_eq!(taken.token.get(), 2);
    }

    #[test]
    fn acquiring_again_gives_a_new_token_and_invalidates_the_old_one() {
        let state = held_by("ada");
        let again = acquire(&state, &user("ada"), seconds(1), &policy()).unwrap();
        assert_eq!(again.token.get(), 2);
        let state = LockState::held(again);
        let ada = user("ada").id;
        assert_eq!(
            current(&state, &ada, FencingToken::new(1), seconds(2)).unwrap_err().loss,
            LossReason::Superseded
        );
        assert!(current(&state, &ada, FencingToken::new(2), seconds(2)).is_ok());
    }

    #[test]
    fn the_token_grows_after_a_release() {
        let state = LockState { fence: FencingToken::new(41), ..LockState::default() };
        assert_eq!(acquire(&state, &user("ada"), START, &policy()).unwrap().token.get(), 42);
    }

    #[test]
    fn a_renewal_one_instant_late_is_refused() {
        let (state, ada, token) = (held_by("ada"), user("ada").id, FencingToken::new(1));
        let last = seconds(60) - Duration::from_millis(1);
        assert!(renew(&state, &ada, token, true, last, &policy()).is_ok());
        assert_eq!(
            renew(&state, &ada, token, true, seconds(60), &policy()).unwrap_err().loss,
            LossReason::Expired
        );
    }

    #[test]
    fn an_idle_holder_is_asked_and_then_loses_the_lock() {
        let (ada, token) = (user("ada").id, FencingToken::new(1));
        let mut state = held_by("ada");
        for tick in 1..12 {
            let now = seconds(tick * 20);
            let lease = renew(&state, &ada, token, false, now, &policy()).unwrap();
            assert_eq!(lease.idle_prompt(now, &policy()), tick * 20 >= 180, "at {} s", tick * 20);
            assert_eq!(
                lease.ends_at().min(seconds(240)),
                lease.ends_at(),
                "never later than the idle release"
            );
            state = LockState::held(lease);
        }
        assert_eq!(
            renew(&state, &ada, token, true, seconds(240), &policy()).unwrap_err().loss,
            LossReason::Idle
        );
        assert!(acquire(&state, &user("ben"), seconds(241), &policy()).is_ok());
    }

    #[test]
    fn activity_moves_the_idle_release() {
        let (state, ada) = (held_by("ada"), user("ada").id);
        let lease = renew(&state, &ada, FencingToken::new(1), true, seconds(50), &policy()).unwrap();
        assert_eq!(lease.idle_release_at, seconds(50 + 240));
    }

    #[test]
    fn each_way_to_lose_a_lock_has_its_reason() {
        let ada = user("ada").id;
        let token = FencingToken::new(1);
        let loss = |state: &LockState, at| current(state, &ada, token, at).unwrap_err();
        let released = LockState { fence: token, ..LockState::default() };
        assert_eq!(loss(&released, START).loss, LossReason::Released);
        let broken = LockState { broken: Some(BrokenLock { token, by: user("eve") }), ..released };
        assert_eq!(loss(&broken, START).loss, LossReason::Broken(user("eve")));
        let taken = LockState::held(acquire(&held_by("ada"), &user("ben"), seconds(61), &policy()).unwrap());
        let lost = loss(&taken, seconds(62));
        assert_eq!(lost.loss, LossReason::Taken);
        assert_eq!(lost.now_held_by.unwrap().holder, user("ben"));
    }

    #[test]
    fn a_reply_without_a_token_is_refused_with_the_reason() {
        let ben = user("ben").id;
        assert_eq!(guard(&LockState::default(), &ben, None, START), Err(LockViolation::TokenRequired));
        let Err(LockViolation::HeldByOther(denied)) = guard(&held_by("ada"), &ben, None, START) else {
            panic!()
        };
        assert_eq!(denied.holder, user("ada"));
        assert_eq!(guard(&held_by("ben"), &ben, None, START), Err(LockViolation::TokenRequired));
        assert_eq!(guard(&held_by("ben"), &ben, Some(FencingToken::new(1)), START), Ok(()));
    }

    #[test]
    fn tokens_count_up_and_print_as_numbers() {
        let token = FencingToken::new(9);
        assert_eq!((token.get(), token.next(), token.to_string().as_str()), (9, FencingToken::new(10), "9"));
    }

    #[test]
    fn a_token_is_valid_only_for_its_holder() {
        let lost = current(&held_by("ada"), &user("ben").id, FencingToken::new(1), START).unwrap_err();
        let ada = Denied { holder: user("ada"), expires_at: seconds(60) };
        assert_eq!(lost, LostLock { loss: LossReason::Taken, now_held_by: Some(ada) });
    }

    #[test]
    fn a_break_is_reported_to_the_broken_token_and_not_to_a_later_one() {
        let broken = Some(BrokenLock { token: FencingToken::new(1), by: user("eve") });
        let state = LockState { broken, fence: FencingToken::new(1), lease: None };
        let again = acquire(&state, &user("ada"), seconds(1), &policy()).unwrap();
        let state = LockState { fence: again.token, lease: Some(again), ..state };
        let loss = |token, at| current(&state, &user("ada").id, FencingToken::new(token), at).unwrap_err();
        assert_eq!(loss(1, seconds(2)).loss, LossReason::Broken(user("eve")));
        assert_eq!(loss(2, seconds(61)).loss, LossReason::Expired);
    }

    #[test]
    fn a_lock_is_held_before_its_end_and_not_at_its_end() {
        let (state, ben) = (held_by("ada"), user("ben").id);
        let last = seconds(60) - Duration::from_millis(1);
        assert_eq!(held_by_another(&state, &ben, last).unwrap().expires_at, seconds(60));
        assert_eq!(held_by_another(&state, &ben, seconds(60)), None);
    }

    #[test]
    fn loss_reasons_have_the_names_of_the_api() {
        let all = [
            (LossReason::Expired, "expired"),
            (LossReason::Idle, "idle"),
            (LossReason::Superseded, "superseded"),
            (LossReason::Released, "released"),
            (LossReason::Broken(user("eve")), "broken"),
            (LossReason::Taken, "taken"),
        ];
        for (loss, word) in all {
            assert_eq!(loss.code(), word);
        }
    }
}
