//! What every HTTP function shares: who calls, what came in, what goes out.
//!
//! A handler reads top to bottom: [`caller`] → [`input`] → the domain decides → a store writes → [`reply`], or a
//! [`problem::Problem`] from any step. [`wire`] holds the shapes that travel.

pub mod access;
pub mod caller;
pub mod cursor;
pub mod idempotency;
pub mod input;
pub mod problem;
pub mod refusal;
pub mod reply;
pub mod serve;
pub mod webhook;
pub mod wire;
