//! The only crate that names the AWS SDK: table, queues, bucket, mail and secrets, in and out in domain types.
//!
//! One module per subject, each a struct over the [`table::Table`]; [`keys`] owns every key and lists the access
//! patterns. Each operation reads as build → send → match: a failed condition is an answer, throttling and time-outs are
//! [`table::StoreError::Unavailable`], the rest is unexpected. What each operation costs stands in its doc comment and is
//! counted in `tests/costs.rs`.

pub mod audit;
pub mod bucket;
pub mod client;
pub mod clock;
pub mod config;
pub mod contact_batches;
pub mod contact_book;
pub mod contact_copies;
pub mod contacts;
pub mod conversations;
pub mod deliveries;
pub mod former_numbers;
pub mod held_locks;
pub mod idempotency;
pub mod imports;
pub mod inbound;
pub mod inboxes;
pub mod items;
pub mod keys;
pub mod locks;
pub mod mail;
pub mod media;
pub mod members;
pub mod messages;
pub mod new_inboxes;
pub mod notices;
pub mod opt_out_reviews;
pub mod opt_outs;
pub mod out_of_office;
pub mod outbox;
pub mod queue;
pub mod registrations;
pub mod secrets;
pub mod sends;
pub mod table;
pub mod team_members;
pub mod teams;
pub mod telemetry;
pub mod templates;
mod transaction;
pub mod unread;
