//! Every interleaving of the lock's model, and that the checker finds what a missing term lets through.

use std::{collections::BTreeSet, time::Instant};

use simulations::{
    conditions::Term,
    model::{Fault, Lock},
};
use stateright::{Checker, HasDiscoveries, Model};

use crate::full_run;

#[test]
#[expect(clippy::print_stdout, reason = "how much was tried is part of the result")]
fn two_users_never_reply_under_one_lock_in_any_interleaving() {
    let bounds = if full_run() { [(2, 12, 6), (3, 9, 5)] } else { [(2, 7, 4), (3, 6, 3)] };
    for (users, ticks, acquisitions) in bounds {
        let begun = Instant::now();
        let lock = Lock::new(users, ticks, acquisitions, None);
        let checker = lock.checker().threads(2).spawn_bfs().join();
        assert!(checker.is_done());
        checker.assert_properties();
        let (states, tried) = (checker.unique_state_count(), checker.state_count());
        println!("{users} users, {ticks} ticks: {states} states by {tried} steps, in {:?}", begun.elapsed());
    }
}

/// What is let through without this term.
fn let_through(term: Term) -> Fault {
    match term {
        Term::FreeWhenHeldByNobody
        | Term::FreeToItsHolder
        | Term::FreeAfterLeaseEnd
        | Term::FreeAfterIdleEnd => Fault::RefusedForNothing,
        Term::FreeAfterSkew | Term::NotAColleagues => Fault::TakenTooEarly,
        Term::ReplyHolder => Fault::TwoReplied,
        Term::ReplyToken => Fault::ReplyWithoutLock,
        Term::ReplyLeaseEnd | Term::ReplyIdleEnd => Fault::ReplyAfterEnd,
        Term::RenewHolder | Term::RenewToken => Fault::RenewedWithoutLock,
        Term::RenewLeaseEnd | Term::RenewIdleEnd => Fault::RenewedAfterEnd,
        Term::ReleaseHolder | Term::ReleaseToken | Term::BreakToken => Fault::FreedByMistake,
        Term::FenceGrows | Term::FenceStays => Fault::TokenDidNotRise,
    }
}

/// The checker of a lock without a term finds what that lets through, and says how.
fn is_missed(term: Term) {
    let fault: &'static str = format!("{:?}", let_through(term)).leak();
    let lock = Lock::new(2, 7, 4, Some(term));
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([fault]));
    let checker = lock.checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(fault).unwrap_or_else(|| panic!("without {term:?} no {fault} is found"));
    assert!(!path.into_actions().is_empty());
}

macro_rules! missed {
    ($($name:ident: $term:ident,)*) => {
        $(#[test]
        fn $name() {
            is_missed(Term::$term);
        })*

        #[test]
        fn each_term_has_its_test() {
            assert_eq!(Term::ALL.to_vec(), vec![$(Term::$term),*]);
        }
    };
}

missed! {
    without_free_when_held_by_nobody: FreeWhenHeldByNobody,
    without_free_to_its_holder: FreeToItsHolder,
    without_free_after_lease_end: FreeAfterLeaseEnd,
    without_free_after_idle_end: FreeAfterIdleEnd,
    without_free_after_skew: FreeAfterSkew,
    without_not_a_colleagues: NotAColleagues,
    without_reply_holder: ReplyHolder,
    without_reply_token: ReplyToken,
    without_reply_lease_end: ReplyLeaseEnd,
    without_reply_idle_end: ReplyIdleEnd,
    without_renew_holder: RenewHolder,
    without_renew_token: RenewToken,
    without_renew_lease_end: RenewLeaseEnd,
    without_renew_idle_end: RenewIdleEnd,
    without_release_holder: ReleaseHolder,
    without_release_token: ReleaseToken,
    without_break_token: BreakToken,
    without_fence_grows: FenceGrows,
    without_fence_stays: FenceStays,
}
