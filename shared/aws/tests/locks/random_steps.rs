//! Random steps against both the rule in `shared_domain::lock` and the conditions in
//! `shared_aws::conversation`. Answers and states must be equal, and tokens must increase.

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

const RUNS: u32 = 80;
const STEPS: usize = 30;

/// One request and its time.
#[derive(Debug, Clone)]
struct Step {
    when: StepTime,
    action: Action,
}

#[derive(Debug, Clone, Copy)]
enum StepTime {
    /// Milliseconds after the previous step, or before it, because the clocks of hosts differ.
    Later(i64),
    /// Milliseconds relative to the end of the lease, if there is one.
    LeaseEnd(i64),
    /// Milliseconds relative to the idle release.
    IdleEnd(i64),
}

/// There are three users. `ago` selects the token issued that number of acquisitions ago.
#[derive(Debug, Clone, Copy)]
enum Action {
    Acquire { user: usize },
    Renew { user: usize, ago: u64, active: bool },
    Release { user: usize, ago: u64 },
    Break { by: usize, ago: u64 },
}

/// The idle release ends a lock before, near, or long after the end of the lease.
fn policy() -> impl Strategy<Value = LockPolicy> {
    let idle_release = Duration::from_secs(30);
    prop_oneof![Just(25), Just(40), Just(180)].prop_map(move |prompt| LockPolicy {
        idle_prompt: Duration::from_secs(prompt),
        idle_release,
        per_user: 1_000, // all runs have the same users
        ..LockPolicy::default()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let user = || 0..3_usize;
    let ago = || prop_oneof![4 => Just(0_u64), 1 => 1..3_u64];
    let edge = || prop_oneof![-1..=1_i64, 499..=501_i64, -600..=600_i64];
    let when = prop_oneof![
        2 => prop_oneof![-500..500_i64, 15_000..25_000_i64, 55_000..65_000_i64].prop_map(StepTime::Later),
        1 => edge().prop_map(StepTime::LeaseEnd),
        1 => edge().prop_map(StepTime::IdleEnd),
    ];
    let action = prop_oneof![
        5 => user().prop_map(|user| Action::Acquire { user }),
        5 => (user(), ago(), any::<bool>()).prop_map(|(user, ago, active)| Action::Renew { user, ago, active }),
        1 => (user(), ago()).prop_map(|(user, ago)| Action::Release { user, ago }),
        1 => (user(), ago()).prop_map(|(by, ago)| Action::Break { by, ago }),
    ];
    (when, action).prop_map(|(when, action)| Step { when, action })
}

/// The state according to the rule.
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

    fn pass(&mut self, when: StepTime) {
        let lease = self.state.lease.as_ref();
        let (from, millis) = match when {
            StepTime::Later(millis) => (self.now, millis),
            StepTime::LeaseEnd(millis) => (lease.map_or(self.now, |lease| lease.expires_at), millis),
            StepTime::IdleEnd(millis) => (lease.map_or(self.now, |lease| lease.idle_release_at), millis),
        };
        self.now = Timestamp::from_millis(from.millis() + millis);
    }
}

/// Applies the steps to the model and to the table.
async fn run_steps(
    stores: &TestStores,
    conversation: &ConversationId,
    policy: LockPolicy,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let users = [ada(), ben(), cleo()];
    let (locks, key) = (&stores.locks, stores.conversation_key(conversation));
    let mut model = Model { state: LockState::default(), now: START };
    for Step { when, action } in steps {
        model.pass(when);
        let fence = model.state.fence;
        match action {
            Action::Acquire { user } => {
                let answer = locks
                    .acquire(key, &users[user], model.now, shared_lambda::clock::entropy(), &policy)
                    .await
                    .unwrap();
                prop_assert_eq!(&answer, &model.acquire(&users[user], &policy));
                let grew = !matches!(answer, Acquired::Held(_)) || model.state.fence > fence;
                prop_assert!(grew, "each acquisition increases the token");
            }
            Action::Renew { user, ago, active } => {
                let token = model.token(ago);
                let renewed = locks.renew(key, &users[user].id, token, active, model.now, &policy).await;
                prop_assert_eq!(renewed.unwrap(), model.renew(&users[user], token, active, &policy));
            }
            Action::Release { user, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.release(key, &users[user].id, token).await.unwrap());
                model.release(&users[user], token);
            }
            Action::Break { by, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.break_lock(key, &users[by], token).await.unwrap());
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
        cases: RUNS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stores = runtime.block_on(TestStores::start());
    let conversations = AtomicUsize::new(0);
    let result = TestRunner::new(config).run(&(policy(), vec(step(), 1..=STEPS)), |(policy, steps)| {
        runtime.block_on(async {
            let from = number(conversations.fetch_add(1, Ordering::Relaxed));
            let conversation = stores.start_conversation(&from, START).await;
            run_steps(&stores, &conversation, policy, steps).await
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}\nseed {seed}"));
}
