//! The carrier simulator over HTTP, and its program.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps that several tests share as well")]

mod callbacks;
mod campaigns;
mod events;
mod faults;
mod inbound;
mod listing;
mod media;
mod numbers;
mod page;
mod program;
mod registration;
mod resource_faults;
mod schema;
mod sending;
mod services;
mod sinks;
mod strictness;
mod support;
