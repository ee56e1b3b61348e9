//! Phone numbers of contacts. Each journey uses new numbers, so journeys do not affect each other and can run
//! repeatedly against one stack.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The phone number of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    number: String,
}

/// Area codes in use. The product validates the area codes of numbers in national notation.
const AREA_CODES: [u64; 20] =
    [202, 206, 212, 213, 303, 305, 312, 404, 415, 503, 512, 602, 615, 617, 702, 713, 808, 818, 903, 916];

/// The area code and exchange of this run, and the next line number.
static RUN: LazyLock<(String, AtomicU64)> = LazyLock::new(|| {
    let entropy = RandomState::new().hash_one("a number");
    let (area, exchange) = (AREA_CODES[(entropy % 20) as usize], 212 + entropy / 20 % 88); // neither N11 nor 555
    (format!("+1{area}{exchange}"), AtomicU64::new(entropy / 2000))
});

impl Phone {
    /// Returns a number that no other journey uses.
    pub fn new() -> Self {
        let (prefix, last) = &*RUN;
        let line = last.fetch_add(1, Ordering::Relaxed) % 10_000;
        Self { number: format!("{prefix}{line:04}") }
    }

    /// Returns a phone with this number.
    pub fn of(number: &str) -> Self {
        Self { number: number.to_owned() }
    }

    /// The number in E.164 format.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The number in national notation: `(202) 555-0143`.
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
