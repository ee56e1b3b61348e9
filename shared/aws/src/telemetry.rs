//! One JSON line per event on standard error. `RUST_LOG` sets the level. Fields are named; numbers, texts, e-mails and
//! tokens are never among them.

use tracing_subscriber::EnvFilter;

/// Starts logging; call it first in `main`.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_current_span(true)
        .with_span_list(false)
        .init();
}
