//! The conversation lock in simulation: [`model`] checks every interleaving of a small model, and
//! [`lock_simulation`] runs millions of cycles of many users with wrong clocks.
//!
//! Both use [`conditions`], which applies the rules of [`shared_domain::lock`] as the table's conditions
//! do. Each term of a condition can be left out, to prove that the simulations notice it.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a simulation whose setup fails should panic"
)]

pub mod conditions;
pub mod lock_simulation;
pub mod model;
