//! The requests of the lock simulation on a real engine. The table gives the same answers as the
//! simulation, so what the simulation proves is also true of the table.

use std::time::Instant;

use shared_aws::{
    conversation::{Acquired, Renewed},
    messaging::{Acceptance, Accepted, Guard},
};
use shared_domain::{
    lock::{self, FencingToken, LockViolation},
    message::Message,
    time::Timestamp,
    user::UserRef,
};
use simulations::{
    conditions::Term,
    lock_simulation::{Operation, Request, Scenario, policy, run, scenario},
};

use crate::{chosen_seed, full_run, test_inbox::TestInbox};

impl TestInbox {
    /// Accepts a reply. A refusal is expressed as the rule expresses it.
    async fn reply(
        &self,
        message: &Message,
        user: &UserRef,
        token: FencingToken,
        at: Timestamp,
    ) -> Result<(), LockViolation> {
        let contact = self.provisional_contact(message);
        let guard = Guard::Reply { lock: Some((&user.id, token)), seen: None };
        let acceptance = Acceptance {
            organization: self.organization(),
            message,
            contact: &contact,
            guard,
            idempotency: None,
        };
        match self.sends.accept(acceptance).await.unwrap() {
            Accepted::Stored => Ok(()),
            Accepted::Refused(conversation) => {
                Err(lock::guard(&conversation.unwrap().lock, &user.id, Some(token), at).unwrap_err())
            }
            Accepted::KeyTaken => panic!("the reply has no idempotency key"),
            Accepted::AlreadyRetried => panic!("the reply retries no message"),
        }
    }
}

/// Sends the requests of a simulation to an engine until an answer differs. Returns how many answers were
/// equal, and the request whose answer differed.
async fn compare(scenario: Scenario) -> (usize, Option<String>) {
    let (inbox, mut requests) = (TestInbox::start(scenario.conversations).await, Vec::new());
    inbox.receive_from_all().await;
    run(scenario, |request| requests.push(request));
    for (number, request) in requests.iter().enumerate() {
        if !inbox.gives_same_answer(request, number as u64).await {
            return (number, Some(format!("{scenario}: request {number}, {request:?}")));
        }
    }
    (requests.len(), None)
}

impl TestInbox {
    async fn gives_same_answer(&self, request: &Request, entropy: u64) -> bool {
        let id = self.conversation(request.conversation);
        let (key, at, user) = (self.key(&id), request.at, &request.user);
        match &request.operation {
            Operation::Acquire(answer) => {
                let expected = answer.clone().map_or_else(Acquired::Denied, Acquired::Held);
                self.locks.acquire(key, user, at, shared_lambda::clock::entropy(), &policy()).await.unwrap()
                    == expected
            }
            Operation::Renew { token, active, answer } => {
                let expected = answer.clone().map_or_else(Renewed::Lost, Renewed::Held);
                self.locks.renew(key, &user.id, *token, *active, at, &policy()).await.unwrap() == expected
            }
            Operation::Reply { token, answer } => {
                let message = self.message(request.conversation, user, at, entropy);
                self.reply(&message, user, *token, at).await == *answer
            }
            // These do not return what they did. Later answers show it.
            Operation::Release { token } => self.locks.release(key, &user.id, *token).await.unwrap(),
            Operation::Break { token } => self.locks.break_lock(key, user, *token).await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn the_table_answers_as_the_simulation_does() {
    let seeds = if full_run() { (0..20).collect() } else { vec![9, 10, 14] };
    let seeds = chosen_seed().map_or(seeds, |seed| vec![seed]);
    let (start, mut requests) = (Instant::now(), 0);
    for seed in seeds {
        let scenario = scenario(seed, 32, 12);
        println!("on an engine, {scenario}");
        let (same, difference) = compare(scenario).await;
        assert_eq!(difference, None);
        requests += same;
    }
    println!("{requests} requests gave the same answers, in {:?}", start.elapsed());
    assert!(chosen_seed().is_some() || requests > 2_000);
}

/// The simulation leaves out a term that the table checks.
#[tokio::test(flavor = "multi_thread")]
async fn a_term_that_the_simulation_leaves_out_is_noticed() {
    for term in [Term::ReplyLeaseEnd, Term::AcquireAgain, Term::RenewToken] {
        let scenarios = [9, 14].map(|seed| Scenario { without: Some(term), ..scenario(seed, 32, 12) });
        let mut noticed = false;
        for scenario in scenarios {
            noticed = noticed || compare(scenario).await.1.is_some();
        }
        assert!(noticed, "{term:?}");
    }
}
