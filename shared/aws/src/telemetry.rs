//! One JSON line per event on standard error. `RUST_LOG` is a level: `info`, `debug` …. Fields are named; numbers, texts, e-mails and
//! tokens are never among them.

use tracing_subscriber::filter::LevelFilter;

/// Starts logging; call it first in `main`.
pub fn start() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_current_span(true)
        .with_span_list(false)
        .init();
}
