//! The one table: its keys, requests, transactions and idempotency keys.

pub(crate) mod error;
pub(crate) mod idempotency;
pub(crate) mod item;
pub(crate) mod items;
pub mod keys;
pub(crate) mod requests;
pub(crate) mod transaction;

pub use self::{
    error::StoreError,
    idempotency::{Idempotency, KEY_LIFETIME, Remembered, UsedKeys},
    requests::Table,
};
