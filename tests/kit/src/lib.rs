//! What tests below the journeys stand on: a DynamoDB engine in the process, with the table that `template.yaml`
//! describes, a meter of what it is asked and faults on the way to it; the carrier simulator, a queue, hosts that die, and
//! events as the HTTP API sends them.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test whose ground breaks away should say so"
)]

pub mod carrier;
pub mod docs;
pub mod engine;
pub mod faults;
pub mod gateway;
pub mod meter;
pub mod mortal;
pub mod queue;
pub mod template;
