//! The one table: its keys, requests, transactions and idempotency keys.

pub(crate) mod batch;
pub(crate) mod error;
pub(crate) mod idempotency;
pub(crate) mod item;
pub mod keys;
pub(crate) mod query;
pub(crate) mod requests;
pub(crate) mod transaction;
pub(crate) mod versioned;
pub(crate) mod write_pace;

pub use self::{
    error::StoreError,
    idempotency::{Idempotency, KEY_LIFETIME, Remembered, UsedKeys},
    query::Page,
    requests::Table,
    versioned::Versioned,
};
