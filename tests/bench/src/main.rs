//! `make bench`: every figure in one table, as ratios of one run. Nothing here is a test: a busy machine moves the absolute
//! times, and hardly the ratios. What the program cannot claim stands at the end of [`report`].

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]
#![allow(clippy::cast_precision_loss, reason = "sizes of files are far below the bound")]
#![allow(clippy::unwrap_used, reason = "a measurement whose ground breaks away should say so")]

mod decision;
mod figure;
mod import_ratio;
mod inbound_rate;
mod list_ratio;
mod lock_ratio;
mod money;
mod peers;
mod report;
mod rounds;
mod runtime_api;
mod sizes;
mod starts;
mod tape;

use std::{fs, path::PathBuf};

use clap::{Parser, ValueEnum};
use product_bench::costs::prices::Prices;

/// Measures what is built: handlers, lists, imports, bootstraps, costs, and others beside them.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Folder of the release bootstraps.
    #[arg(long, default_value = "target/release")]
    bootstraps: PathBuf,
    /// Calls of each contestant in a round, and a quarter as many texts of each client; fewer for a quick look.
    #[arg(long, default_value_t = 400)]
    turns: usize,
    /// Invocations before the memory of a bootstrap is read.
    #[arg(long, default_value_t = 10_000)]
    invocations: u32,
    /// Conversations of the large inbox.
    #[arg(long, default_value_t = 1_000_000)]
    conversations: usize,
    /// Only these figures.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Family>,
    /// All figures but these.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<Family>,
    /// Writes the whole report there.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Figures that are measured together, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Family {
    /// The lock's handler against its bare requests.
    Lock,
    /// The lock against lock clients of others, which `tests/bench/peers/install.sh` installs.
    Peers,
    /// Start to first answer and memory of the release bootstrap `conversation-lock`, and of Node and Python.
    Starts,
    /// Inbound texts at sixteen clients.
    Inbound,
    /// An inbound text without I/O.
    Decision,
    /// Lists of a large inbox.
    Lists,
    /// The import of contacts.
    Import,
    /// Sizes of all release bootstraps.
    Sizes,
    /// Dollars of flows and of an idle month.
    Costs,
}

impl Options {
    fn wants(&self, family: Family) -> bool {
        (self.only.is_empty() || self.only.contains(&family)) && !self.skip.contains(&family)
    }
}

#[tokio::main]
async fn main() {
    let (options, prices) = (Options::parse(), Prices::read());
    let mut figures = Vec::new();
    for family in Family::value_variants().iter().copied().filter(|family| options.wants(*family)) {
        eprintln!("measuring: {family:?}");
        let before = figures.len();
        match family {
            Family::Lock => figures.extend(lock_ratio::measure(options.turns).await),
            Family::Peers => figures.extend(peers::measure(options.turns).await),
            Family::Starts => {
                figures.extend(starts::measure(&options.bootstraps, options.invocations).await);
            }
            Family::Inbound => figures.push(inbound_rate::measure(options.turns / 4).await),
            Family::Decision => figures.push(decision::measure().await),
            Family::Lists => figures.extend(list_ratio::measure(options.conversations).await),
            Family::Import => figures.push(import_ratio::measure().await),
            Family::Sizes => figures.extend(sizes::measure(&options.bootstraps)),
            Family::Costs => figures.extend(money::measure(&prices).await),
        }
        figures[before..].iter().for_each(|figure| eprintln!("{figure}"));
    }
    println!("\n{}", report::table(&figures));
    if let Some(path) = options.write {
        fs::write(&path, report::whole(&figures, &prices)).unwrap();
        println!("{} is written", path.display());
    }
}
