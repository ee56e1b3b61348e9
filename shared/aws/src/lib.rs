//! The only crate that names the AWS SDK: table, queues, bucket, mail and secrets, in and out in domain types.
//!
//! One folder per subject, with stores over the [`table::Table`] and the items they store; [`table::keys`] owns every key and
//! lists the access patterns. Each operation reads as build → send → match: a failed condition is an answer, throttling and
//! time-outs are [`table::StoreError::Unavailable`], the rest is unexpected. What each operation costs stands in its doc
//! comment and is counted in `tests/costs.rs`.

pub mod clients;
pub mod contact;
pub mod conversation;
pub mod import;
pub mod inbox;
pub mod messaging;
pub mod notification;
pub mod opt_out;
pub mod registration;
pub mod table;
pub mod team;
pub mod template;
