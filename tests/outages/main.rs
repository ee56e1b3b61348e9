//! Outages over the deployed template: real bootstraps end with SIGKILL at random moments, while the carrier,
//! its webhooks and callbacks, or the table fail. In the end every message is there once, in its order, and
//! delivered. Another run sends a broadcast while its functions are killed, and a third rotates the carrier's
//! token and the signing keys under load.
//!
//! `make outages` starts a local cloud for them. Real processes cannot be given two hours or another clock,
//! so here an outage takes seconds (short) or minutes (`SIMULATION=full`), and sweeps run every two seconds
//! and not every minute. The outages of two hours are in `tests/simulations/tests/outages.rs`.
//!
//! A run prints its seed. `SEED=` repeats the choices of a run, but not the timing of its processes.

#![allow(clippy::print_stdout, reason = "a run reports its seed and its size")]

#[cfg(test)]
mod broadcast;
#[cfg(test)]
mod killer;
#[cfg(test)]
mod load;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod rotations;

/// Whether the runs have their full length.
#[cfg(test)]
fn full_run() -> bool {
    std::env::var("SIMULATION").is_ok_and(|size| size == "full")
}

/// The seed of this run, which is printed.
#[cfg(test)]
fn seed() -> u64 {
    let chosen = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a whole number"));
    let seed = chosen.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("SEED={seed}");
    seed
}

/// Held by the run in progress, because runs disturb the whole stack.
#[cfg(test)]
static STACK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
