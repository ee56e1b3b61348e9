//! An office in virtual time: many contenders for a few conversations, with clocks that are wrong and jump, requests that
//! are late, come twice or whose answer is lost, and holders that are paused between looking at the clock and writing.
//!
//! A contender opens a conversation, reads a counter, does what people do, and with each reply writes the counter one
//! higher than it read. The office knows by itself whose lock it is, so a reply under any other, a token that does not
//! rise, and a counter that somebody else has moved are seen whatever the row says. All entropy comes from the seed.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use shared_domain::{
    ids::UserId,
    lock::{Denied, FencingToken, Lease, LockPolicy, LockState, LockViolation, LostLock},
    time::Timestamp,
    user::UserRef,
};

use crate::conditions::{Conditions, Term};

const START: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;

/// How an office is set up.
#[derive(Debug, Clone, Copy)]
pub struct Office {
    /// All entropy comes from it.
    pub seed: u64,
    /// Front ends; four of each thirty-two are the second tab of somebody.
    pub contenders: usize,
    /// How often each of them opens a conversation.
    pub cycles: u32,
    /// Conversations.
    pub conversations: usize,
    /// How far a clock is off, in either direction, in milliseconds.
    pub skew: i64,
    /// Left out of the conditions.
    pub without: Option<Term>,
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Conversations opened or refused.
    pub cycles: u64,
    /// Locks given.
    pub granted: u64,
    /// Locks refused.
    pub denied: u64,
    /// Locks taken over after an end.
    pub taken_over: u64,
    /// Replies taken.
    pub replies: u64,
    /// Holders paused between looking at the clock and writing.
    pub paused: u64,
    /// Replies under a lock that was somebody else's, or another, by then.
    pub stale: u64,
    /// What must never happen, the first of it.
    pub violation: Option<String>,
}

/// A request as the table gets it, with the answer of the rule.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which conversation.
    pub conversation: usize,
    /// What the clock of the host showed.
    pub at: Timestamp,
    /// Who.
    pub user: UserRef,
    /// What, and the answer.
    pub what: What,
}

/// Requests and answers.
#[derive(Debug, Clone)]
pub enum What {
    /// Open to answer.
    Acquire(Result<Lease, Denied>),
    /// Still there.
    Renew {
        /// What is shown.
        token: FencingToken,
        /// Whether anything was done.
        active: bool,
        /// The answer.
        answer: Result<Lease, LostLock>,
    },
    /// A reply.
    Reply {
        /// What is shown.
        token: FencingToken,
        /// The answer.
        answer: Result<(), LockViolation>,
    },
    /// Leave.
    Release {
        /// What is shown.
        token: FencingToken,
    },
    /// An admin takes it away.
    Break {
        /// What the admin saw.
        token: FencingToken,
    },
}

/// The stack's own times. How many locks one may have is not what is tried here.
pub fn policy() -> LockPolicy {
    LockPolicy { per_user: 1_000, ..LockPolicy::default() }
}

/// Runs an office to its end, or to its first violation. Every request goes to `watch`.
pub fn run(office: Office, mut watch: impl FnMut(Step)) -> Tally {
    let mut run = Run::new(office);
    while let Some(Reverse(event)) = run.events.pop() {
        run.now = event.at;
        run.step(event, &mut watch);
        if run.tally.violation.is_some() {
            break;
        }
    }
    run.tally
}

/// What a contender is about to have applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    Begin,
    Acquire,
    Think,
    Renew { token: u64, active: bool },
    Reply { token: u64, wrote: u64 },
    Release { token: u64 },
    Break { token: u64 },
}

/// Something that happens at a true time. `read` is what the clock showed when the request was made. A twin is a request
/// that the SDK sent twice: nobody waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: i64,
    order: u64,
    who: usize,
    conversation: usize,
    read: i64,
    wish: Wish,
    twin: bool,
}

/// A front end.
#[derive(Debug)]
struct Contender {
    user: UserRef,
    clock: i64,
    cycles: u32,
    token: u64,
    /// The counter as it was read, or written, last.
    counter: u64,
    left: u32,
    /// Keeps the lock without doing anything, and replies at last.
    away: bool,
}

/// A conversation, and what the office knows of it.
#[derive(Debug, Default)]
struct Conversation {
    row: LockState,
    counter: u64,
    /// Whose lock it is, by contender and token; and until when.
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
    office: Office,
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
    fn new(office: Office) -> Self {
        let mut entropy = fastrand::Rng::with_seed(office.seed);
        let users = (office.contenders * 7).div_ceil(8);
        let contender = |place: usize, entropy: &mut fastrand::Rng| Contender {
            user: UserRef {
                id: UserId::parse(&format!("user-{}", place % users)).unwrap(),
                name: "U".into(),
            },
            clock: entropy.i64(-office.skew..=office.skew),
            cycles: office.cycles,
            token: 0,
            counter: 0,
            left: 0,
            away: false,
        };
        let contenders = (0..office.contenders).map(|place| contender(place, &mut entropy)).collect();
        let mut run = Self {
            office,
            conditions: Conditions { policy: policy(), without: office.without },
            contenders,
            conversations: std::iter::repeat_with(Conversation::default).take(office.conversations).collect(),
            events: BinaryHeap::new(),
            order: 0,
            now: START,
            tally: Tally::default(),
            entropy,
        };
        for who in 0..office.contenders {
            let later = run.entropy.i64(0..10 * SECOND);
            run.after(later, who, 0, Wish::Begin);
        }
        run
    }

    fn wrong(&mut self, what: String) {
        let (seed, now) = (self.office.seed, self.now - START);
        self.tally.violation.get_or_insert(format!("{what}, {now} ms after the start; SEED={seed}"));
    }

    fn clock(&self, who: usize) -> i64 {
        self.now + self.contenders[who].clock
    }

    fn likely(&mut self, percent: u32) -> bool {
        self.entropy.u32(0..100) < percent
    }

    /// Something happens so many milliseconds later; the clock is looked at now.
    fn after(&mut self, delay: i64, who: usize, conversation: usize, wish: Wish) {
        self.order += 1;
        let (at, read, order) = (self.now + delay, self.clock(who), self.order);
        self.events.push(Reverse(Event { at, order, who, conversation, read, wish, twin: false }));
    }

    /// Sends a request: mostly fast, sometimes late, sometimes twice.
    fn send(&mut self, who: usize, conversation: usize, wish: Wish) {
        let late = self.likely(3);
        let delay = self.entropy.i64(if late { 0..5 * SECOND } else { 1..80 });
        self.after(delay, who, conversation, wish);
        if self.likely(1) {
            let again = delay + self.entropy.i64(0..30 * SECOND);
            self.twin(again, who, conversation, wish);
        }
    }

    /// A request for whose answer nobody waits.
    fn twin(&mut self, delay: i64, who: usize, conversation: usize, wish: Wish) {
        self.order += 1;
        let (at, read, order) = (self.now + delay, self.clock(who), self.order);
        self.events.push(Reverse(Event { at, order, who, conversation, read, wish, twin: true }));
    }

    fn step(&mut self, event: Event, watch: &mut impl FnMut(Step)) {
        let Event { who, conversation, read, wish, twin, .. } = event;
        let (user, at) = (self.contenders[who].user.clone(), Timestamp::from_millis(read));
        let tell = |what| Step { conversation, at, user: user.clone(), what };
        match wish {
            Wish::Begin => self.begin(who),
            Wish::Think => self.think(who, conversation),
            Wish::Acquire => {
                let row = &mut self.conversations[conversation].row;
                let answer = self.conditions.acquire(row, &user, at);
                watch(tell(What::Acquire(answer.clone())));
                self.acquired(event, answer);
            }
            Wish::Renew { token, active } => {
                let token = FencingToken::new(token);
                let row = &mut self.conversations[conversation].row;
                let answer = self.conditions.renew(row, &user.id, token, active, at);
                watch(tell(What::Renew { token, active, answer: answer.clone() }));
                if let Ok(lease) = &answer {
                    self.renewed(event, lease);
                }
                if !twin {
                    let lost = answer.is_err();
                    self.go_on(who, conversation, lost);
                }
            }
            Wish::Reply { wrote, .. } if twin && self.conversations[conversation].counter >= wrote => {
                // The message is there: the table refuses the twin by the message's own id.
            }
            Wish::Reply { token, wrote } => {
                let shown = FencingToken::new(token);
                let row = &self.conversations[conversation].row;
                let answer = self.conditions.reply(row, &user.id, shown, at);
                watch(tell(What::Reply { token: shown, answer: answer.clone() }));
                let taken = answer.is_ok();
                self.replied(event, token, wrote, answer);
                if !twin {
                    self.contenders[who].counter = wrote;
                    self.go_on(who, conversation, !taken);
                }
            }
            Wish::Release { token } => {
                let shown = FencingToken::new(token);
                let row = &mut self.conversations[conversation].row;
                let released = self.conditions.release(row, &user.id, shown);
                watch(tell(What::Release { token: shown }));
                if released {
                    self.ended(conversation, token, Some(&user.id));
                }
                if !twin {
                    self.next(who);
                }
            }
            Wish::Break { token } => {
                let shown = FencingToken::new(token);
                let row = &mut self.conversations[conversation].row;
                let broken = self.conditions.break_lock(row, &user, shown);
                watch(tell(What::Break { token: shown }));
                if broken {
                    self.ended(conversation, token, None);
                }
            }
        }
    }

    fn begin(&mut self, who: usize) {
        if self.contenders[who].cycles == 0 {
            return;
        }
        self.contenders[who].cycles -= 1;
        self.tally.cycles += 1;
        if self.likely(2) {
            // The host is another one, or its clock was set.
            self.contenders[who].clock = self.entropy.i64(-self.office.skew..=self.office.skew);
        }
        let conversation = self.entropy.usize(0..self.conversations.len());
        self.send(who, conversation, Wish::Acquire);
    }

    /// This cycle is over.
    fn next(&mut self, who: usize) {
        let rest = self.entropy.i64(0..40 * SECOND);
        self.after(rest, who, 0, Wish::Begin);
    }

    fn acquired(&mut self, event: Event, answer: Result<Lease, Denied>) {
        let Event { who, conversation, twin, .. } = event;
        let Ok(lease) = answer else {
            self.denied(event);
            return;
        };
        self.tally.granted += 1;
        let (token, end) = (lease.token.get(), lease.ends_at().millis());
        let thread = &self.conversations[conversation];
        let before = thread.grant;
        if token <= thread.highest {
            self.wrong(format!("token {token} after {}", thread.highest));
        }
        if let Some(before) = before
            && self.contenders[before.who].user.id != lease.holder.id
        {
            self.tally.taken_over += 1;
            let bounded = u128::try_from(2 * self.office.skew).unwrap() <= policy().skew.as_millis();
            if bounded && self.clock(before.who) < before.end {
                self.wrong(format!(
                    "token {token} was taken while another clock shows {} as live",
                    before.token
                ));
            }
        }
        let thread = &mut self.conversations[conversation];
        thread.highest = thread.highest.max(token);
        thread.grant = Some(Grant { who, token, end });
        let counter = thread.counter;
        if twin {
            return;
        }
        if self.likely(2) {
            self.next(who); // the answer was lost, and nobody comes back for it
            return;
        }
        let away = self.likely(3);
        let left = self.entropy.u32(if away { 10..30 } else { 0..4 });
        let contender = &mut self.contenders[who];
        (contender.token, contender.counter, contender.left, contender.away) = (token, counter, left, away);
        if self.likely(1) {
            let (admin, delay) =
                (self.entropy.usize(0..self.contenders.len()), self.entropy.i64(0..60 * SECOND));
            self.after(delay, admin, conversation, Wish::Break { token });
        }
        self.go_on(who, conversation, false);
    }

    fn denied(&mut self, event: Event) {
        let Event { who, conversation, read, twin, .. } = event;
        self.tally.denied += 1;
        let thread = &self.conversations[conversation];
        let skew = i64::try_from(policy().skew.as_millis()).unwrap();
        let user = &self.contenders[who].user.id;
        let rightly = thread
            .grant
            .is_some_and(|grant| self.contenders[grant.who].user.id != *user && grant.end >= read - skew);
        let (token, wrote) = (thread.highest, thread.counter + 1);
        if !rightly {
            self.wrong("a lock was refused that nobody holds".into());
        }
        if self.likely(1) {
            // Tokens are numbers, and can be guessed.
            let wish = match self.entropy.u32(0..3) {
                0 => Wish::Renew { token, active: true },
                1 => Wish::Reply { token, wrote },
                _ => Wish::Release { token },
            };
            self.twin(1, who, conversation, wish);
        }
        if !twin {
            self.next(who);
        }
    }

    fn renewed(&mut self, event: Event, lease: &Lease) {
        let conversation = event.conversation;
        let end = lease.ends_at().millis();
        let user = &self.contenders[event.who].user.id;
        let Wish::Renew { token, .. } = event.wish else { return };
        let contenders = &self.contenders;
        match &mut self.conversations[conversation].grant {
            Some(grant) if grant.token == token && contenders[grant.who].user.id == *user => {
                let late = event.read >= grant.end;
                grant.end = end;
                if late {
                    self.wrong(format!("token {token} was renewed after its end"));
                }
            }
            _ => self.wrong(format!("token {token} was renewed, and is not the lock")),
        }
    }

    fn replied(&mut self, event: Event, token: u64, wrote: u64, answer: Result<(), LockViolation>) {
        let Event { who, conversation, read, .. } = event;
        let user = self.contenders[who].user.id.clone();
        let thread = &self.conversations[conversation];
        let grant = thread.grant;
        let mine = grant.filter(|grant| grant.token == token && self.contenders[grant.who].user.id == user);
        if mine.is_none() {
            self.tally.stale += 1;
        }
        match answer {
            Ok(()) => {
                self.tally.replies += 1;
                let other = thread.replied.as_ref().is_some_and(|(under, by)| *under == token && *by != user);
                if other {
                    self.wrong(format!("two users replied under token {token}"));
                } else if mine.is_none_or(|grant| read >= grant.end) {
                    self.wrong(format!("a reply under token {token} was taken, and it is not the lock"));
                } else if self.conversations[conversation].counter + 1 != wrote {
                    self.wrong(format!("a reply under token {token} was taken over another's"));
                }
                let thread = &mut self.conversations[conversation];
                thread.counter = wrote;
                thread.replied = Some((token, user));
            }
            Err(refused) => {
                if mine.is_some_and(|grant| read < grant.end) {
                    self.wrong(format!("a reply under token {token} was refused, and it is the lock"));
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
                    self.wrong(format!("a refusal of token {token} names another holder"));
                }
            }
        }
    }

    /// A lock was given back or broken by somebody who named this token.
    fn ended(&mut self, conversation: usize, token: u64, by: Option<&UserId>) {
        let grant = self.conversations[conversation].grant.take();
        let named = grant.is_some_and(|grant| {
            grant.token == token && by.is_none_or(|by| self.contenders[grant.who].user.id == *by)
        });
        if !named {
            self.wrong(format!("token {token} ended a lock that is another"));
        }
    }

    /// Done with the lock, or some time passes before the next thing.
    fn go_on(&mut self, who: usize, conversation: usize, lost: bool) {
        if lost {
            self.next(who);
            return;
        }
        let contender = &mut self.contenders[who];
        if contender.left == 0 {
            let token = contender.token;
            if self.likely(75) {
                self.send(who, conversation, Wish::Release { token });
            } else {
                self.next(who); // abandoned
            }
            return;
        }
        contender.left -= 1;
        let thinking = self.entropy.i64(SECOND..25 * SECOND);
        self.after(thinking, who, conversation, Wish::Think);
    }

    fn think(&mut self, who: usize, conversation: usize) {
        let Contender { token, counter, left, away, .. } = self.contenders[who];
        if if away { left > 0 } else { self.likely(40) } {
            let active = !away && self.likely(70);
            self.send(who, conversation, Wish::Renew { token, active });
            return;
        }
        let reply = Wish::Reply { token, wrote: counter + 1 };
        if self.likely(4) {
            // Paused for one to five leases between looking at the clock and writing.
            self.tally.paused += 1;
            let lease = i64::try_from(policy().lease.as_millis()).unwrap();
            let pause = self.entropy.i64(lease..5 * lease);
            self.after(pause, who, conversation, reply);
        } else {
            self.send(who, conversation, reply);
        }
    }
}

impl Tally {
    /// Both together; the first violation of either.
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

/// How far clocks are off and how many conversations there are, by seed: from clocks within the bound that the lock allows
/// for to clocks six hundred times beyond it, and from one conversation to twice as many as contenders.
pub fn office(seed: u64, contenders: usize, cycles: u32) -> Office {
    let bound = i64::try_from(policy().skew.as_millis()).unwrap();
    let skews = [bound / 2, 0, 2 * SECOND, 30 * SECOND, 300 * SECOND];
    let place = usize::try_from(seed % 60).unwrap();
    let skew = skews[place % skews.len()];
    let conversations = [1, 8, 64][place / skews.len() % 3];
    Office { seed, contenders, cycles, conversations, skew, without: None }
}

/// For logs: what an office is like.
impl std::fmt::Display for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let skew = Duration::from_millis(self.skew.unsigned_abs());
        let Self { seed, contenders, cycles, conversations, .. } = self;
        write!(
            f,
            "SEED={seed}: {contenders} x {cycles} cycles, {conversations} conversations, clocks off by {skew:?}"
        )
    }
}
