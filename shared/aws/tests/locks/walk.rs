//! Random walks over both the rule and the table: the same answers, the same states, a token that only grows. This is
//! what holds the conditions of `shared_aws::locks` to `shared_domain::lock`.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use shared_aws::locks::{Acquired, Renewed};
use shared_domain::{
    ids::ConversationId,
    lock::{self, Broken, FencingToken, LockPolicy, LockState, Person},
    time::Timestamp,
};

use crate::support::{Desk, START, ada, ben, cleo, number};

const WALKS: u32 = 80;
const STEPS: usize = 30;

/// What happens next. Users are three; a token is named by how many acquisitions ago it was given.
#[derive(Debug, Clone)]
enum Step {
    Acquire {
        user: usize,
    },
    Renew {
        user: usize,
        ago: u64,
        active: bool,
    },
    Release {
        user: usize,
        ago: u64,
    },
    Break {
        by: usize,
        ago: u64,
    },
    /// The next request comes from a host whose clock is this many milliseconds further, or behind.
    Pass {
        millis: i64,
    },
    /// The next request comes this many milliseconds around an end of the lock, if there is one.
    PassTo {
        end: End,
        millis: i64,
    },
}

#[derive(Debug, Clone, Copy)]
enum End {
    Lease,
    Idle,
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..3_usize;
    let ago = prop_oneof![4 => Just(0_u64), 1 => 1..3_u64];
    let around = prop_oneof![Just(-1_i64), Just(0), Just(1), 498..503_i64, -600..600_i64];
    prop_oneof![
        4 => user.clone().prop_map(|user| Step::Acquire { user }),
        4 => (user.clone(), ago.clone(), any::<bool>()).prop_map(|(user, ago, active)| Step::Renew { user, ago, active }),
        1 => (user.clone(), ago.clone()).prop_map(|(user, ago)| Step::Release { user, ago }),
        1 => (user, ago).prop_map(|(by, ago)| Step::Break { by, ago }),
        3 => prop_oneof![-500..500_i64, 15_000..25_000_i64, 55_000..65_000_i64].prop_map(|millis| Step::Pass { millis }),
        2 => (prop_oneof![Just(End::Lease), Just(End::Idle)], around)
            .prop_map(|(end, millis)| Step::PassTo { end, millis }),
    ]
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

    fn acquire(&mut self, user: &Person, policy: &LockPolicy) -> Acquired {
        match lock::acquire(&self.state, user, self.now, policy) {
            Ok(lease) => {
                self.state.fence = lease.token;
                self.state.lease = Some(lease.clone());
                Acquired::Held(lease)
            }
            Err(denied) => Acquired::Denied(denied),
        }
    }

    fn renew(&mut self, user: &Person, token: FencingToken, active: bool, policy: &LockPolicy) -> Renewed {
        match lock::renew(&self.state, &user.id, token, active, self.now, policy) {
            Ok(lease) => {
                self.state.lease = Some(lease.clone());
                Renewed::Held(lease)
            }
            Err(lost) => Renewed::Lost(lost),
        }
    }

    fn release(&mut self, user: &Person, token: FencingToken) {
        self.state.lease.take_if(|lease| lease.holder.id == user.id && lease.token == token);
    }

    fn break_lock(&mut self, by: &Person, token: FencingToken) {
        if self.state.lease.take_if(|lease| lease.token == token).is_some() {
            self.state.broken = Some(Broken { token, by: by.clone() });
        }
    }

    fn pass_to(&mut self, end: End, millis: i64) {
        if let Some(lease) = &self.state.lease {
            let end = match end {
                End::Lease => lease.expires_at,
                End::Idle => lease.idle_release_at,
            };
            self.now = Timestamp::from_millis(end.millis() + millis);
        }
    }
}

/// Takes the steps on both sides.
async fn walk(desk: &Desk, conversation: &ConversationId, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (users, policy) = ([ada(), ben(), cleo()], LockPolicy::default());
    let (locks, thread) = (&desk.locks, desk.thread(conversation));
    let mut model = Model { state: LockState::default(), now: START };
    for step in steps {
        let fence = model.state.fence;
        match step {
            Step::Acquire { user } => {
                let answer = locks.acquire(thread, &users[user], model.now, &policy).await.unwrap();
                prop_assert_eq!(&answer, &model.acquire(&users[user], &policy));
                let grew = !matches!(answer, Acquired::Held(_)) || model.state.fence > fence;
                prop_assert!(grew, "the token grows with each acquisition");
            }
            Step::Renew { user, ago, active } => {
                let token = model.token(ago);
                let renewed = locks.renew(thread, &users[user].id, token, active, model.now, &policy).await;
                prop_assert_eq!(renewed.unwrap(), model.renew(&users[user], token, active, &policy));
            }
            Step::Release { user, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.release(thread, &users[user].id, token).await.unwrap());
                model.release(&users[user], token);
            }
            Step::Break { by, ago } => {
                let token = model.token(ago);
                prop_assert!(locks.break_lock(thread, &users[by], token).await.unwrap());
                model.break_lock(&users[by], token);
            }
            Step::Pass { millis } => model.now = Timestamp::from_millis(model.now.millis() + millis),
            Step::PassTo { end, millis } => model.pass_to(end, millis),
        }
        prop_assert_eq!(&desk.look_at(conversation).await.lock, &model.state);
    }
    Ok(())
}

#[test]
fn rule_and_table_give_the_same_answers_on_every_walk() {
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => shared_aws::clock::chance(),
    };
    let config = Config {
        cases: WALKS,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::open());
    let conversations = AtomicUsize::new(0);
    let walked = TestRunner::new(config).run(&vec(step(), 1..=STEPS), |steps| {
        runtime.block_on(async {
            let from = number(conversations.fetch_add(1, Ordering::Relaxed));
            let conversation = desk.conversation_begun_by(&from, START).await;
            walk(&desk, &conversation, steps).await
        })
    });
    walked.unwrap_or_else(|failure| panic!("{failure}\nthe same walks again: PROPTEST_RNG_SEED={seed}"));
}
