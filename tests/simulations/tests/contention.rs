//! Promise 1, over HTTP: thirty-two contenders with clocks that are wrong acquire, reply, pause, leave or go away, all at
//! once, on an engine, while some of the requests to it go wrong. What is stored in the end shows who replied under which token.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use shared_aws::{
    conversation::{Acquired, Locks},
    messaging::{Acceptance, Accepted, Guard, Messages, Sends},
};
use shared_domain::{
    contact::Contact,
    ids::UserId,
    keys::ConversationKey,
    lock::{FencingToken, LockPolicy},
    message::Message,
    time::Timestamp,
    user::UserRef,
};
use test_kit::faults::Faults;
use tokio::task::JoinSet;

use crate::{
    chosen_seed,
    desk::{BEFORE, Desk},
    full_run,
};

const CONTENDERS: u64 = 32;
const LEASE_MILLIS: u64 = 60_000;

/// A reply that was asked for, whatever was answered.
#[derive(Debug, Clone)]
struct Asked {
    message: String,
    conversation: usize,
    user: u64,
    token: FencingToken,
    /// The answer was "stored".
    told: bool,
    /// Between these two points of the simulation's one order of events.
    begun: u64,
    ended: u64,
}

/// What all contenders share.
struct Ring {
    desk: Desk,
    faults: Faults,
    /// True time, moved on by whoever acts.
    millis: AtomicU64,
    order: AtomicU64,
    asked: Mutex<Vec<Asked>>,
}

impl Ring {
    fn next(&self) -> u64 {
        self.order.fetch_add(1, Ordering::SeqCst)
    }
}

struct Contender {
    number: u64,
    entropy: fastrand::Rng,
    skew_millis: i64,
    locks: Locks,
    sends: Sends,
}

fn person(number: u64) -> UserRef {
    UserRef { id: UserId::parse(&format!("user-{number}")).unwrap(), name: format!("User {number}") }
}

impl Contender {
    fn enter(ring: &Ring, seed: u64, number: u64) -> Self {
        let mut entropy = fastrand::Rng::with_seed(seed * CONTENDERS + number);
        let bound: i64 = [0, 2_000, 30_000, 300_000][usize::try_from(seed % 4).unwrap()];
        let table = ring.faults.table(&ring.desk.engine);
        Self {
            number,
            skew_millis: entropy.i64(-bound..=bound),
            entropy,
            locks: Locks::new(table.clone()),
            sends: Sends::new(table),
        }
    }

    /// What this contender's clock shows.
    fn now(&self, ring: &Ring) -> Timestamp {
        let true_millis = i64::try_from(ring.millis.load(Ordering::SeqCst)).unwrap();
        Timestamp::from_millis(BEFORE.millis() + 1_000_000 + true_millis + self.skew_millis)
    }

    /// Acquires, replies a few times, perhaps long after the end of the lease, and leaves or does not.
    async fn cycle(&mut self, ring: &Ring) {
        let policy = LockPolicy { per_user: 100, ..LockPolicy::default() };
        let (me, conversation) = (person(self.number), self.entropy.usize(0..ring.desk.numbers.len()));
        let id = ring.desk.conversation(conversation);
        let (organization, inbox) = (&ring.desk.inbox.organization, &ring.desk.inbox.id);
        let thread = ConversationKey { organization, inbox, conversation: &id };
        ring.millis.fetch_add(self.entropy.u64(0..LEASE_MILLIS / 64), Ordering::SeqCst);
        let acquired = self.locks.acquire(thread, &me, self.now(ring), &policy).await;
        let Ok(Acquired::Held(lease)) = acquired else { return };
        for _ in 0..self.entropy.u8(0..3) {
            if self.entropy.u8(0..16) == 0 {
                // Paused for up to five leases, or as far as the others' time goes.
                ring.millis.fetch_add(self.entropy.u64(0..5 * LEASE_MILLIS), Ordering::SeqCst);
            }
            self.reply(ring, conversation, lease.token).await;
        }
        if self.entropy.u8(0..4) > 0 {
            let _ = self.locks.release(thread, &me.id, lease.token).await;
        }
    }

    async fn reply(&mut self, ring: &Ring, conversation: usize, token: FencingToken) {
        let me = person(self.number);
        let message = ring.desk.message(conversation, &me, self.now(ring), self.entropy.u64(..));
        let begun = ring.next();
        let answer = self.accept(ring, &message, &me, token).await;
        let asked = Asked {
            message: message.id.to_string(),
            conversation,
            user: self.number,
            token,
            told: answer,
            begun,
            ended: ring.next(),
        };
        ring.asked.lock().unwrap().push(asked);
    }

    async fn accept(&self, ring: &Ring, message: &Message, me: &UserRef, token: FencingToken) -> bool {
        let wanted = Acceptance {
            organization: &ring.desk.inbox.organization,
            message,
            contact: &Contact::provisional(&ring.desk.inbox.team, &message.contact_number),
            guard: Guard::Reply { lock: Some((&me.id, token)), seen: None },
            idempotency: None,
        };
        matches!(self.sends.accept(wanted).await, Ok(Accepted::Stored))
    }
}

/// Lets them contend; gives the ring as it stands in the end.
async fn contend(seed: u64, conversations: usize, cycles: u32, percent: u8) -> Arc<Ring> {
    let desk = Desk::open(conversations).await;
    desk.hears_from_all().await;
    let faults = Faults::seeded(seed);
    let ring = Arc::new(Ring {
        desk,
        faults,
        millis: AtomicU64::new(0),
        order: AtomicU64::new(0),
        asked: Mutex::default(),
    });
    ring.faults.strike(percent);
    let mut contenders = JoinSet::new();
    for number in 0..CONTENDERS {
        let ring = ring.clone();
        contenders.spawn(async move {
            let mut contender = Contender::enter(&ring, seed, number);
            for _ in 0..cycles {
                contender.cycle(&ring).await;
            }
        });
    }
    contenders.join_all().await;
    ring.faults.strike(0);
    tokio::time::sleep(Duration::from_secs(1)).await; // what is stuck on its way arrives
    ring
}

/// How many replies stand in the histories; or what is wrong with them.
async fn judged(ring: &Ring) -> Result<usize, String> {
    let asked = ring.asked.lock().unwrap().clone();
    let mut stored = stored(ring).await;
    let by_id: BTreeMap<&str, &Asked> = asked.iter().map(|asked| (asked.message.as_str(), asked)).collect();
    if let Some(lost) = asked.iter().find(|asked| asked.told && !stored.contains(&asked.message)) {
        return Err(format!("told to be stored, and is not: {lost:?}"));
    }
    stored.retain(|id| by_id.contains_key(id.as_str()));
    let replies: Vec<&Asked> = stored.iter().map(|id| by_id[id.as_str()]).collect();
    for conversation in 0..ring.desk.numbers.len() {
        let mut here: Vec<&Asked> =
            replies.iter().copied().filter(|asked| asked.conversation == conversation).collect();
        let mut users = BTreeMap::new();
        for reply in &here {
            let first = *users.entry(reply.token).or_insert(reply.user);
            if first != reply.user {
                return Err(format!("users {first} and {} both replied under {:?}", reply.user, reply.token));
            }
        }
        // What was over before another began stands under no higher token.
        here.sort_by_key(|asked| asked.ended);
        let mut highest: Vec<(u64, FencingToken)> = Vec::with_capacity(here.len());
        for reply in &here {
            let so_far = highest.last().map_or(reply.token, |(_, token)| (*token).max(reply.token));
            highest.push((reply.ended, so_far));
        }
        for reply in &here {
            let before = highest.partition_point(|(ended, _)| *ended < reply.begun);
            if before > 0 && highest[before - 1].1 > reply.token {
                return Err(format!("{reply:?} was taken after one under {:?}", highest[before - 1].1));
            }
        }
    }
    Ok(replies.len())
}

async fn stored(ring: &Ring) -> std::collections::BTreeSet<String> {
    let messages = Messages::new(ring.desk.table());
    let mut all = std::collections::BTreeSet::new();
    for contact in 0..ring.desk.numbers.len() {
        let mut before = None;
        loop {
            let id = ring.desk.conversation(contact);
            let page =
                messages.history(&ring.desk.inbox.organization, &id, 100, before.as_ref()).await.unwrap();
            all.extend(page.messages.iter().map(|message| message.id.to_string()));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn no_two_contenders_reply_under_one_lock() {
    let (seeds, cycles) = if full_run() { (0..4, 300) } else { (2..4, 15) };
    for seed in chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]) {
        for conversations in [1, 8, 64] {
            let begun = Instant::now();
            let ring = contend(seed, conversations, cycles, 5).await;
            let (replies, asked) = (judged(&ring).await, ring.asked.lock().unwrap().len());
            println!(
                "SEED={seed}: {CONTENDERS} x {cycles} cycles, {conversations} conversations: {replies:?} of {asked} \
                 replies stored, {:?}, in {:?}",
                ring.faults.struck(),
                begun.elapsed()
            );
            assert!(replies.as_ref().is_ok_and(|replies| *replies > 0), "SEED={seed}: {replies:?}");
        }
    }
}

/// Two users whose replies both stand under one token are noticed, and so is a reply under an older token than one before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hands_under_one_token_would_be_noticed() {
    let ring = contend(0, 1, 15, 0).await;
    let stored = stored(&ring).await;
    let asked = ring.asked.lock().unwrap().clone();
    let mut kept = asked.iter().enumerate().filter(|(_, asked)| stored.contains(&asked.message));
    let (first, last) = (kept.next().unwrap().0, kept.next_back().unwrap().0);
    assert!(judged(&ring).await.is_ok());
    ring.asked.lock().unwrap()[last] =
        Asked { user: asked[first].user + 1, token: asked[first].token, ..asked[last].clone() };
    assert!(judged(&ring).await.unwrap_err().contains("both replied"));
    ring.asked.lock().unwrap()[last] = Asked { token: FencingToken::default(), ..asked[last].clone() };
    assert!(judged(&ring).await.unwrap_err().contains("was taken after"));
}
