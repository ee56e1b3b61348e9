//! Phones of customers. Each journey takes new ones, so journeys do not meet, and one stack bears many runs.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A customer's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    number: String,
}

/// Area codes that are given out: numbers in national notation are looked up.
const AREAS: [u64; 20] =
    [202, 206, 212, 213, 303, 305, 312, 404, 415, 503, 512, 602, 615, 617, 702, 713, 808, 818, 903, 916];

/// Area and exchange of this run, and the line last given out.
static RUN: LazyLock<(String, AtomicU64)> = LazyLock::new(|| {
    let entropy = RandomState::new().hash_one("a number");
    let (area, exchange) = (AREAS[(entropy % 20) as usize], 212 + entropy / 20 % 88); // neither N11 nor 555
    (format!("+1{area}{exchange}"), AtomicU64::new(entropy / 2000))
});

impl Phone {
    /// A number that no other journey has.
    pub fn new() -> Self {
        let (prefix, last) = &*RUN;
        let line = last.fetch_add(1, Ordering::Relaxed) % 10_000;
        Self { number: format!("{prefix}{line:04}") }
    }

    /// This number.
    pub fn of(number: &str) -> Self {
        Self { number: number.to_owned() }
    }

    /// E.164.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// As people in North America write it: `(202) 555-0143`.
    pub fn national(&self) -> String {
        let digits = &self.number[2..];
        format!("({}) {}-{}", &digits[..3], &digits[3..6], &digits[6..])
    }
}

impl Default for Phone {
    fn default() -> Self {
        Self::new()
    }
}
