//! The workflows of the product, each once. A workflow reads what a rule of `shared_domain` needs, applies
//! the rule, and writes the outcome through the stores of `shared_aws` or calls the carrier.
//!
//! Nothing here knows a Lambda event, an HTTP request or an SDK type: functions parse events, call one
//! workflow, and turn its outcome into a reply. Time and random numbers are arguments.

#![allow(missing_docs, reason = "constructors, fields and variants whose names say it all")]

pub mod audience;
pub mod broadcast;
mod broadcast_reply;
pub mod callbacks;
pub mod carrier;
pub mod contact_erasure;
pub mod delivery;
pub mod delivery_check;
pub mod import;
pub mod inbound;
pub mod machine_secret;
pub mod membership;
pub mod opt_out;
pub mod outbox;
pub mod probe;
pub mod reconcile;
pub mod restore;
pub mod restored_files;
pub mod retention;
pub mod retry;
pub mod send;
pub mod sweep;
pub mod team_edit;
pub mod webhook;

mod automatic;
mod check_error;
mod keyword;
mod keyword_reply;
mod limits;
mod out_of_office;
mod send_order;
mod turn;
