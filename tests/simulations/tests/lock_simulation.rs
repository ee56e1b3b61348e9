//! Runs the lock simulation with many seeds, and checks that it notices each missing term.

use std::{thread, time::Instant};

use simulations::{
    conditions::Term,
    lock_simulation::{Scenario, Tally, run, scenario},
};

use crate::{chosen_seed, full_run};

fn tally(scenario: Scenario) -> Tally {
    run(scenario, |_| ())
}

#[test]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
fn no_reply_is_accepted_under_the_lock_of_another_user_however_wrong_the_clocks_are() {
    let (seeds, cycles) = if full_run() { (0..20, 10_000) } else { (0..20, 1_000) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let start = Instant::now();
    let halves: Vec<Vec<u64>> =
        (0..2).map(|half| seeds.iter().copied().filter(|seed| seed % 2 == half).collect()).collect();
    let workers: Vec<_> = halves
        .into_iter()
        .map(|seeds| {
            thread::spawn(move || {
                let mut all = Tally::default();
                for seed in seeds {
                    let scenario = scenario(seed, 32, cycles);
                    let tally = tally(scenario);
                    println!("{scenario}: {tally:?}");
                    all = all.and(tally);
                }
                all
            })
        })
        .collect();
    let tallies = workers.into_iter().map(|worker| worker.join().expect("a worker ends"));
    let all = tallies.fold(Tally::default(), Tally::and);
    println!("{:?}: {all:?}", start.elapsed());
    assert_eq!(all.violation, None);
    if chosen_seed().is_none() {
        assert_eq!(all.cycles, seeds.len() as u64 * 32 * u64::from(cycles));
        assert!(all.paused >= 1_000 && all.stale >= 1_000 && all.taken_over >= 1_000, "{all:?}");
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let scenario = scenario(4, 32, 50);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let first = run(scenario, |request| one.push(format!("{request:?}")));
    let second = run(scenario, |request| other.push(format!("{request:?}")));
    assert_eq!((first, one), (second, other));
}

/// Without any of the terms, one of a few seeds shows a violation.
#[test]
fn a_missing_term_is_noticed() {
    // Only the model deletes expired locks.
    for term in Term::ALL.into_iter().filter(|term| *term != Term::FenceStays) {
        let noticed = (0..60).find_map(|seed| {
            let scenario = Scenario { without: Some(term), ..scenario(seed, 32, 250) };
            tally(scenario).violation.map(|_| scenario)
        });
        let noticed = noticed.unwrap_or_else(|| panic!("no violation without {term:?}"));
        assert!(tally(noticed).violation.is_some());
    }
}
