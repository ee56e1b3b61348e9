//! Imports over a DynamoDB engine in this process: what rows make of contacts, and what happens if a host dies, a queue
//! message is delivered twice, or a user edits a contact at the same time.

#![allow(clippy::unwrap_used, reason = "tests and their helpers")]

mod crashes;
mod deliveries;
mod rows;
mod team;
mod turns;
