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

/// Area code of this run, and the line last given out.
static RUN: LazyLock<(u64, AtomicU64)> = LazyLock::new(|| {
    let chance = RandomState::new().hash_one("area and first line");
    (201 + chance % 789, AtomicU64::new(chance / 789 % 10_000))
});

impl Phone {
    /// A number that no other journey has.
    pub fn new() -> Self {
        let (area, last) = &*RUN;
        let line = last.fetch_add(1, Ordering::Relaxed) % 10_000;
        Self { number: format!("+1{area}556{line:04}") }
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
