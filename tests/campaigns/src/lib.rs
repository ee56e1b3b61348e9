//! What is promised of the lock, tried out at length: every interleaving of a small model, and millions of cycles of a
//! simulated office with clocks that are wrong.
//!
//! Both stand on [`conditions`], which asks the rules of [`shared_domain::lock`] as the table's conditions do, and can
//! leave out one term of them: a campaign that finds nothing wrong is worth what it finds when something is.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a campaign whose ground breaks away should say so"
)]

pub mod conditions;
pub mod model;
pub mod simulation;
