//! Imports on a real engine in this process, with files that are only bytes: what rows make of contacts, and what is left of
//! it when hosts die in the middle, deliveries come twice, and people edit beside it.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps as well")]

mod crashes;
mod deliveries;
mod desk;
mod rows;
mod turns;
