//! `make bench` writes every figure to one table, as ratios of one run. The figures are not tests: a busy
//! machine changes absolute times, but the ratios only a little. The limits of the measurements are at the
//! end of [`report`].

#![allow(clippy::print_stdout, reason = "the program prints a table")]
#![allow(clippy::cast_precision_loss, reason = "sizes of files are far below the bound")]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot run should fail")]

mod broadcast_ratio;
mod decision;
mod distance;
mod import_ratio;
mod inbound_rate;
mod list_ratio;
mod lock_ratio;
mod peers;
mod recorder;
mod report;
mod rounds;
mod runtime_api;
mod sizes;
mod starts;

use std::{fs, path::PathBuf};

use clap::{Parser, ValueEnum};
use product_bench::{
    costs::{money, prices::Prices},
    figure,
};

/// Measures handlers, lists, imports, bootstraps and costs, and compares them with other implementations.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Folder of the release bootstraps.
    #[arg(long, default_value = "target/release")]
    bootstraps: PathBuf,
    /// Calls per contestant and round, and four times the messages per client. Fewer give a quick result.
    #[arg(long, default_value_t = 400)]
    turns: usize,
    /// Invocations before the memory of a bootstrap is measured.
    #[arg(long, default_value_t = 10_000)]
    invocations: u32,
    /// Conversations of the large inbox.
    #[arg(long, default_value_t = 1_000_000)]
    conversations: usize,
    /// Recipients of the broadcast.
    #[arg(long, default_value_t = 100_000)]
    recipients: usize,
    /// Measures only these figures.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Family>,
    /// Skips these figures.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<Family>,
    /// Adds the figures of live events from this file, which `make live FIGURES=` writes.
    #[arg(long)]
    live: Option<PathBuf>,
    /// Writes the report to this file.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Groups of figures, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Family {
    /// The lock's handler compared with its requests alone.
    Lock,
    /// The lock compared with other lock clients, which `tests/bench/peers/install.sh` installs.
    Peers,
    /// Start to first answer and memory of the release bootstrap `conversation-lock`, and of Node and Python.
    Starts,
    /// Inbound messages of sixteen clients.
    Inbound,
    /// An inbound message without I/O.
    Decision,
    /// Lists of a large inbox.
    Lists,
    /// The import of contacts.
    Import,
    /// The preparation and the estimate of a broadcast, and the memory of its worker.
    Broadcasts,
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
    let (mut figures, mut dollars) = (Vec::new(), Vec::new());
    for family in Family::value_variants().iter().copied().filter(|family| options.wants(*family)) {
        eprintln!("measuring: {family:?}");
        let before = figures.len();
        match family {
            Family::Lock => figures.extend(Box::pin(lock_ratio::measure(options.turns)).await),
            Family::Peers => figures.extend(Box::pin(peers::measure(options.turns)).await),
            Family::Starts => {
                figures.extend(starts::measure(&options.bootstraps, options.invocations).await);
            }
            Family::Inbound => figures.push(inbound_rate::measure(options.turns / 4).await),
            Family::Decision => figures.push(decision::measure().await),
            Family::Lists => figures.extend(list_ratio::measure(options.conversations).await),
            Family::Import => figures.push(import_ratio::measure().await),
            Family::Broadcasts => {
                let measured = broadcast_ratio::measure(options.recipients, &options.bootstraps);
                figures.extend(Box::pin(measured).await);
            }
            Family::Sizes => figures.extend(sizes::measure(&options.bootstraps)),
            Family::Costs => dollars = money::measure(&prices).await,
        }
        figures[before..].iter().for_each(|figure| eprintln!("{figure}"));
    }
    figures.extend(options.live.iter().flat_map(|path| figure::Figure::read(path)));
    println!("\n{}", figure::table(&figures));
    println!("{}", figure::table(&dollars));
    if let Some(path) = options.write {
        fs::write(&path, report::whole(&figures, &money::block(&dollars, &prices))).unwrap();
        println!("wrote {}", path.display());
    }
}
