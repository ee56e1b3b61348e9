//! The same office on a real engine, request by request: the conditions of the table and those of the simulation give the
//! same answers, so that what the simulation shows is shown of the table.

use std::time::Instant;

use shared_aws::{
    conversation::{Acquired, Renewed},
    messaging::{Acceptance, Accepted, Guard},
};
use shared_domain::{
    contact::Contact,
    keys::ConversationKey,
    lock::{self, FencingToken, LockViolation},
    message::Message,
    time::Timestamp,
    user::UserRef,
};
use simulations::{
    conditions::Term,
    lock_simulation::{Office, Step, What, office, policy, run},
};

use crate::{chosen_seed, desk::Desk, full_run};

impl Desk {
    /// The accepting transaction's answer, in the words of the rule.
    async fn reply(
        &self,
        message: &Message,
        user: &UserRef,
        token: FencingToken,
        at: Timestamp,
    ) -> Result<(), LockViolation> {
        let contact = Contact::provisional(&self.inbox.team, &message.contact_number);
        let guard = Guard::Reply { lock: Some((&user.id, token)), seen: None };
        let organization = &self.inbox.organization;
        let wanted = Acceptance { organization, message, contact: &contact, guard, idempotency: None };
        match self.sends.accept(wanted).await.unwrap() {
            Accepted::Stored => Ok(()),
            Accepted::Refused(stood) => {
                Err(lock::guard(&stood.unwrap().lock, &user.id, Some(token), at).unwrap_err())
            }
            Accepted::KeyTaken => panic!("there is no key"),
        }
    }
}

/// Sends what an office sends to an engine, until an answer differs; gives how many were the same, and what differed.
async fn compared(office: Office) -> (usize, Option<String>) {
    let (desk, mut steps) = (Desk::open(office.conversations).await, Vec::new());
    desk.hears_from_all().await;
    let _ = run(office, |step| steps.push(step)).violation; // an office without a term has one, and its answers are told
    for (place, step) in steps.iter().enumerate() {
        if !desk.agrees(step, place as u64).await {
            return (place, Some(format!("{office}: request {place}, {step:?}")));
        }
    }
    (steps.len(), None)
}

impl Desk {
    async fn agrees(&self, step: &Step, entropy: u64) -> bool {
        let id = self.conversation(step.conversation);
        let (organization, inbox) = (&self.inbox.organization, &self.inbox.id);
        let thread = ConversationKey { organization, inbox, conversation: &id };
        let (at, user) = (step.at, &step.user);
        match &step.what {
            What::Acquire(answer) => {
                let told = answer.clone().map_or_else(Acquired::Denied, Acquired::Held);
                self.locks.acquire(thread, user, at, &policy()).await.unwrap() == told
            }
            What::Renew { token, active, answer } => {
                let told = answer.clone().map_or_else(Renewed::Lost, Renewed::Held);
                self.locks.renew(thread, &user.id, *token, *active, at, &policy()).await.unwrap() == told
            }
            What::Reply { token, answer } => {
                let message = self.message(step.conversation, user, at, entropy);
                self.reply(&message, user, *token, at).await == *answer
            }
            // Neither says what it did; the answers that follow do.
            What::Release { token } => self.locks.release(thread, &user.id, *token).await.unwrap(),
            What::Break { token } => self.locks.break_lock(thread, user, *token).await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn the_table_answers_as_the_simulation_does() {
    let seeds = if full_run() { (0..20).collect() } else { vec![9, 10, 14] };
    let seeds = chosen_seed().map_or(seeds, |seed| vec![seed]);
    let (begun, mut requests) = (Instant::now(), 0);
    for seed in seeds {
        let office = office(seed, 32, 12);
        println!("on an engine, {office}");
        let (same, difference) = compared(office).await;
        assert_eq!(difference, None);
        requests += same;
    }
    println!("{requests} requests gave the same answers, in {:?}", begun.elapsed());
    assert!(chosen_seed().is_some() || requests > 2_000);
}

/// A term that the simulation left out and the table has shows as a difference.
#[tokio::test(flavor = "multi_thread")]
async fn a_term_that_only_one_of_both_has_is_noticed() {
    for term in [Term::ReplyLeaseEnd, Term::FreeToItsHolder, Term::RenewToken] {
        let offices = [9, 14].map(|seed| Office { without: Some(term), ..office(seed, 32, 12) });
        let mut noticed = false;
        for office in offices {
            noticed = noticed || compared(office).await.1.is_some();
        }
        assert!(noticed, "{term:?}");
    }
}
