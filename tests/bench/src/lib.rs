//! What the measurements of `make bench` and the test of the costs of flows share.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a measurement whose ground breaks away should say so"
)]

pub mod costs;
pub mod scene;
