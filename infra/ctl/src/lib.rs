//! The operator's tool for a deployed stack. It does what the API cannot: it creates organizations with their
//! owners, users with their sign-in, machine clients and the carrier's secret. It takes over numbers,
//! examines a stack, handles dead-letter queues, and exports and erases contacts.
//!
//! Every command can be repeated. A command that stopped halfway is completed by running it again.

#![allow(missing_docs, reason = "names and types say what most fields and constructors are")]

pub mod contact;
pub mod dead_letters;
pub mod doctor;
pub mod error;
pub mod machine;
pub mod number;
pub mod operator;
pub mod organization;
pub mod registration;
pub mod restore;
pub mod secret;
pub mod sending;
pub mod team;
pub mod token;
pub mod trace;
pub mod user;

pub use self::{error::Error, operator::Operator};
