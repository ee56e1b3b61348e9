//! The report in `BENCHMARKS.md`: the table and the machine.

use std::{fmt::Write, fs, process::Command};

use product_bench::costs::prices::Prices;

use crate::figure::Figure;

const METHOD: &str = "\
## How

The compared implementations run in one process. Their calls alternate, forwards and backwards (ABBA), for five rounds after
a warm-up round. A figure is the median of the rounds' ratios, with the smallest and the largest ratio and the medians of
both times. The table is a DynamoDB engine in the same process with the template's table definition. All calls reach it over
loopback HTTP through the same SDK client.

- **Requests alone** are the requests of the handler, recorded once and replayed unchanged without it.
- **Lock clients** measure in their own processes. Each acquires a new, free lock, which is their fastest path. Our figure
  is the whole handler with its access check, for a conversation that is also in the lists of other users.
- **Starts** are measured from the start of the process to its first answer, through a replacement of Lambda's Runtime API.
  Node and Python run a minimal loop without Lambda's own runtimes. Only the bootstrap sets up TLS.
- **Live events** are measured on a local cloud with the same bootstraps: the product against the emulator's own delivery
  of the same frames. The path from the topic begins behind the table's stream, which the emulator polls.
- **No I/O** is the median of criterion's samples.
- **Dollars** are the counted requests and units of the handlers, multiplied by the list prices in
  [`infra/prices.yaml`](infra/prices.yaml), which also lists the assumptions. The month with a million messages adds the
  counted bytes of the log, its metrics, storage, users and the idle stack. Nothing includes traffic to the internet (100 GB
  a month are free) and the carrier's fees, which are higher than everything else.

## Limits

This machine cannot measure cold starts of Lambda, the latency of DynamoDB, or the throughput of a carrier. The machine is a
busy virtual machine: ratios of one run are reliable, but times of different runs are not comparable.
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
