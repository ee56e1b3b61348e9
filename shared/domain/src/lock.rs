//! The lock on a conversation: a lease with a holder, an expiry and a fencing token.
//!
//! Opening a conversation of a shared inbox to answer *acquires* the lock for the lease (60 s), the front end *renews* it
//! (every 20 s) and *releases* it on leaving. A renewal says whether the user was active: after the idle prompt (3 min)
//! without activity the front end asks *are you still working?*, and after the idle release (60 s) more the lock is gone.
//! So a lock has two ends, `expires_at` (no renewal came) and `idle_release_at` (renewals came, nobody was there), and is
//! live before the earlier of them.
//!
//! The **fencing token** counts the acquisitions of a conversation. It stands on the conversation, which nothing deletes,
//! so it grows through release, expiry and takeover. A reply shows its token, and the write that accepts the reply checks
//! holder, token and both ends: a late or paused holder is refused whatever its clock says.
//!
//! **Clocks** differ between hosts by at most `skew`. A holder counts as gone at its own end; another may take over only
//! `skew` later. Should the bound be broken, fairness suffers, never safety: the token decides.
//!
//! These functions are the rule. `shared/aws` restates each as a condition expression, and its contract tests hold both
//! to the same answers.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ids::UserId, time::Timestamp, user::UserRef};

/// The times of the lock, stack parameters, all of a second or more except the skew; and how many one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// How long a lock lives without a renewal.
    pub lease: Duration,
    /// How often the front end should renew.
    pub renew_after: Duration,
    /// Without activity for this long, the front end asks whether somebody is there.
    pub idle_prompt: Duration,
    /// Without activity for this long after the prompt, the lock is released.
    pub idle_release: Duration,
    /// The bound on the difference of two hosts' clocks.
    pub skew: Duration,
    /// How many locks one user may hold at a time, so that nobody locks a whole queue.
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
    /// The end of a lease that begins now.
    pub fn lease_end(&self, now: Timestamp) -> Timestamp {
        now + self.lease
    }

    /// The instant of release when nobody is active from now on.
    pub fn idle_end(&self, now: Timestamp) -> Timestamp {
        now + self.idle_prompt + self.idle_release
    }
}

/// Counts the acquisitions of one conversation, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// From its number.
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

/// A lock that somebody has, live or run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it.
    pub holder: UserRef,
    /// What a renewal, a release or a reply must show.
    pub token: FencingToken,
    /// Its end when no renewal comes.
    pub expires_at: Timestamp,
    /// Its end when nobody is active.
    pub idle_release_at: Timestamp,
}

impl Lease {
    /// The instant after which the holder has nothing any more: the earlier of both ends.
    pub fn ends_at(&self) -> Timestamp {
        self.expires_at.min(self.idle_release_at)
    }

    /// Whether the holder still has it at `now`.
    pub fn live(&self, now: Timestamp) -> bool {
        now < self.ends_at()
    }

    /// Whether the front end should ask if somebody is there.
    pub fn idle_prompt(&self, now: Timestamp, policy: &LockPolicy) -> bool {
        now >= self.idle_release_at - policy.idle_release
    }
}

/// An admin took the lock away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLock {
    /// The token that was broken.
    pub token: FencingToken,
    /// Who broke it.
    pub by: UserRef,
}

/// All that a conversation knows of its lock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockState {
    /// The token last given out; 0 before the first.
    pub fence: FencingToken,
    /// The lease last given out, unless released or broken.
    pub lease: Option<Lease>,
    /// The last break, for the answer to the one who lost it.
    pub broken: Option<BrokenLock>,
}

impl LockState {
    /// A state in which this lease was just given out.
    pub fn held(lease: Lease) -> Self {
        Self { fence: lease.token, lease: Some(lease), broken: None }
    }

    /// The lease, while it is live.
    pub fn live(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.live(now))
    }
}

/// Somebody else holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is responding", holder.id)]
pub struct Denied {
    /// Who is responding.
    pub holder: UserRef,
    /// When that ends unless renewed.
    pub expires_at: Timestamp,
}

/// Takes the lock, takes it over after its end, or takes it again: always with a new token.
///
/// # Errors
/// [`Denied`] while another's lease may be live on any clock within the skew.
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

/// Why a token is worth nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossReason {
    /// Nobody renewed in time.
    Expired,
    /// Renewed, but nobody was active.
    Idle,
    /// The same user acquired again, in another tab perhaps.
    Superseded,
    /// Given back.
    Released,
    /// An admin took it away.
    Broken(UserRef),
    /// It had ended, and a colleague has it now.
    Taken,
}

impl LossReason {
    /// The word of the API.
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

/// The lock that was shown is not the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostLock {
    /// What happened to it.
    pub loss: LossReason,
    /// Who is responding now, and until when.
    pub now_held_by: Option<Denied>,
}

/// The lease that this user and token name, if it is the current one and live.
///
/// # Errors
/// [`LostLock`] with the reason and whoever holds it now.
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

/// Extends the lease; activity also moves the idle release.
///
/// # Errors
/// [`LostLock`]: a lock that ran out is acquired again, not renewed.
pub fn renew(
    state: &LockState,
    user: &UserId,
    token: FencingToken,
    active: bool,
    now: Timestamp,
    policy: &LockPolicy,
) -> Result<Lease, LostLock> {
    let lease = current(state, user, token, now)?;
    Ok(Lease {
        expires_at: policy.lease_end(now),
        idle_release_at: if active { policy.idle_end(now) } else { lease.idle_release_at },
        ..lease.clone()
    })
}

/// Says what became of a lock that is not the current one.
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

/// Why a reply without the current lock is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockViolation {
    /// No token was shown, and nobody else holds the lock.
    TokenRequired,
    /// No token was shown, and a colleague is responding.
    HeldByOther(Denied),
    /// The token that was shown is not the current one.
    LockLost(LostLock),
}

/// Checks what a reply shows against the lock.
///
/// # Errors
/// [`LockViolation`], one variant per answer of the API.
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

/// Who, other than this user, is responding.
pub fn held_by_another(state: &LockState, user: &UserId, now: Timestamp) -> Option<Denied> {
    let lease = state.live(now).filter(|lease| lease.holder.id != *user)?;
    Some(Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn person(id: &str) -> UserRef {
        UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() }
    }

    fn seconds(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    fn held_by(id: &str) -> LockState {
        LockState::held(acquire(&LockState::default(), &person(id), START, &LockPolicy::default()).unwrap())
    }

    fn policy() -> LockPolicy {
        LockPolicy::default()
    }

    #[test]
    fn a_free_lock_is_given_with_the_first_token() {
        let lease = acquire(&LockState::default(), &person("ada"), START, &policy()).unwrap();
        assert_eq!((lease.token.get(), lease.expires_at), (1, seconds(60)));
    }

    #[test]
    fn a_held_lock_is_denied_with_the_holder_and_the_end() {
        let denied = acquire(&held_by("ada"), &person("ben"), seconds(59), &policy()).unwrap_err();
        assert_eq!(denied, Denied { holder: person("ada"), expires_at: seconds(60) });
    }

    #[test]
    fn an_expired_lease_can_be_taken_by_another_once_the_skew_has_passed() {
        let state = held_by("ada");
        let end = seconds(60) + policy().skew;
        assert!(acquire(&state, &person("ben"), end, &policy()).is_err());
        let taken = acquire(&state, &person("ben"), end + Duration::from_millis(1), &policy()).unwrap();
        assert_eq!(taken.token.get(), 2);
    }

    #[test]
    fn acquiring_again_gives_a_new_token_and_the_old_one_dies() {
        let state = held_by("ada");
        let again = acquire(&state, &person("ada"), seconds(1), &policy()).unwrap();
        assert_eq!(again.token.get(), 2);
        let state = LockState::held(again);
        let ada = person("ada").id;
        assert_eq!(
            current(&state, &ada, FencingToken::new(1), seconds(2)).unwrap_err().loss,
            LossReason::Superseded
        );
        assert!(current(&state, &ada, FencingToken::new(2), seconds(2)).is_ok());
    }

    #[test]
    fn the_token_grows_after_a_release() {
        let state = LockState { fence: FencingToken::new(41), ..LockState::default() };
        assert_eq!(acquire(&state, &person("ada"), START, &policy()).unwrap().token.get(), 42);
    }

    #[test]
    fn a_renewal_one_instant_late_is_refused() {
        let (state, ada, token) = (held_by("ada"), person("ada").id, FencingToken::new(1));
        let last = seconds(60) - Duration::from_millis(1);
        assert!(renew(&state, &ada, token, true, last, &policy()).is_ok());
        assert_eq!(
            renew(&state, &ada, token, true, seconds(60), &policy()).unwrap_err().loss,
            LossReason::Expired
        );
    }

    #[test]
    fn an_idle_holder_is_asked_and_then_loses_the_lock() {
        let (ada, token) = (person("ada").id, FencingToken::new(1));
        let mut state = held_by("ada");
        for tick in 1..12 {
            let now = seconds(tick * 20);
            let lease = renew(&state, &ada, token, false, now, &policy()).unwrap();
            assert_eq!(lease.idle_prompt(now, &policy()), tick * 20 >= 180, "at {} s", tick * 20);
            assert_eq!(lease.ends_at().min(seconds(240)), lease.ends_at(), "never beyond the idle release");
            state = LockState::held(lease);
        }
        assert_eq!(
            renew(&state, &ada, token, true, seconds(240), &policy()).unwrap_err().loss,
            LossReason::Idle
        );
        assert!(acquire(&state, &person("ben"), seconds(241), &policy()).is_ok());
    }

    #[test]
    fn activity_moves_the_idle_release() {
        let (state, ada) = (held_by("ada"), person("ada").id);
        let lease = renew(&state, &ada, FencingToken::new(1), true, seconds(50), &policy()).unwrap();
        assert_eq!(lease.idle_release_at, seconds(50 + 240));
    }

    #[test]
    fn each_way_to_lose_a_lock_has_its_name() {
        let ada = person("ada").id;
        let token = FencingToken::new(1);
        let loss = |state: &LockState, at| current(state, &ada, token, at).unwrap_err();
        let released = LockState { fence: token, ..LockState::default() };
        assert_eq!(loss(&released, START).loss, LossReason::Released);
        let broken = LockState { broken: Some(BrokenLock { token, by: person("eve") }), ..released };
        assert_eq!(loss(&broken, START).loss, LossReason::Broken(person("eve")));
        let taken =
            LockState::held(acquire(&held_by("ada"), &person("ben"), seconds(61), &policy()).unwrap());
        let lost = loss(&taken, seconds(62));
        assert_eq!(lost.loss, LossReason::Taken);
        assert_eq!(lost.now_held_by.unwrap().holder, person("ben"));
    }

    #[test]
    fn a_reply_without_a_token_is_told_what_is_missing() {
        let ben = person("ben").id;
        assert_eq!(guard(&LockState::default(), &ben, None, START), Err(LockViolation::TokenRequired));
        let Err(LockViolation::HeldByOther(denied)) = guard(&held_by("ada"), &ben, None, START) else {
            panic!()
        };
        assert_eq!(denied.holder, person("ada"));
        assert_eq!(guard(&held_by("ben"), &ben, None, START), Err(LockViolation::TokenRequired));
        assert_eq!(guard(&held_by("ben"), &ben, Some(FencingToken::new(1)), START), Ok(()));
    }

    #[test]
    fn tokens_are_counted_and_written_as_numbers() {
        let token = FencingToken::new(9);
        assert_eq!((token.get(), token.next(), token.to_string().as_str()), (9, FencingToken::new(10), "9"));
    }

    #[test]
    fn a_token_serves_nobody_but_its_holder() {
        let lost = current(&held_by("ada"), &person("ben").id, FencingToken::new(1), START).unwrap_err();
        let ada = Denied { holder: person("ada"), expires_at: seconds(60) };
        assert_eq!(lost, LostLock { loss: LossReason::Taken, now_held_by: Some(ada) });
    }

    #[test]
    fn a_break_is_told_to_the_token_that_was_broken_and_to_no_later_one() {
        let broken = Some(BrokenLock { token: FencingToken::new(1), by: person("eve") });
        let state = LockState { broken, fence: FencingToken::new(1), lease: None };
        let again = acquire(&state, &person("ada"), seconds(1), &policy()).unwrap();
        let state = LockState { fence: again.token, lease: Some(again), ..state };
        let loss = |token, at| current(&state, &person("ada").id, FencingToken::new(token), at).unwrap_err();
        assert_eq!(loss(1, seconds(2)).loss, LossReason::Broken(person("eve")));
        assert_eq!(loss(2, seconds(61)).loss, LossReason::Expired);
    }

    #[test]
    fn a_lock_is_held_until_its_end_and_not_at_it() {
        let (state, ben) = (held_by("ada"), person("ben").id);
        let last = seconds(60) - Duration::from_millis(1);
        assert_eq!(held_by_another(&state, &ben, last).unwrap().expires_at, seconds(60));
        assert_eq!(held_by_another(&state, &ben, seconds(60)), None);
    }

    #[test]
    fn each_loss_has_its_word() {
        let all = [
            (LossReason::Expired, "expired"),
            (LossReason::Idle, "idle"),
            (LossReason::Superseded, "superseded"),
            (LossReason::Released, "released"),
            (LossReason::Broken(person("eve")), "broken"),
            (LossReason::Taken, "taken"),
        ];
        for (loss, word) in all {
            assert_eq!(loss.code(), word);
        }
    }
}
