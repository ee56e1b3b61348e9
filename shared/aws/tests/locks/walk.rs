//! Random walks over both the rule and the table: the same answers, the same states, a token that only grows. This is
//! what holds the conditions of `shared_aws::conversation` to `shared_domain::lock`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use shared_aws::conversation::{Acquired, Renewed};
use shared_domain::{
    ids::ConversationId,
    lock::{self, BrokenLock, FencingToken, LockPolicy, LockState},
    time::Timestamp,
    user::UserRef,
};

use crate::support::{START, TestStores, ada, ben, cleo, number, seed};

const WALKS: u32 = 80;
const STEPS: usize = 30;

/// One request: when it comes, and what it asks for.
#[derive(Debug, Clone)]
struct Step {
    when: When,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// So many milliseconds further, or behind: hosts' clocks differ.
    Later(i64),
    /// So many milliseconds around the lease's end, if there is a lease.
    LeaseEnd(i64),
    /// So many milliseconds around the idle release.
    IdleEnd(i64),
}

/// Users are three; a token is named by how many acquisitions ago it was given.
#[derive(Debug, Clone, Copy)]
enum What {
    Acquire { user: usize },
    Renew { user: usize, ago: u64, active: bool },
    Release { user: usize, ago: u64 },
    Break { by: usize, ago: u64 },
}

/// The idle release ends a lock before, at about, or long after the lease does.
fn policy() -> impl Strategy<Value = LockPolicy> {
    let idle_release = Duration::from_secs(30);
    prop_oneof![Just(25), Just(40), Just(180)].prop_map(move |prompt| LockPolicy {
        idle_prompt: Duration::from_secs(prompt),
        idle_release,
        per_user: 1_000, // all walks are the same users'
        ..LockPolicy::default()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let user = || 0..3_usize;
    let ago = || prop_oneof![4 => Just(0_u64), 1 => 1..3_u64];
    let edge = || prop_oneof![-1..=1_i64, 499..=501_i64, -600..=600_i64];
    let when = prop_oneof![
        2 => prop_oneof![-500..500_i64, 15_000..25_000_i64, 55_000..65_000_i64].prop_map(When::Later),
        1 => edge().prop_map(When::LeaseEnd),
        1 => edge().prop_map(When::IdleEnd),
    ];
    let what = prop_oneof![
        5 => user().prop_map(|user| What::Acquire { user }),
        5 => (user(), ago(), any::<bool>()).prop_map(|(user, ago, active)| What::Renew { user, ago, active }),
        1 => (user(), ago()).prop_map(|(user, ago)| What::Release { user, ago }),
        1 => (user(), ago()).prop_map(|(by, ago)| What::Break { by, ago }),
    ];
    (when, what).prop_map(|(when, what)| Step { when, what })
}

/// The rule's side of a walk.
struct Model {
    state: LockState,
    now: Timestamp,
}

impl Model {
    fn token(&self, ago: u64) -> FencingToken {
        FencingToken::new(self.state.fence.get().saturating_sub(ago))
    }

    fn acquire(&mut self, user: &UserRef, policy: &LockPolicy) -> Acquired {
        match lock::acquire(&self.state, user, self.now, policy) {
            Ok(lease) => {
                self.state.fence = lease.token;
                self.state.lease = Some(lease.clone());
                Acquired::Held(lease)
            }
            Err(denied) => Acquired::Denied(denied),
        }
    }

    fn renew(&mut self, user: &UserRef, token: FencingToken, active: bool, policy: &LockPolicy) -> Renewed {
        match lock::renew(&self.state, &user.id, token, active, self.now, policy) {
            Ok(lease) => {
                self.state.lease = Some(lease.clone());
                Renewed::Held(lease)
            }
            Err(lost) => Renewed::Lost(lost),
        }
    }

    fn release(&mut self, user: &UserRef, token: FencingToken) {
        self.state.lease.take_if(|lease| lease.holder.id == user.id && lease.token == token);
    }

    fn break_lock(&mut self, by: &UserRef, token: FencingToken) {
        if self.state.lease.take_if(|lease| lease.token == token).is_some() {
            self.state.broken = Some(BrokenLock { token, by: by.clone() });
        }
    }

    fn pass(&mut self, when: When) {
        let lease = self.state.lease.as_ref();
        let (from, millis) = match when {
            When::Later(millis) => (self.now, millis),
            When::LeaseEnd(millis) => (lease.map_or(self.now, |lease| lease.expires_at), millis),
            When::IdleEnd(millis) => (lease.map_or(self.now, |lease| lease.idle_release_at), millis),
        };
        self.now = Timestamp::from_millis(from.millis() + millis);
    }
}

/// Takes the steps on both sides.
async fn walk(
    stores: &TestStores,
    conversation: &ConversationId,
    policy: LockPolicy,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let users = [ada(), ben(), cleo()];
    let (locks, thread) = (&stores.locks, stores.conversation_key(conversation));
    let mut model = Model { state: LockState::default(), now: START };
    for Step { when, what } in steps {
        model.pass(when);
        let fence = model.state.fence;
        match what {
            What::Acquire { user } => {
                let answer = locks.acquire(thread, &users[user], model.now, &policy).await.unwrap();
                prop_assert_eq!(&answer, &model.acquire(&users[user], &policy));
                let grew = !matches!(answer, Acquired::Held(_)) || model.state.fence > fence;
                prop_assert!(grew, "the token grows with each acquisition");
            }
            What::Renew { user, ago, active } => {
                let token = model.token(ago);
                let renewed = locks.renew(thread, &users[user].id, token, active, model.now, &policy).await;
                prop_assert_eq!(renewed.unwrap(), model.renew(&users[user], token, active, &policy));
            }
            What::Release { user, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.release(thread, &users[user].id, token).await.unwrap());
                model.release(&users[user], token);
            }
            What::Break { by, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.break_lock(thread, &users[by], token).await.unwrap());
                model.break_lock(&users[by], token);
            }
        }
        prop_assert_eq!(&stores.stored_conversation(conversation).await.lock, &model.state);
    }
    Ok(())
}

#[test]
fn rule_and_table_give_the_same_answers_after_random_steps() {
    let seed = seed();
    let config = Config {
        cases: WALKS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stores = runtime.block_on(TestStores::start());
    let conversations = AtomicUsize::new(0);
    let walked = TestRunner::new(config).run(&(policy(), vec(step(), 1..=STEPS)), |(policy, steps)| {
        runtime.block_on(async {
            let from = number(conversations.fetch_add(1, Ordering::Relaxed));
            let conversation = stores.start_conversation(&from, START).await;
            walk(&stores, &conversation, policy, steps).await
        })
    });
    walked.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}
