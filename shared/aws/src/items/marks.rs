//! Rows that only mark something: a claim, a used key, a message that waits, whose a number is.

use serde::{Deserialize, Serialize};
use shared_domain::time::Timestamp;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NumberRow {
    pub contact: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClaimRow {
    pub message: String,
    pub at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub body: String,
    pub made: String,
    pub ttl: i64,
}

/// An accepted text that is not yet in the queue, or a send that is to be asked about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    pub org: String,
    pub sk: String,
    pub at: Timestamp,
}
