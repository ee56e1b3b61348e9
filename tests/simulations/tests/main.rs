//! Randomized tests of what the product guarantees. `make test` runs each at a small size and `make
//! simulations` at its full size. Each run prints its seed, and `SEED=…` repeats a single one.

#![cfg_attr(
    test,
    allow(
        clippy::large_futures,
        reason = "the futures contain whole handlers, and the stack of a test is large enough"
    )
)]

#[cfg(test)]
mod api;
#[cfg(test)]
mod broadcast_points;
#[cfg(test)]
mod broadcast_world;
#[cfg(test)]
mod broadcasts;
#[cfg(test)]
mod broadcasts_together;
#[cfg(test)]
mod broken_requests;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod event_numbers;
#[cfg(test)]
mod events;
#[cfg(test)]
mod extra_fields;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod inbound;
#[cfg(test)]
mod lock_simulation;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod model;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod send_path;
#[cfg(test)]
mod sends;
#[cfg(test)]
mod test_inbox;
#[cfg(test)]
mod webhook;

/// Whether every test runs at its full size, as `make simulations` does.
#[cfg(test)]
fn full_run() -> bool {
    std::env::var("SIMULATION").is_ok_and(|size| size == "full")
}

/// The only seed to run, if `SEED` is set.
#[cfg(test)]
fn chosen_seed() -> Option<u64> {
    let seed = std::env::var("SEED").ok()?;
    Some(seed.parse().expect("SEED is a whole number"))
}
