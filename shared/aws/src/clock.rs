//! The two things the rules may not reach for themselves: the time and entropy. Read once per event, then passed on.

use std::time::{SystemTime, UNIX_EPOCH};

use shared_domain::time::Timestamp;

/// The time of this host.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// 64 random bits from the operating system.
///
/// # Panics
/// When the system has no randomness to give, in which case nothing safe can be done.
pub fn entropy() -> u64 {
    getrandom::u64().expect("the operating system gives random bytes")
}
