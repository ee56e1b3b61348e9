//! What is promised of the lock, tried out at length: every interleaving of a small model, and millions of cycles of a
//! simulated office with clocks that are wrong.
//!
//! Both stand on [`conditions`], which asks the rules of [`shared_domain::lock`] as the table's conditions do, and can
//! leave out one term of them: a simulation that finds nothing is worth what it finds when a rule is broken.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a simulation whose setup fails should panic"
)]

pub mod conditions;
pub mod lock_simulation;
pub mod model;
