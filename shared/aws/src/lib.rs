//! The only crate that uses the AWS SDK: stores over the table, queues, the bucket, e-mail and secrets, with
//! domain types in and out.
//!
//! There is one folder per subject, with stores over [`table::Table`] and the items that they store.
//! [`table::keys`] has every key and lists the access patterns. A store method builds a request, sends it and
//! matches the outcome: a failed condition is a value of the outcome, and everything else is a
//! [`table::StoreError`]. The doc comment of a method states its cost, which `tests/costs.rs` verifies.

#![allow(missing_docs, reason = "names and types say what most fields and constructors are")]

pub mod broadcast;
pub mod clients;
pub mod contact;
pub mod conversation;
pub mod event;
pub mod import;
pub mod inbox;
pub mod keyword_reply;
pub mod messaging;
pub mod notification;
pub mod opt_out;
pub mod realtime;
pub mod registration;
pub mod restore;
pub mod segment;
pub mod sending;
pub mod table;
pub mod team;
pub mod template;
pub mod webhook;
