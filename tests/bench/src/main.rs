//! `make bench`: figures as ratios in one run, with their medians. Nothing here is a test: a busy machine moves the
//! absolute times, and hardly the ratios.
//!
//! What cannot be claimed from here: cold starts of real Lambda, latency of real DynamoDB, throughput of a real carrier.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(clippy::cast_precision_loss, reason = "sizes of files are far below the bound")]
#![allow(clippy::unwrap_used, reason = "a measurement whose ground breaks away should say so")]

mod bootstraps;
mod list_ratio;
mod lock_ratio;
mod runtime_api;
mod scene;

use std::path::PathBuf;

use clap::Parser;

/// Measures the lock's handler, the lists of a large inbox, and the release bootstraps.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Folder of the release bootstraps.
    #[arg(long, default_value = "target/release")]
    bootstraps: PathBuf,
    /// Invocations before the memory of a bootstrap is read.
    #[arg(long, default_value_t = 10_000)]
    invocations: u32,
    /// Conversations of the large inbox.
    #[arg(long, default_value_t = 1_000_000)]
    conversations: usize,
    /// Only the lists, which need no bootstraps.
    #[arg(long)]
    lists_only: bool,
}

/// One line of the table.
struct Figure {
    what: String,
    value: String,
    goal: String,
    holds: bool,
}

impl Figure {
    fn new(what: impl Into<String>, value: impl Into<String>, goal: impl Into<String>, holds: bool) -> Self {
        Self { what: what.into(), value: value.into(), goal: goal.into(), holds }
    }
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let mut figures = list_ratio::measure(options.conversations).await;
    if !options.lists_only {
        let scene = scene::Scene::set().await;
        figures.push(lock_ratio::measure(&scene).await);
        figures.extend(bootstraps::sizes(&options.bootstraps));
        figures.extend(bootstraps::run(&scene, &options.bootstraps, options.invocations).await);
    }
    println!("| figure | measured | goal | |\n|---|---|---|---|");
    for Figure { what, value, goal, holds } in figures {
        println!("| {what} | {value} | {goal} | {} |", if holds { "holds" } else { "**does not hold**" });
    }
}
