//! Fixtures for tests that run without the local cloud.
//!
//! [`build`] makes domain values with defaults, and [`TestApp`] starts every service that a function talks
//! to: a DynamoDB engine with the table of `template.yaml`, the carrier simulator, an object store, a queue
//! and a topic. [`gateway::Event`] makes the events of the HTTP API. [`faults`], [`crash`] and [`meter`] come
//! between a client and its service: they make requests fail, stop a host, and count capacity units.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a fixture that cannot be set up fails its test"
)]
#![allow(missing_docs, reason = "fields and constructors whose names say what they are")]

pub mod actions;
pub mod alarms;
pub mod app;
pub mod build;
pub mod carrier;
pub mod changes;
pub mod clock;
pub mod connections;
pub mod contention;
pub mod crash;
pub mod dead_letter_queues;
pub mod docs;
pub mod engine;
pub mod faults;
pub mod gate;
pub mod gateway;
pub mod issuer;
pub mod lambda_event;
pub mod log;
pub mod meter;
pub mod partitions;
pub mod queue;
pub mod s3;
pub mod secrets;
pub mod snapshot;
pub mod template;
pub mod topic;
pub mod twilio;
pub mod user_directory;
pub mod user_pool;
pub mod webhook_receiver;

pub use app::TestApp;
