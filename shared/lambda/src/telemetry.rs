//! Logging: one JSON line per event on standard error. `RUST_LOG` sets the level: `info`, `debug` and so on.
//! Lines carry named fields, never phone numbers, message text, e-mail addresses or tokens. A line whose
//! event has a metric carries it too ([`crate::metric`]).
//!
//! Libraries cannot be held to that rule: below `info` they log whole requests. So `RUST_LOG` applies to the
//! code of this workspace, and libraries log at `info` at most. A panic is logged with its location only,
//! because its message may contain a value.

use std::panic::PanicHookInfo;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterFn, LevelFilter, filter_fn},
    fmt::{self, MakeWriter, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::metric::MetricFormat;

/// Installs the logger. Call it first in `main`.
pub fn start() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let stack = std::env::var("STACK_NAME").unwrap_or_default();
    subscriber(level.unwrap_or(LevelFilter::INFO), stack, std::io::stderr).init();
    std::panic::set_hook(Box::new(log_panic));
}

/// Returns a logger that writes to `writer`: the workspace's lines up to `level`, and those of libraries up
/// to `info`. Metrics are those of this stack.
pub fn subscriber<W>(level: LevelFilter, stack: String, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let json = fmt::format().json().with_current_span(true).with_span_list(false);
    let lines = fmt::layer()
        .with_writer(writer)
        .fmt_fields(JsonFields::new())
        .event_format(MetricFormat::new(json, stack));
    Registry::default().with(lines.with_filter(filter(level)))
}

fn filter(level: LevelFilter) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(move |line| *line.level() <= max_level(level, line.file())).with_max_level_hint(level)
}

/// The level up to which lines of a source file are written.
fn max_level(level: LevelFilter, file: Option<&str>) -> LevelFilter {
    if is_workspace_file(file) { level } else { level.min(LevelFilter::INFO) }
}

/// Whether a source file belongs to this workspace. Cargo compiles the workspace with paths relative to its
/// root, and dependencies with absolute paths.
fn is_workspace_file(file: Option<&str>) -> bool {
    file.is_some_and(|file| file.starts_with("functions/") || file.starts_with("shared/"))
}

/// Logs where a panic happened.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(event = "panic", place, "function panicked");
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        panic,
        sync::{Arc, Mutex},
    };

    use tracing::subscriber::with_default;

    use super::*;

    #[test]
    fn every_source_file_of_a_function_or_shared_crate_belongs_to_the_workspace() {
        assert!(is_workspace_file(Some(file!())));
        assert!(is_workspace_file(Some("functions/teams/src/lib.rs")));
        for file in
            ["/home/ci/.cargo/registry/src/index/hyper-1.0.0/src/client.rs", "vendor/hyper/src/lib.rs", ""]
        {
            assert!(!is_workspace_file(Some(file)), "{file}");
        }
        assert!(!is_workspace_file(None));
    }

    #[test]
    fn libraries_write_nothing_below_info_whatever_the_level() {
        let (library, function) = (Some("/registry/hyper/src/client.rs"), Some("functions/teams/src/lib.rs"));
        assert_eq!(max_level(LevelFilter::TRACE, library), LevelFilter::INFO);
        assert_eq!(max_level(LevelFilter::TRACE, function), LevelFilter::TRACE);
        assert_eq!(max_level(LevelFilter::WARN, library), LevelFilter::WARN);
        assert_eq!(max_level(LevelFilter::WARN, function), LevelFilter::WARN);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_level_applies_to_this_workspace() {
        let lines = Lines::default();
        let writer = lines.clone();
        with_default(subscriber(LevelFilter::DEBUG, String::new(), move || writer.clone()), || {
            tracing::debug!("detail");
            tracing::trace!("more detail");
        });
        assert!(lines.text().contains("detail") && !lines.text().contains("more detail"), "{}", lines.text());
    }

    #[test]
    fn a_panic_is_counted_and_logged_with_its_place_and_without_its_message() {
        let lines = Lines::default();
        let writer = lines.clone();
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let ended =
            with_default(subscriber(LevelFilter::INFO, String::new(), move || writer.clone()), || {
                panic::catch_unwind(|| panic!("canary +12025550143"))
            });
        panic::set_hook(before);
        assert!(ended.is_err());
        let text = lines.text();
        assert!(text.contains("telemetry.rs") && !text.contains("2025550143"), "{text}");
        assert!(text.contains(r#""Panics":1"#), "{text}");
    }
}
