//! Imports over a DynamoDB engine in this process: the contacts that rows create, crashes of a host, repeated
//! queue messages, and concurrent edits by a user.

#![allow(clippy::unwrap_used, reason = "tests and their helpers")]

mod crashes;
mod deliveries;
mod rows;
mod team;
mod turns;
