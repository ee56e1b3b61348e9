//! The costs of flows: the counted requests of the handlers at the prices of `infra/prices.yaml`.
//!
//! Not counted: storage, traffic to the internet, log lines (about $0.50 for a million invocations that log
//! 1 kB each), the keys of encryption at rest, and the carrier's fees, which exceed everything else.

mod fakes;
pub mod flows;
pub mod idle;
pub mod prices;
mod step;

use std::fmt::Write;

pub use step::{Count, Part, Step};

use prices::Prices;

/// One flow and its steps.
#[derive(Debug)]
pub struct Flow {
    pub name: &'static str,
    /// The planned cost of a million, in dollars.
    pub goal: f64,
    /// The invocations of functions.
    pub steps: Vec<Step>,
}

impl Flow {
    /// Returns the sum of the steps.
    pub fn total(&self) -> Count {
        self.steps.iter().map(|step| step.count).sum()
    }

    /// Returns the cost of a million, in dollars.
    pub fn dollars(&self, prices: &Prices) -> f64 {
        self.total().dollars_per_million(prices)
    }

    /// Returns the uses of the table's units as a sentence, writes first and largest first.
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
