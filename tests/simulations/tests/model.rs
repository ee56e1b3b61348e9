//! Checks the model of the lock, and that the checker notices each missing term.

use std::{collections::BTreeSet, time::Instant};

use simulations::{
    conditions::Term,
    model::{Lock, Violation},
};
use stateright::{Checker, HasDiscoveries, Model};

use crate::full_run;

#[test]
#[expect(clippy::print_stdout, reason = "the number of states is part of the result")]
fn two_users_never_reply_under_one_lock_in_any_interleaving() {
    let bounds = if full_run() { [(2, 12, 6), (3, 9, 5)] } else { [(2, 7, 4), (3, 6, 3)] };
    for (users, ticks, acquisitions) in bounds {
        let start = Instant::now();
        let lock = Lock::new(users, ticks, acquisitions, None);
        let checker = lock.checker().threads(2).spawn_bfs().join();
        assert!(checker.is_done());
        checker.assert_properties();
        let (states, steps) = (checker.unique_state_count(), checker.state_count());
        println!("{users} users, {ticks} ticks: {states} states in {steps} steps, in {:?}", start.elapsed());
    }
}

/// Returns the violation that occurs without this term.
fn violation_without(term: Term) -> Violation {
    match term {
        Term::AcquireWhenFree
        | Term::AcquireAgain
        | Term::AcquireAfterLease
        | Term::AcquireAfterIdleRelease => Violation::RefusedWithoutReason,
        Term::AcquireAfterSkew | Term::AcquireRefused => Violation::AcquiredTooEarly,
        Term::ReplyHolder => Violation::TwoUsersReplied,
        Term::ReplyToken => Violation::ReplyWithoutLock,
        Term::ReplyLeaseEnd | Term::ReplyIdleEnd => Violation::ReplyAfterEnd,
        Term::RenewHolder | Term::RenewToken => Violation::RenewedWithoutLock,
        Term::RenewLeaseEnd | Term::RenewIdleEnd => Violation::RenewedAfterEnd,
        Term::ReleaseHolder | Term::ReleaseToken | Term::BreakToken => Violation::WrongLockEnded,
        Term::FenceGrows | Term::FenceStays => Violation::TokenNotIncreased,
    }
}

/// Asserts that the checker finds a path to the violation that a missing term allows.
fn assert_violation_is_found(term: Term) {
    let violation: &'static str = format!("{:?}", violation_without(term)).leak();
    let lock = Lock::new(2, 7, 4, Some(term));
    let enough = HasDiscoveries::AllOf(BTreeSet::from([violation]));
    let checker = lock.checker().finish_when(enough).spawn_bfs().join();
    let path =
        checker.discovery(violation).unwrap_or_else(|| panic!("without {term:?} no {violation} is found"));
    assert!(!path.into_actions().is_empty());
}

macro_rules! terms_left_out {
    ($($name:ident: $term:ident,)*) => {
        $(#[test]
        fn $name() {
            assert_violation_is_found(Term::$term);
        })*

        #[test]
        fn every_term_has_a_test() {
            assert_eq!(Term::ALL.to_vec(), vec![$(Term::$term),*]);
        }
    };
}

terms_left_out! {
    without_acquire_when_free: AcquireWhenFree,
    without_acquire_again: AcquireAgain,
    without_acquire_after_lease: AcquireAfterLease,
    without_acquire_after_idle_release: AcquireAfterIdleRelease,
    without_acquire_after_skew: AcquireAfterSkew,
    without_acquire_refused: AcquireRefused,
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
