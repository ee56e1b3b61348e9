//! What the flows cost, from what the real handlers are counted to ask and the prices of `infra/prices.yaml`.
//!
//! Not counted: storage, traffic to the internet, log lines (about $0.50 for a million invocations that log 1 kB each), the
//! keys of encryption at rest, and what the carrier asks, which is more than all of it.

pub mod flows;
pub mod idle;
pub mod prices;
mod stand_ins;
mod step;

use std::fmt::Write;

pub use step::{Count, Part, Step};

use prices::Prices;

/// What happens once, step by step.
#[derive(Debug)]
pub struct Flow {
    /// In words.
    pub name: &'static str,
    /// Dollars for a million, as first planned.
    pub goal: f64,
    /// Each invocation of a function.
    pub steps: Vec<Step>,
}

impl Flow {
    /// All of it.
    pub fn total(&self) -> Count {
        self.steps.iter().map(|step| step.count).sum()
    }

    /// For a million.
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.total().dollars_per_million(prices)
    }

    /// Where the units of the table go, writes first and the largest part first, as one sentence.
    pub fn parts(&self) -> String {
        let mut parts: Vec<Part> = Vec::new();
        for part in self.steps.iter().flat_map(|step| &step.parts) {
            match parts.iter_mut().find(|known| (known.is_read, &known.what) == (part.is_read, &part.what)) {
                Some(known) => known.units += part.units,
                None => parts.push(part.clone()),
            }
        }
        parts.sort_by(|one, other| one.is_read.cmp(&other.is_read).then(other.units.total_cmp(&one.units)));
        let mut sentence = String::new();
        for Part { what, is_read, units } in parts {
            let comma = if sentence.is_empty() { "" } else { ", " };
            let read = if is_read { " read" } else { "" };
            write!(sentence, "{comma}{what} {units}{read}").unwrap();
        }
        sentence
    }
}
