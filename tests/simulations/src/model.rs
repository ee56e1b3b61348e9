//! A model of the lock that is checked in every interleaving: acquire, renew, reply, release, break and the
//! deletion of an expired lock, by a few users within a few ticks.
//!
//! A request carries any time that a clock may have shown so far, within the skew, and any token ever
//! issued. It can be applied at any moment and any number of times. Therefore a paused holder, a late
//! request, a retry of the SDK, a lost answer and a guessed token need no actions of their own.
//!
//! Besides the item, the checker tracks whose lock it is, until when, and which reply was accepted last.
//! The properties are about these facts and not about the item.

use std::time::Duration;

use shared_domain::{
    ids::UserId,
    lock::{FencingToken, Lease, LockPolicy, LockState},
    time::Timestamp,
    user::UserRef,
};
use stateright::{Model, Property};

use crate::conditions::{Conditions, Term};

/// One tick is a millisecond, the unit of the rule.
const TICK: Duration = Duration::from_millis(1);
const LEASE: i64 = 2;
const IDLE: i64 = 3;
const SKEW: i64 = 2;

/// A violation of a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// Replies of two users were accepted under one token.
    TwoUsersReplied,
    /// A reply was accepted without the current lock of its user.
    ReplyWithoutLock,
    /// A reply was accepted after the end of the lock.
    ReplyAfterEnd,
    /// A token was issued that is not greater than all earlier ones.
    TokenNotIncreased,
    /// A lock was renewed that is not the current lock of its user.
    RenewedWithoutLock,
    /// A lock was renewed after its end.
    RenewedAfterEnd,
    /// A lock was acquired while its holder, whose clock is within the skew, may still use it.
    AcquiredTooEarly,
    /// A lock was refused that was free, held by the same user, or expired for longer than the skew.
    RefusedWithoutReason,
    /// A lock was released or broken by a request that named another one.
    WrongLockEnded,
}

/// A lease in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeldLock {
    user: u8,
    token: u64,
    lease_end: i64,
    idle_end: i64,
}

impl HeldLock {
    fn end(self) -> i64 {
        self.lease_end.min(self.idle_end)
    }
}

/// The item, and what the checker tracks by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelState {
    /// The true time in ticks.
    now: i64,
    fence: u64,
    item: Option<HeldLock>,
    /// The current lock.
    grant: Option<HeldLock>,
    /// The highest token issued.
    highest: u64,
    /// Token and user of the last accepted reply.
    replied: Option<(u64, u8)>,
    violation: Option<Violation>,
}

/// A step of the model. `at` is the time that the clock of the requesting host showed.
#[expect(missing_docs, reason = "the names of the fields say it all")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// One tick passes.
    Tick,
    Acquire {
        user: u8,
        at: i64,
    },
    Renew {
        user: u8,
        at: i64,
        token: u64,
        active: bool,
    },
    Reply {
        user: u8,
        at: i64,
        token: u64,
    },
    Release {
        user: u8,
        token: u64,
    },
    /// An admin breaks the lock with this token.
    Break {
        token: u64,
    },
    /// An expired lock is deleted.
    DeleteExpired,
}

/// The model with its bounds.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The number of users, at most 3.
    pub users: u8,
    /// The number of ticks.
    pub ticks: i64,
    /// The number of acquisitions.
    pub acquisitions: u64,
    conditions: Conditions,
}

impl Lock {
    /// Returns a model with these bounds. `without` is left out of the conditions.
    pub fn new(users: u8, ticks: i64, acquisitions: u64, without: Option<Term>) -> Self {
        let ticks_of = |count: i64| TICK * u32::try_from(count).unwrap();
        let policy = LockPolicy {
            lease: ticks_of(LEASE),
            renew_after: TICK,
            idle_prompt: ticks_of(IDLE - 1),
            idle_release: TICK,
            skew: ticks_of(SKEW),
            per_user: 1_000, // the limit per user is not modeled
        };
        Self { users, ticks, acquisitions, conditions: Conditions { policy, without } }
    }

    /// The times that a request may carry: clocks are fast by up to the skew, and a request can be
    /// arbitrarily old.
    fn possible_times(state: &ModelState) -> impl Iterator<Item = i64> + use<> {
        0..=state.now + SKEW
    }

    fn apply(&self, state: &ModelState, action: Action) -> ModelState {
        let mut next = state.clone();
        let mut item = lock_state(state);
        match action {
            Action::Tick => next.now += 1,
            Action::Acquire { user, at } => {
                let granted = self.conditions.acquire(&mut item, &user_ref(user), timestamp(at)).ok();
                next.check_acquire(user, at, granted.map(|lease| lease.token.get()));
            }
            Action::Renew { user, at, token, active } => {
                let shown = FencingToken::new(token);
                let renewed = self
                    .conditions
                    .renew(&mut item, &user_ref(user).id, shown, active, timestamp(at))
                    .is_ok();
                next.check_renewal(user, at, token, active, renewed);
            }
            Action::Reply { user, at, token } => {
                let shown = FencingToken::new(token);
                if self.conditions.reply(&item, &user_ref(user).id, shown, timestamp(at)).is_ok() {
                    next.check_reply(user, at, token);
                }
            }
            Action::Release { user, token } => {
                if self.conditions.release(&mut item, &user_ref(user).id, FencingToken::new(token)) {
                    next.check_end(|grant| (grant.user, grant.token) == (user, token));
                }
            }
            Action::Break { token } => {
                if self.conditions.break_lock(&mut item, &user_ref(9), FencingToken::new(token)) {
                    next.check_end(|grant| grant.token == token);
                }
            }
            Action::DeleteExpired => {
                self.conditions.delete_expired(&mut item);
                next.grant = None;
            }
        }
        next.fence = item.fence.get();
        next.item = item.lease.as_ref().map(held_lock);
        next
    }
}

impl ModelState {
    fn report(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    fn check_acquire(&mut self, user: u8, at: i64, token: Option<u64>) {
        let other = self.grant.filter(|grant| grant.user != user);
        let Some(token) = token else {
            if other.is_none_or(|grant| grant.end() < at - SKEW) {
                self.report(Violation::RefusedWithoutReason);
            }
            return;
        };
        if other.is_some_and(|grant| grant.end() > self.now) {
            self.report(Violation::AcquiredTooEarly);
        }
        if token <= self.highest {
            self.report(Violation::TokenNotIncreased);
        }
        self.highest = self.highest.max(token);
        self.grant = Some(HeldLock { user, token, lease_end: at + LEASE, idle_end: at + IDLE });
    }

    fn check_renewal(&mut self, user: u8, at: i64, token: u64, active: bool, renewed: bool) {
        let Some(grant) = self.grant.filter(|_| renewed) else {
            if renewed {
                self.report(Violation::RenewedWithoutLock);
            }
            return;
        };
        if (grant.user, grant.token) != (user, token) {
            self.report(Violation::RenewedWithoutLock);
        }
        if at >= grant.end() {
            self.report(Violation::RenewedAfterEnd);
        }
        // A renewal that arrives after a later one shortens nothing.
        let lease_end = grant.lease_end.max(at + LEASE);
        let idle_end = if active { grant.idle_end.max(at + IDLE) } else { grant.idle_end };
        self.grant = Some(HeldLock { lease_end, idle_end, ..grant });
    }

    fn check_reply(&mut self, user: u8, at: i64, token: u64) {
        if self.replied.is_some_and(|(under, by)| under == token && by != user) {
            self.report(Violation::TwoUsersReplied);
        }
        match self.grant {
            Some(grant) if (grant.user, grant.token) == (user, token) => {
                if at >= grant.end() {
                    self.report(Violation::ReplyAfterEnd);
                }
            }
            _ => self.report(Violation::ReplyWithoutLock),
        }
        self.replied = Some((token, user));
    }

    fn check_end(&mut self, named: impl Fn(HeldLock) -> bool) {
        if !self.grant.is_some_and(named) {
            self.report(Violation::WrongLockEnded);
        }
        self.grant = None;
    }
}

impl Model for Lock {
    type State = ModelState;
    type Action = Action;

    fn init_states(&self) -> Vec<ModelState> {
        vec![ModelState {
            now: 0,
            fence: 0,
            item: None,
            grant: None,
            highest: 0,
            replied: None,
            violation: None,
        }]
    }

    fn actions(&self, state: &ModelState, actions: &mut Vec<Action>) {
        if state.violation.is_some() {
            return;
        }
        actions.push(Action::Tick);
        if state.grant.is_some_and(|grant| grant.end() <= state.now) {
            actions.push(Action::DeleteExpired);
        }
        actions.extend((1..=state.highest).map(|token| Action::Break { token }));
        for user in 0..self.users {
            actions.extend(Self::possible_times(state).map(|at| Action::Acquire { user, at }));
            for token in 1..=state.highest {
                actions.push(Action::Release { user, token });
                for at in Self::possible_times(state) {
                    actions.push(Action::Reply { user, at, token });
                    actions.extend([true, false].map(|active| Action::Renew { user, at, token, active }));
                }
            }
        }
    }

    fn next_state(&self, state: &ModelState, action: Action) -> Option<ModelState> {
        let next = self.apply(state, action);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn never(name: &'static str, holds: fn(&Lock, &ModelState) -> bool) -> Property<Lock> {
            Property::always(name, holds)
        }
        vec![
            never("TwoUsersReplied", |_, state| state.violation != Some(Violation::TwoUsersReplied)),
            never("ReplyWithoutLock", |_, state| state.violation != Some(Violation::ReplyWithoutLock)),
            never("ReplyAfterEnd", |_, state| state.violation != Some(Violation::ReplyAfterEnd)),
            never("TokenNotIncreased", |_, state| state.violation != Some(Violation::TokenNotIncreased)),
            never("RenewedWithoutLock", |_, state| state.violation != Some(Violation::RenewedWithoutLock)),
            never("RenewedAfterEnd", |_, state| state.violation != Some(Violation::RenewedAfterEnd)),
            never("AcquiredTooEarly", |_, state| state.violation != Some(Violation::AcquiredTooEarly)),
            never("RefusedWithoutReason", |_, state| {
                state.violation != Some(Violation::RefusedWithoutReason)
            }),
            never("WrongLockEnded", |_, state| state.violation != Some(Violation::WrongLockEnded)),
            // Otherwise the properties above would be about something else than the item.
            never("the item agrees with the checker", |_, state| {
                state.violation.is_some() || (state.item == state.grant && state.fence == state.highest)
            }),
            // The model reaches the interesting states, so the properties above are not vacuous.
            Property::sometimes("a later holder replies", |lock: &Self, state: &ModelState| {
                state.replied.is_some_and(|(token, _)| token == lock.acquisitions)
            }),
            Property::sometimes("a renewed lock outlives its first lease", |_, state: &ModelState| {
                state.grant.is_some_and(|grant| {
                    grant.token == 1 && state.now > LEASE + SKEW && grant.end() > state.now
                })
            }),
            Property::sometimes("an idle release ends a lock before its lease", |_, state: &ModelState| {
                state.grant.is_some_and(|grant| grant.idle_end <= state.now && state.now < grant.lease_end)
            }),
        ]
    }

    fn within_boundary(&self, state: &ModelState) -> bool {
        state.now <= self.ticks && state.highest <= self.acquisitions
    }
}

fn timestamp(ticks: i64) -> Timestamp {
    Timestamp::from_millis(ticks)
}

fn user_ref(user: u8) -> UserRef {
    UserRef {
        id: UserId::parse(["ada", "ben", "cleo"].get(usize::from(user)).unwrap_or(&"eve")).unwrap(),
        name: String::new(),
    }
}

fn user(user_ref: &UserRef) -> u8 {
    match user_ref.id.as_str() {
        "ada" => 0,
        "ben" => 1,
        _ => 2,
    }
}

fn held_lock(lease: &Lease) -> HeldLock {
    HeldLock {
        user: user(&lease.holder),
        token: lease.token.get(),
        lease_end: lease.expires_at.millis(),
        idle_end: lease.idle_release_at.millis(),
    }
}

/// Returns the item as the rule expects it.
fn lock_state(state: &ModelState) -> LockState {
    let lease = state.item.map(|lock| Lease {
        holder: user_ref(lock.user),
        token: FencingToken::new(lock.token),
        expires_at: timestamp(lock.lease_end),
        idle_release_at: timestamp(lock.idle_end),
    });
    LockState { fence: FencingToken::new(state.fence), lease, broken: None }
}
