//! The report in `BENCHMARKS.md`: the table and the machine.

use std::{fmt::Write, fs, process::Command};

use product_bench::costs::prices::Prices;

use crate::figure::Figure;

const METHOD: &str = "\
## How

Contestants stand in one process and take turns call by call, forwards and backwards (ABBA), in five rounds after one that
warms up; told is the median of the rounds' ratios, with the least and the most of them, and the medians of both times. The
table is a DynamoDB engine in the same process, reached over loopback HTTP by the same SDK client; its table is the
template's.

- **Bare requests** are the handler's own, recorded once and made again without it, to the byte.
- **Lock clients** run in processes of their own and measure there; each of their locks is free and new, which is their
  shortest way. Ours is the whole handler with its access check, over a conversation that others see in their lists.
- **Starts** go from the start of the process to its first answer, through a stand-in for Lambda's Runtime API. Node and
  Python run the smallest loop around it, without their own runtimes of Lambda; TLS is set up by the bootstrap alone.
- **No I/O** is measured by criterion: the median of its samples.
- **Dollars** are requests and units that real handlers were counted to ask, times the list prices of
  [`infra/prices.yaml`](infra/prices.yaml). Beside them: storage, traffic, log lines (about $0.50 for a million
  invocations that log 1 kB each), keys of encryption, and the carrier, which asks more than all of it.

## What cannot be claimed from here

Cold starts of Lambda, latency of DynamoDB, throughput of a carrier: none of them is on this machine. Times are of a busy
virtual machine; ratios of one run stand, times of two runs compare badly.
";

/// Returns the whole report.
pub(crate) fn whole(figures: &[Figure], prices: &Prices) -> String {
    let mut text = String::from("# Benchmarks\n\nWritten by `make bench`, not by hand.\n\n");
    writeln!(text, "{}\n", machine(prices)).unwrap();
    text.push_str(&table(figures));
    write!(text, "\n{METHOD}").unwrap();
    text
}

/// Returns the table.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| figure | measured | goal | |\n|---|---|---|---|\n");
    for figure in figures {
        writeln!(text, "{figure}").unwrap();
    }
    text
}

fn machine(prices: &Prices) -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&processors, "model name").unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        field(&memory, "MemTotal").and_then(|size| size.trim_end_matches(" kB").parse::<f64>().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "| | |\n|---|---|\n| date | {} |\n| commit | {} |\n| machine | {cores} cores of {model}, {:.0} GiB |\n| load at \
         the end | {} |\n| prices | {}, of {} |",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        commit(),
        kilobytes.unwrap_or_default() / 1024.0 / 1024.0,
        load.split(' ').next().unwrap_or_default(),
        prices.region,
        prices.checked,
    )
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown".into() };
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { format!("{commit} with changes") }
}
