//! A simulated office, seed by seed, and that it notices what a missing term lets through.

use std::{thread, time::Instant};

use simulations::{
    conditions::Term,
    lock_simulation::{Office, Tally, office, run},
};

use crate::{chosen_seed, full_run};

fn without_watching(office: Office) -> Tally {
    run(office, |_| ())
}

/// Promise 2: two users never both reply under one lock, and a stale holder's reply is refused, whatever the clocks show.
#[test]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
fn nobody_replies_under_another_s_lock_however_wrong_the_clocks_are() {
    let (seeds, cycles) = if full_run() { (0..20, 10_000) } else { (0..20, 1_000) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let begun = Instant::now();
    let halves: Vec<Vec<u64>> =
        (0..2).map(|half| seeds.iter().copied().filter(|seed| seed % 2 == half).collect()).collect();
    let workers: Vec<_> = halves
        .into_iter()
        .map(|seeds| {
            thread::spawn(move || {
                let mut all = Tally::default();
                for seed in seeds {
                    let office = office(seed, 32, cycles);
                    let tally = without_watching(office);
                    println!("{office}: {tally:?}");
                    all = all.and(tally);
                }
                all
            })
        })
        .collect();
    let tallies = workers.into_iter().map(|worker| worker.join().expect("a worker ends"));
    let all = tallies.fold(Tally::default(), Tally::and);
    println!("in {:?}: {all:?}", begun.elapsed());
    assert_eq!(all.violation, None);
    if chosen_seed().is_none() {
        assert_eq!(all.cycles, seeds.len() as u64 * 32 * u64::from(cycles));
        assert!(all.paused >= 1_000 && all.stale >= 1_000 && all.taken_over >= 1_000, "{all:?}");
    }
}

#[test]
fn a_seed_repeats_itself() {
    let office = office(4, 32, 50);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let first = run(office, |step| one.push(format!("{step:?}")));
    let second = run(office, |step| other.push(format!("{step:?}")));
    assert_eq!((first, one), (second, other));
}

/// Without any of the terms something goes wrong within a few seeds; the seed then shows it alone.
#[test]
fn a_missing_term_is_noticed() {
    // What tidies up is the model's alone: nothing of ours does.
    for term in Term::ALL.into_iter().filter(|term| *term != Term::FenceStays) {
        let noticed = (0..60).find_map(|seed| {
            let office = Office { without: Some(term), ..office(seed, 32, 250) };
            without_watching(office).violation.map(|_| office)
        });
        let noticed = noticed.unwrap_or_else(|| panic!("without {term:?} nothing is noticed"));
        assert!(without_watching(noticed).violation.is_some());
    }
}
