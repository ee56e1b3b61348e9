//! The parts of `make bench` that the test of the costs shares.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a measurement that cannot run should fail"
)]
#![allow(missing_docs, reason = "fields and constructors whose names say what they are")]

pub mod costs;
pub mod figure;
pub mod fixture;
