//! Many users compete for a few conversations in virtual time. Clocks are wrong and jump. Requests are
//! late, are sent twice, or lose their answer. Holders pause between reading the clock and writing.
//!
//! A contender acquires the lock, reads a counter, works for some time, and increments the counter with
//! each reply. The simulation tracks whose lock it is by itself, so it detects a reply under another lock,
//! a token that does not increase, and a counter that another user has changed, whatever the item contains.
//! All randomness comes from the seed.

mod scenario;

use std::{cmp::Reverse, collections::BinaryHeap};

use shared_domain::{
    ids::UserId,
    lock::{Denied, FencingToken, Lease, LockState, LockViolation},
    time::Timestamp,
    user::UserRef,
};

pub use scenario::{Operation, Request, Scenario, Tally, policy, scenario};

use crate::conditions::Conditions;

const START: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;

/// Runs a scenario to its end or to its first violation. Passes every request to `watch`.
pub fn run(scenario: Scenario, mut watch: impl FnMut(Request)) -> Tally {
    let mut run = Run::new(scenario);
    while let Some(Reverse(event)) = run.events.pop() {
        run.now = event.at;
        run.step(event, &mut watch);
        if run.tally.violation.is_some() {
            break;
        }
    }
    run.tally
}

/// What a contender does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    StartCycle,
    Acquire,
    Think,
    Renew { token: u64, active: bool },
    Reply { token: u64, counter_after: u64 },
    Release { token: u64 },
    Break { token: u64 },
}

/// An action at a true time. `read` is the time on the contender's clock when it made the request. A
/// duplicate is a request that the SDK sent again; its answer is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: i64,
    order: u64,
    who: usize,
    conversation: usize,
    read: i64,
    action: Action,
    duplicate: bool,
}

/// A client.
#[derive(Debug)]
struct Contender {
    user: UserRef,
    clock: i64,
    cycles: u32,
    token: u64,
    /// The counter as this contender last read or wrote it.
    counter: u64,
    left: u32,
    /// Keeps the lock without activity and replies at the end.
    idle: bool,
}

/// A conversation, and what the simulation tracks about it.
#[derive(Debug, Default)]
struct Conversation {
    item: LockState,
    counter: u64,
    /// The current lock.
    grant: Option<Grant>,
    highest: u64,
    replied: Option<(u64, UserId)>,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    who: usize,
    token: u64,
    end: i64,
}

struct Run {
    scenario: Scenario,
    conditions: Conditions,
    entropy: fastrand::Rng,
    contenders: Vec<Contender>,
    conversations: Vec<Conversation>,
    events: BinaryHeap<Reverse<Event>>,
    order: u64,
    now: i64,
    tally: Tally,
}

impl Run {
    fn new(scenario: Scenario) -> Self {
        let mut entropy = fastrand::Rng::with_seed(scenario.seed);
        let users = (scenario.contenders * 7).div_ceil(8);
        let contender = |place: usize, entropy: &mut fastrand::Rng| Contender {
            user: UserRef {
                id: UserId::parse(&format!("user-{}", place % users)).unwrap(),
                name: "U".into(),
            },
            clock: entropy.i64(-scenario.skew..=scenario.skew),
            cycles: scenario.cycles,
            token: 0,
            counter: 0,
            left: 0,
            idle: false,
        };
        let contenders = (0..scenario.contenders).map(|place| contender(place, &mut entropy)).collect();
        let mut run = Self {
            scenario,
            conditions: Conditions { policy: policy(), without: scenario.without },
            contenders,
            conversations: std::iter::repeat_with(Conversation::default)
                .take(scenario.conversations)
                .collect(),
            events: BinaryHeap::new(),
            order: 0,
            now: START,
            tally: Tally::default(),
            entropy,
        };
        for who in 0..scenario.contenders {
            let later = run.entropy.i64(0..10 * SECOND);
            run.schedule(later, who, 0, Action::StartCycle);
        }
        run
    }

    fn report(&mut self, violation: String) {
        let (seed, now) = (self.scenario.seed, self.now - START);
        self.tally.violation.get_or_insert(format!("{violation}, {now} ms after the start; SEED={seed}"));
    }

    fn clock(&self, who: usize) -> i64 {
        self.now + self.contenders[who].clock
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.entropy.u32(0..100) < percent
    }

    /// Schedules an action after `delay` milliseconds. The contender reads its clock now.
    fn schedule(&mut self, delay: i64, who: usize, conversation: usize, action: Action) {
        self.order += 1;
        let (at, read, order) = (self.now + delay, self.clock(who), self.order);
        self.events.push(Reverse(Event { at, order, who, conversation, read, action, duplicate: false }));
    }

    /// Sends a request: usually soon, sometimes late, sometimes twice.
    fn send(&mut self, who: usize, conversation: usize, action: Action) {
        let late = self.happens(3);
        let delay = self.entropy.i64(if late { 0..5 * SECOND } else { 1..80 });
        self.schedule(delay, who, conversation, action);
        if self.happens(1) {
            let again = delay + self.entropy.i64(0..30 * SECOND);
            self.duplicate(again, who, conversation, action);
        }
    }

    /// Sends a request whose answer is ignored.
    fn duplicate(&mut self, delay: i64, who: usize, conversation: usize, action: Action) {
        self.order += 1;
        let (at, read, order) = (self.now + delay, self.clock(who), self.order);
        self.events.push(Reverse(Event { at, order, who, conversation, read, action, duplicate: true }));
    }

    fn step(&mut self, event: Event, watch: &mut impl FnMut(Request)) {
        let Event { who, conversation, read, action, duplicate, .. } = event;
        let (user, at) = (self.contenders[who].user.clone(), Timestamp::from_millis(read));
        let request = |operation| Request { conversation, at, user: user.clone(), operation };
        match action {
            Action::StartCycle => self.start_cycle(who),
            Action::Think => self.handle_think(who, conversation),
            Action::Acquire => {
                let item = &mut self.conversations[conversation].item;
                let answer = self.conditions.acquire(item, &user, at);
                watch(request(Operation::Acquire(answer.clone())));
                self.handle_acquired(event, answer);
            }
            Action::Renew { token, active } => {
                let token = FencingToken::new(token);
                let item = &mut self.conversations[conversation].item;
                let answer = self.conditions.renew(item, &user.id, token, active, at);
                watch(request(Operation::Renew { token, active, answer: answer.clone() }));
                if let Ok(lease) = &answer {
                    self.handle_renewed(event, lease);
                }
                if !duplicate {
                    let lost = answer.is_err();
                    self.continue_cycle(who, conversation, lost);
                }
            }
            Action::Reply { counter_after, .. }
                if duplicate && self.conversations[conversation].counter >= counter_after =>
            {
                // The message is stored already: the table refuses the duplicate by its message id.
            }
            Action::Reply { token, counter_after } => {
                let shown = FencingToken::new(token);
                let item = &self.conversations[conversation].item;
                let answer = self.conditions.reply(item, &user.id, shown, at);
                watch(request(Operation::Reply { token: shown, answer: answer.clone() }));
                let taken = answer.is_ok();
                self.replied(event, token, counter_after, answer);
                if !duplicate {
                    self.contenders[who].counter = counter_after;
                    self.continue_cycle(who, conversation, !taken);
                }
            }
            Action::Release { token } => {
                let shown = FencingToken::new(token);
                let item = &mut self.conversations[conversation].item;
                let released = self.conditions.release(item, &user.id, shown);
                watch(request(Operation::Release { token: shown }));
                if released {
                    self.end_lock(conversation, token, Some(&user.id));
                }
                if !duplicate {
                    self.end_cycle(who);
                }
            }
            Action::Break { token } => {
                let shown = FencingToken::new(token);
                let item = &mut self.conversations[conversation].item;
                let broken = self.conditions.break_lock(item, &user, shown);
                watch(request(Operation::Break { token: shown }));
                if broken {
                    self.end_lock(conversation, token, None);
                }
            }
        }
    }

    fn start_cycle(&mut self, who: usize) {
        if self.contenders[who].cycles == 0 {
            return;
        }
        self.contenders[who].cycles -= 1;
        self.tally.cycles += 1;
        if self.happens(2) {
            // The request goes to another host, or the clock was adjusted.
            self.contenders[who].clock = self.entropy.i64(-self.scenario.skew..=self.scenario.skew);
        }
        let conversation = self.entropy.usize(0..self.conversations.len());
        self.send(who, conversation, Action::Acquire);
    }

    /// Ends this cycle and schedules the next.
    fn end_cycle(&mut self, who: usize) {
        let rest = self.entropy.i64(0..40 * SECOND);
        self.schedule(rest, who, 0, Action::StartCycle);
    }

    fn handle_acquired(&mut self, event: Event, answer: Result<Lease, Denied>) {
        let Event { who, conversation, duplicate, .. } = event;
        let Ok(lease) = answer else {
            self.handle_denied(event);
            return;
        };
        self.tally.granted += 1;
        let (token, end) = (lease.token.get(), lease.ends_at().millis());
        let state = &self.conversations[conversation];
        let before = state.grant;
        if token <= state.highest {
            self.report(format!("token {token} after {}", state.highest));
        }
        if let Some(before) = before
            && self.contenders[before.who].user.id != lease.holder.id
        {
            self.tally.taken_over += 1;
            let bounded = u128::try_from(2 * self.scenario.skew).unwrap() <= policy().skew.as_millis();
            if bounded && self.clock(before.who) < before.end {
                self.report(format!(
                    "token {token} was granted while token {} is live on another clock",
                    before.token
                ));
            }
        }
        let state = &mut self.conversations[conversation];
        state.highest = state.highest.max(token);
        state.grant = Some(Grant { who, token, end });
        let counter = state.counter;
        if duplicate {
            return;
        }
        if self.happens(2) {
            self.end_cycle(who); // the answer was lost and the user left
            return;
        }
        let idle = self.happens(3);
        let left = self.entropy.u32(if idle { 10..30 } else { 0..4 });
        let contender = &mut self.contenders[who];
        (contender.token, contender.counter, contender.left, contender.idle) = (token, counter, left, idle);
        if self.happens(1) {
            let (admin, delay) =
                (self.entropy.usize(0..self.contenders.len()), self.entropy.i64(0..60 * SECOND));
            self.schedule(delay, admin, conversation, Action::Break { token });
        }
        self.continue_cycle(who, conversation, false);
    }

    fn handle_denied(&mut self, event: Event) {
        let Event { who, conversation, read, duplicate, .. } = event;
        self.tally.denied += 1;
        let state = &self.conversations[conversation];
        let skew = i64::try_from(policy().skew.as_millis()).unwrap();
        let user = &self.contenders[who].user.id;
        let rightly = state
            .grant
            .is_some_and(|grant| self.contenders[grant.who].user.id != *user && grant.end >= read - skew);
        let (token, counter_after) = (state.highest, state.counter + 1);
        if !rightly {
            self.report("a free lock was refused".into());
        }
        if self.happens(1) {
            // Tokens are numbers and can be guessed.
            let action = match self.entropy.u32(0..3) {
                0 => Action::Renew { token, active: true },
                1 => Action::Reply { token, counter_after },
                _ => Action::Release { token },
            };
            self.duplicate(1, who, conversation, action);
        }
        if !duplicate {
            self.end_cycle(who);
        }
    }

    fn handle_renewed(&mut self, event: Event, lease: &Lease) {
        let conversation = event.conversation;
        let end = lease.ends_at().millis();
        let user = &self.contenders[event.who].user.id;
        let Action::Renew { token, .. } = event.action else { return };
        let contenders = &self.contenders;
        match &mut self.conversations[conversation].grant {
            Some(grant) if grant.token == token && contenders[grant.who].user.id == *user => {
                let late = event.read >= grant.end;
                grant.end = end;
                if late {
                    self.report(format!("token {token} was renewed after its end"));
                }
            }
            _ => self.report(format!("token {token} was renewed and is not the current lock")),
        }
    }

    fn replied(&mut self, event: Event, token: u64, counter_after: u64, answer: Result<(), LockViolation>) {
        let Event { who, conversation, read, .. } = event;
        let user = self.contenders[who].user.id.clone();
        let state = &self.conversations[conversation];
        let grant = state.grant;
        let mine = grant.filter(|grant| grant.token == token && self.contenders[grant.who].user.id == user);
        if mine.is_none() {
            self.tally.stale += 1;
        }
        match answer {
            Ok(()) => {
                self.tally.replies += 1;
                let other = state.replied.as_ref().is_some_and(|(under, by)| *under == token && *by != user);
                if other {
                    self.report(format!("two users replied under token {token}"));
                } else if mine.is_none_or(|grant| read >= grant.end) {
                    self.report(format!(
                        "a reply was accepted under token {token}, which is not the current lock"
                    ));
                } else if self.conversations[conversation].counter + 1 != counter_after {
                    self.report(format!(
                        "a reply under token {token} was accepted over that of another user"
                    ));
                }
                let state = &mut self.conversations[conversation];
                state.counter = counter_after;
                state.replied = Some((token, user));
            }
            Err(refused) => {
                if mine.is_some_and(|grant| read < grant.end) {
                    self.report(format!(
                        "a reply was refused under token {token}, which is the current lock"
                    ));
                }
                let holder =
                    grant.filter(|grant| self.contenders[grant.who].user.id != user && read < grant.end);
                let holder = holder.map(|grant| &self.contenders[grant.who].user);
                let named = match &refused {
                    LockViolation::LockLost(lost) => lost.now_held_by.as_ref().map(|denied| &denied.holder),
                    LockViolation::HeldByOther(denied) => Some(&denied.holder),
                    LockViolation::TokenRequired => None,
                };
                if holder != named {
                    self.report(format!("a refusal of token {token} names another holder"));
                }
            }
        }
    }

    /// Records that a request with this token released or broke the lock.
    fn end_lock(&mut self, conversation: usize, token: u64, by: Option<&UserId>) {
        let grant = self.conversations[conversation].grant.take();
        let named = grant.is_some_and(|grant| {
            grant.token == token && by.is_none_or(|by| self.contenders[grant.who].user.id == *by)
        });
        if !named {
            self.report(format!("token {token} ended another lock"));
        }
    }

    /// Schedules the next action of the cycle, or its end.
    fn continue_cycle(&mut self, who: usize, conversation: usize, lost: bool) {
        if lost {
            self.end_cycle(who);
            return;
        }
        let contender = &mut self.contenders[who];
        if contender.left == 0 {
            let token = contender.token;
            if self.happens(75) {
                self.send(who, conversation, Action::Release { token });
            } else {
                self.end_cycle(who); // abandoned
            }
            return;
        }
        contender.left -= 1;
        let thinking = self.entropy.i64(SECOND..25 * SECOND);
        self.schedule(thinking, who, conversation, Action::Think);
    }

    fn handle_think(&mut self, who: usize, conversation: usize) {
        let Contender { token, counter, left, idle, .. } = self.contenders[who];
        if if idle { left > 0 } else { self.happens(40) } {
            let active = !idle && self.happens(70);
            self.send(who, conversation, Action::Renew { token, active });
            return;
        }
        let reply = Action::Reply { token, counter_after: counter + 1 };
        if self.happens(4) {
            // A pause of one to five leases between reading the clock and writing.
            self.tally.paused += 1;
            let lease = i64::try_from(policy().lease.as_millis()).unwrap();
            let pause = self.entropy.i64(lease..5 * lease);
            self.schedule(pause, who, conversation, reply);
        } else {
            self.send(who, conversation, reply);
        }
    }
}
