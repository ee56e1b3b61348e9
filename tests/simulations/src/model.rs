//! The lock as a model that is checked in every interleaving: acquire, renew, reply, release, break, and what has ended
//! tidied away, by a few users within a few ticks.
//!
//! A request is any reading that a clock has shown by now, within the skew, and any token that was ever given out; it is
//! applied at any instant, and any number of times. So a paused holder, a request that is late, that an SDK repeats, whose
//! answer was lost, or whose token was guessed needs no action of its own: each of them is such a request.
//!
//! Next to the row stands what the checker knows by itself: whose lock it is, until when, and which reply was taken last.
//! The properties are about that, not about the row.

use std::time::Duration;

use shared_domain::{
    ids::UserId,
    lock::{FencingToken, Lease, LockPolicy, LockState},
    time::Timestamp,
    user::UserRef,
};
use stateright::{Model, Property};

use crate::conditions::{Conditions, Term};

/// A tick is a millisecond here: the rule counts in milliseconds, and knows no others.
const TICK: Duration = Duration::from_millis(1);
const LEASE: i64 = 2;
const IDLE: i64 = 3;
const SKEW: i64 = 2;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Two users' replies were taken under one token.
    TwoReplied,
    /// A reply was taken that does not show the current lock of its user.
    ReplyWithoutLock,
    /// A reply was taken after the end of the lock.
    ReplyAfterEnd,
    /// A token was given out that is not above all before.
    TokenDidNotRise,
    /// A lock was renewed that is not the current one of its user.
    RenewedWithoutLock,
    /// A lock was renewed after its end.
    RenewedAfterEnd,
    /// A lock was taken while a clock within the skew still shows its holder that it is theirs.
    TakenTooEarly,
    /// A lock was refused that nobody, or the user, holds, or that ended for longer than the skew.
    RefusedForNothing,
    /// A lock was given back or broken by somebody who did not name it.
    FreedByMistake,
}

/// A lease, small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    user: u8,
    token: u64,
    lease_end: i64,
    idle_end: i64,
}

impl Held {
    fn end(self) -> i64 {
        self.lease_end.min(self.idle_end)
    }
}

/// The row and what the checker knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// True time, in ticks.
    now: i64,
    fence: u64,
    row: Option<Held>,
    /// Whose lock it is.
    grant: Option<Held>,
    /// The highest token given out.
    highest: u64,
    /// Token and user of the reply that was taken last.
    replied: Option<(u64, u8)>,
    fault: Option<Fault>,
}

/// What may happen next. `at` is what the clock of the request's host showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Time passes.
    Tick,
    /// Somebody opens the conversation.
    Acquire {
        /// Who.
        user: u8,
        /// When, by that clock.
        at: i64,
    },
    /// A front end says that it is still there.
    Renew {
        /// Who.
        user: u8,
        /// When, by that clock.
        at: i64,
        /// What it shows.
        token: u64,
        /// Whether somebody did anything.
        active: bool,
    },
    /// A reply.
    Reply {
        /// Who.
        user: u8,
        /// When, by that clock.
        at: i64,
        /// What it shows.
        token: u64,
    },
    /// Somebody leaves.
    Release {
        /// Who.
        user: u8,
        /// What they show.
        token: u64,
    },
    /// An admin breaks the lock they saw.
    Break {
        /// Which.
        token: u64,
    },
    /// What has ended is removed.
    Tidy,
}

/// The lock, with bounds.
#[derive(Debug, Clone)]
pub struct Lock {
    /// How many want it, at most 3.
    pub users: u8,
    /// How long it goes on.
    pub ticks: i64,
    /// How many acquisitions.
    pub acquisitions: u64,
    conditions: Conditions,
}

impl Lock {
    /// With these bounds; `without` leaves a term out.
    pub fn new(users: u8, ticks: i64, acquisitions: u64, without: Option<Term>) -> Self {
        let ticks_of = |count: i64| TICK * u32::try_from(count).unwrap();
        let policy = LockPolicy {
            lease: ticks_of(LEASE),
            renew_after: TICK,
            idle_prompt: ticks_of(IDLE - 1),
            idle_release: TICK,
            skew: ticks_of(SKEW),
            per_user: 1_000, // the cap is not what is modeled
        };
        Self { users, ticks, acquisitions, conditions: Conditions { policy, without } }
    }

    /// Clocks show what is true or up to the skew more; a request may be as old as the world.
    fn readings(world: &World) -> impl Iterator<Item = i64> + use<> {
        0..=world.now + SKEW
    }

    fn apply(&self, world: &World, deed: Deed) -> World {
        let mut next = world.clone();
        let mut row = state(world);
        match deed {
            Deed::Tick => next.now += 1,
            Deed::Acquire { user, at } => {
                let granted = self.conditions.acquire(&mut row, &person(user), instant(at)).ok();
                next.judge_acquire(user, at, granted.map(|lease| lease.token.get()));
            }
            Deed::Renew { user, at, token, active } => {
                let shown = FencingToken::new(token);
                let renewed =
                    self.conditions.renew(&mut row, &person(user).id, shown, active, instant(at)).is_ok();
                next.judge_renewal(user, at, token, active, renewed);
            }
            Deed::Reply { user, at, token } => {
                let shown = FencingToken::new(token);
                if self.conditions.reply(&row, &person(user).id, shown, instant(at)).is_ok() {
                    next.judge_reply(user, at, token);
                }
            }
            Deed::Release { user, token } => {
                if self.conditions.release(&mut row, &person(user).id, FencingToken::new(token)) {
                    next.judge_end(|grant| (grant.user, grant.token) == (user, token));
                }
            }
            Deed::Break { token } => {
                if self.conditions.break_lock(&mut row, &person(9), FencingToken::new(token)) {
                    next.judge_end(|grant| grant.token == token);
                }
            }
            Deed::Tidy => {
                self.conditions.tidy(&mut row);
                next.grant = None;
            }
        }
        next.fence = row.fence.get();
        next.row = row.lease.as_ref().map(held);
        next
    }
}

impl World {
    fn wrong(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn judge_acquire(&mut self, user: u8, at: i64, token: Option<u64>) {
        let colleague = self.grant.filter(|grant| grant.user != user);
        let Some(token) = token else {
            if colleague.is_none_or(|grant| grant.end() < at - SKEW) {
                self.wrong(Fault::RefusedForNothing);
            }
            return;
        };
        if colleague.is_some_and(|grant| grant.end() > self.now) {
            self.wrong(Fault::TakenTooEarly);
        }
        if token <= self.highest {
            self.wrong(Fault::TokenDidNotRise);
        }
        self.highest = self.highest.max(token);
        self.grant = Some(Held { user, token, lease_end: at + LEASE, idle_end: at + IDLE });
    }

    fn judge_renewal(&mut self, user: u8, at: i64, token: u64, active: bool, renewed: bool) {
        let Some(grant) = self.grant.filter(|_| renewed) else {
            if renewed {
                self.wrong(Fault::RenewedWithoutLock);
            }
            return;
        };
        if (grant.user, grant.token) != (user, token) {
            self.wrong(Fault::RenewedWithoutLock);
        }
        if at >= grant.end() {
            self.wrong(Fault::RenewedAfterEnd);
        }
        let idle_end = if active { at + IDLE } else { grant.idle_end };
        self.grant = Some(Held { lease_end: at + LEASE, idle_end, ..grant });
    }

    fn judge_reply(&mut self, user: u8, at: i64, token: u64) {
        if self.replied.is_some_and(|(under, by)| under == token && by != user) {
            self.wrong(Fault::TwoReplied);
        }
        match self.grant {
            Some(grant) if (grant.user, grant.token) == (user, token) => {
                if at >= grant.end() {
                    self.wrong(Fault::ReplyAfterEnd);
                }
            }
            _ => self.wrong(Fault::ReplyWithoutLock),
        }
        self.replied = Some((token, user));
    }

    fn judge_end(&mut self, named: impl Fn(Held) -> bool) {
        if !self.grant.is_some_and(named) {
            self.wrong(Fault::FreedByMistake);
        }
        self.grant = None;
    }
}

impl Model for Lock {
    type State = World;
    type Action = Deed;

    fn init_states(&self) -> Vec<World> {
        vec![World { now: 0, fence: 0, row: None, grant: None, highest: 0, replied: None, fault: None }]
    }

    fn actions(&self, world: &World, deeds: &mut Vec<Deed>) {
        if world.fault.is_some() {
            return;
        }
        deeds.push(Deed::Tick);
        if world.grant.is_some_and(|grant| grant.end() <= world.now) {
            deeds.push(Deed::Tidy);
        }
        deeds.extend((1..=world.highest).map(|token| Deed::Break { token }));
        for user in 0..self.users {
            deeds.extend(Self::readings(world).map(|at| Deed::Acquire { user, at }));
            for token in 1..=world.highest {
                deeds.push(Deed::Release { user, token });
                for at in Self::readings(world) {
                    deeds.push(Deed::Reply { user, at, token });
                    deeds.extend([true, false].map(|active| Deed::Renew { user, at, token, active }));
                }
            }
        }
    }

    fn next_state(&self, world: &World, deed: Deed) -> Option<World> {
        let next = self.apply(world, deed);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn never(name: &'static str, holds: fn(&Lock, &World) -> bool) -> Property<Lock> {
            Property::always(name, holds)
        }
        vec![
            never("TwoReplied", |_, world| world.fault != Some(Fault::TwoReplied)),
            never("ReplyWithoutLock", |_, world| world.fault != Some(Fault::ReplyWithoutLock)),
            never("ReplyAfterEnd", |_, world| world.fault != Some(Fault::ReplyAfterEnd)),
            never("TokenDidNotRise", |_, world| world.fault != Some(Fault::TokenDidNotRise)),
            never("RenewedWithoutLock", |_, world| world.fault != Some(Fault::RenewedWithoutLock)),
            never("RenewedAfterEnd", |_, world| world.fault != Some(Fault::RenewedAfterEnd)),
            never("TakenTooEarly", |_, world| world.fault != Some(Fault::TakenTooEarly)),
            never("RefusedForNothing", |_, world| world.fault != Some(Fault::RefusedForNothing)),
            never("FreedByMistake", |_, world| world.fault != Some(Fault::FreedByMistake)),
            // What the row says and what the checker knows are the same, or the checker looks at something else.
            never("the row is what the checker knows", |_, world| {
                world.fault.is_some() || (world.row == world.grant && world.fence == world.highest)
            }),
            // That the model goes where it should, so that nothing above holds for want of trying.
            Property::sometimes("a later holder replies", |lock: &Self, world: &World| {
                world.replied.is_some_and(|(token, _)| token == lock.acquisitions)
            }),
            Property::sometimes("a renewed lock lives on", |_, world: &World| {
                world.grant.is_some_and(|grant| {
                    grant.token == 1 && world.now > LEASE + SKEW && grant.end() > world.now
                })
            }),
            Property::sometimes("idleness ends a lock whose lease goes on", |_, world: &World| {
                world.grant.is_some_and(|grant| grant.idle_end <= world.now && world.now < grant.lease_end)
            }),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.now <= self.ticks && world.highest <= self.acquisitions
    }
}

fn instant(ticks: i64) -> Timestamp {
    Timestamp::from_millis(ticks)
}

fn person(user: u8) -> UserRef {
    UserRef {
        id: UserId::parse(["ada", "ben", "cleo"].get(usize::from(user)).unwrap_or(&"eve")).unwrap(),
        name: String::new(),
    }
}

fn user(person: &UserRef) -> u8 {
    match person.id.as_str() {
        "ada" => 0,
        "ben" => 1,
        _ => 2,
    }
}

fn held(lease: &Lease) -> Held {
    Held {
        user: user(&lease.holder),
        token: lease.token.get(),
        lease_end: lease.expires_at.millis(),
        idle_end: lease.idle_release_at.millis(),
    }
}

/// The row as the rule knows it.
fn state(world: &World) -> LockState {
    let lease = world.row.map(|held| Lease {
        holder: person(held.user),
        token: FencingToken::new(held.token),
        expires_at: instant(held.lease_end),
        idle_release_at: instant(held.idle_end),
    });
    LockState { fence: FencingToken::new(world.fence), lease, broken: None }
}
