//! The costs of flows: the counted requests of the handlers at the prices of `infra/prices.yaml`.
//!
//! A flow's own cost has its requests alone. [`million`] adds what follows from them: events, frames, log
//! lines, metrics, storage and what an idle stack costs. Not counted: traffic to the internet, which has 100
//! GB free, and the carrier's fees, which exceed everything else.

pub mod bulk;
pub mod capacity;
mod fakes;
pub mod flows;
pub mod idle;
mod live;
mod log;
pub mod million;
pub mod money;
pub mod prices;
mod step;

use std::{collections::BTreeSet, fmt::Write, ops::Add};

pub use step::{Count, Part, Step};

use prices::Prices;

/// One flow and its steps.
#[derive(Debug)]
pub struct Flow {
    pub name: &'static str,
    /// The planned cost of a million, in dollars.
    pub goal: Option<f64>,
    /// The invocations of functions.
    pub steps: Vec<Step>,
    /// The invocations that write, push and deliver the events of its changes.
    pub live: Vec<Step>,
    /// The metrics that its log lines count.
    pub metrics: BTreeSet<String>,
}

impl Flow {
    /// Returns the sum of the steps.
    pub fn total(&self) -> Count {
        self.steps.iter().map(|step| step.count).sum()
    }

    /// Returns the cost of the events of a million, in dollars.
    pub fn live_dollars(&self, prices: &Prices) -> f64 {
        self.live.iter().map(|step| step.count.dollars_per_million(prices)).fold(0.0, f64::add)
    }

    /// Returns the cost of the log lines of a million and of its events, in dollars.
    pub fn log_dollars(&self, prices: &Prices) -> f64 {
        self.steps.iter().chain(&self.live).map(|step| step.count.log_dollars_per_million(prices)).sum()
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
        let by_size = |one: &Part, other: &Part| other.units.total_cmp(&one.units);
        let order = |one: &Part, other: &Part| one.is_read.cmp(&other.is_read).then(by_size(one, other));
        // The requests name items of the same size in another order in each run.
        parts.sort_by(|one, other| order(one, other).then_with(|| one.what.cmp(&other.what)));
        let mut sentence = String::new();
        for Part { what, is_read, units } in parts {
            let comma = if sentence.is_empty() { "" } else { ", " };
            let read = if is_read { " read" } else { "" };
            write!(sentence, "{comma}{what} {units}{read}").unwrap();
        }
        sentence
    }
}
