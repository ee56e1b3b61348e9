//! The settings and the result of a run.

use std::time::Duration;

use shared_domain::{
    lock::{Denied, FencingToken, Lease, LockPolicy, LockViolation, LostLock},
    time::Timestamp,
    user::UserRef,
};

use super::SECOND;
use crate::conditions::Term;

/// The settings of one run.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The seed of all randomness.
    pub seed: u64,
    /// The number of clients. Four of each 32 are a second browser tab of the same user.
    pub contenders: usize,
    /// How often each client tries to acquire a lock.
    pub cycles: u32,
    /// The number of conversations.
    pub conversations: usize,
    /// The largest clock error in either direction, in milliseconds.
    pub skew: i64,
    /// The term that is left out of the conditions.
    pub without: Option<Term>,
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Acquisitions tried.
    pub cycles: u64,
    /// Locks granted.
    pub granted: u64,
    /// Locks refused.
    pub denied: u64,
    /// Locks taken over from another user after their end.
    pub taken_over: u64,
    /// Replies accepted.
    pub replies: u64,
    /// Replies with a pause between reading the clock and writing.
    pub paused: u64,
    /// Replies tried without the current lock.
    pub stale: u64,
    /// The first violation of a guarantee.
    pub violation: Option<String>,
}

/// A request to the table, with the answer of the rule.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names of the fields say it all")]
pub struct Request {
    pub conversation: usize,
    /// The time on the clock of the host.
    pub at: Timestamp,
    pub user: UserRef,
    pub operation: Operation,
}

/// An operation on the lock and its answer.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Operation {
    Acquire(Result<Lease, Denied>),
    Renew { token: FencingToken, active: bool, answer: Result<Lease, LostLock> },
    Reply { token: FencingToken, answer: Result<(), LockViolation> },
    Release { token: FencingToken },
    Break { token: FencingToken },
}

/// Returns the default durations. The limit of locks per user is out of scope and practically off.
pub fn policy() -> LockPolicy {
    LockPolicy { per_user: 1_000, ..LockPolicy::default() }
}

impl Tally {
    /// Returns the sum of both, with the first violation.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cycles: self.cycles + other.cycles,
            granted: self.granted + other.granted,
            denied: self.denied + other.denied,
            taken_over: self.taken_over + other.taken_over,
            replies: self.replies + other.replies,
            paused: self.paused + other.paused,
            stale: self.stale + other.stale,
            violation: self.violation.or(other.violation),
        }
    }
}

/// Returns the scenario of a seed. Clock errors range from half of the allowed skew to 300 s, and there are
/// 1, 8 or 64 conversations.
pub fn scenario(seed: u64, contenders: usize, cycles: u32) -> Scenario {
    let bound = i64::try_from(policy().skew.as_millis()).unwrap();
    let skews = [bound / 2, 0, 2 * SECOND, 30 * SECOND, 300 * SECOND];
    let place = usize::try_from(seed % 60).unwrap();
    let skew = skews[place % skews.len()];
    let conversations = [1, 8, 64][place / skews.len() % 3];
    Scenario { seed, contenders, cycles, conversations, skew, without: None }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let skew = Duration::from_millis(self.skew.unsigned_abs());
        let Self { seed, contenders, cycles, conversations, .. } = self;
        write!(
            f,
            "SEED={seed}: {contenders} x {cycles} cycles, {conversations} conversations, clocks off by {skew:?}"
        )
    }
}
