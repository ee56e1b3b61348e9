//! One JSON line per event on standard error. `RUST_LOG` is a level: `info`, `debug` …. Fields are named; numbers, texts, e-mails and
//! tokens are never among them.
//!
//! What the libraries write is not ours to keep to that: below `info` they write down whole requests. So the level is for
//! our crates alone, and theirs ends at `info`. Of a panic only the place is written, since its words may hold a value.

use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// The crates whose lines keep to it: all of `functions/` and `shared/`, as a test demands.
const OURS: [&str; 28] = [
    "contact_import",
    "contact_imports",
    "contacts",
    "conversation_lock",
    "conversations",
    "delivery_status",
    "email_notify",
    "inbound_sms",
    "inbound_voice",
    "inbox_reconcile",
    "inboxes",
    "media_copy",
    "messages",
    "openapi",
    "out_of_office",
    "outbound_send",
    "outbox_relay",
    "registration_check",
    "registration_poll",
    "registration_status",
    "registrations",
    "send_reconcile",
    "shared_aws",
    "shared_carriers",
    "shared_domain",
    "shared_http",
    "teams",
    "templates",
];

/// Starts logging; call it first in `main`.
pub fn start() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    subscriber(level.unwrap_or(LevelFilter::INFO), std::io::stderr).init();
    std::panic::set_hook(Box::new(tell));
}

/// What writes lines down: of our crates those up to this level.
pub fn subscriber<W>(level: LevelFilter, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().json().with_writer(to).with_current_span(true).with_span_list(false);
    Registry::default().with(lines.with_filter(written(level)))
}

fn written(level: LevelFilter) -> Targets {
    let others = level.min(LevelFilter::INFO);
    let ours = OURS.into_iter().map(|ours| (ours, level));
    Targets::new().with_default(others).with_targets(ours)
}

/// Where it happened, and not what: the words may be those of a value that was not expected.
fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(event = "panic", place, "panicked");
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        io::Write,
        panic,
        sync::{Arc, Mutex},
    };

    use tracing::Level;

    use super::*;

    #[test]
    fn every_crate_of_ours_is_named() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let named: BTreeSet<String> = ["functions", "shared"]
            .iter()
            .flat_map(|folder| fs::read_dir(format!("{root}/{folder}")).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").exists())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().replace('-', "_");
                let shared = path.parent().is_some_and(|parent| parent.ends_with("shared"));
                if shared { format!("shared_{name}") } else { name }
            })
            .collect();
        assert_eq!(named, OURS.map(str::to_owned).into());
    }

    #[test]
    fn libraries_write_nothing_below_info_whatever_is_asked_for() {
        let all = written(LevelFilter::TRACE);
        for library in ["hyper::client", "aws_smithy_runtime::client", "lambda_runtime", "reqwest"] {
            assert!(!all.would_enable(library, &Level::DEBUG) && all.would_enable(library, &Level::INFO));
        }
        assert!(all.would_enable("shared_http::reply", &Level::TRACE));
        let few = written(LevelFilter::WARN);
        assert!(
            !few.would_enable("lambda_runtime", &Level::INFO) && !few.would_enable("teams", &Level::INFO)
        );
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

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
    fn a_panic_tells_its_place_and_not_its_words() {
        let lines = Lines::default();
        let to = lines.clone();
        let before = panic::take_hook();
        panic::set_hook(Box::new(tell));
        let ended =
            tracing::subscriber::with_default(subscriber(LevelFilter::INFO, move || to.clone()), || {
                panic::catch_unwind(|| panic!("canary +12025550143"))
            });
        panic::set_hook(before);
        assert!(ended.is_err());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("telemetry.rs") && !text.contains("2025550143"), "{text}");
    }
}
