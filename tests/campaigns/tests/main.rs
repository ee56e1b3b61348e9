//! Campaigns: what is promised, tried out at length. Each test runs a part; `make campaign` runs the whole. What draws on
//! entropy prints its seed, and `SEED=…` runs that one alone.

#![cfg_attr(
    test,
    allow(
        clippy::large_futures,
        reason = "whole handlers stand in them, and a test's stack is large enough"
    )
)]

#[cfg(test)]
mod broken;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod house;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod model;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod sends;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod twilio;
#[cfg(test)]
mod wishes;

/// Whether all of it is run.
#[cfg(test)]
fn whole() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|campaign| campaign == "whole")
}

/// The one seed to be run.
#[cfg(test)]
fn chosen_seed() -> Option<u64> {
    let seed = std::env::var("SEED").ok()?;
    Some(seed.parse().expect("SEED is a whole number"))
}
