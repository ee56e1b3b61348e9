//! The clock and the source of random numbers. Functions read them once per event and pass the values on, so
//! that rules and tests get them as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use shared_domain::time::Timestamp;

/// Returns the current time of this host.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Returns random bytes of a secret from the operating system.
///
/// # Panics
/// As [`entropy`].
pub fn secret_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

/// Returns 64 random bits from the operating system.
///
/// # Panics
/// If the operating system has no randomness. Nothing safe can be done without it.
pub fn entropy() -> u64 {
    getrandom::u64().expect("the operating system provides random bytes")
}
