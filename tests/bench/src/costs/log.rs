//! The bytes that the handlers log, and the metrics that `CloudWatch` counts from them.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use shared_lambda::telemetry::subscriber;
use tracing::{Dispatch, level_filters::LevelFilter};

/// What `CloudWatch` Logs adds to each line.
const LINE_OVERHEAD: u64 = 26;

/// What the functions of a measurement log. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    bytes: Arc<AtomicU64>,
    metrics: Arc<Mutex<BTreeSet<String>>>,
}

impl Log {
    /// Returns the logger of a deployed function. Its lines are counted and dropped.
    pub(super) fn subscriber(&self) -> Dispatch {
        let log = self.clone();
        Dispatch::new(subscriber(LevelFilter::INFO, "shared-inbox".into(), move || log.clone()))
    }

    /// Returns the bytes since the last call.
    #[expect(clippy::cast_precision_loss, reason = "the bytes of a few lines")]
    pub(super) fn take(&self) -> f64 {
        self.bytes.swap(0, Ordering::Relaxed) as f64
    }

    /// Returns the metrics since the last call.
    pub(super) fn take_metrics(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.metrics.lock().unwrap())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.fetch_add(bytes.len() as u64 + LINE_OVERHEAD, Ordering::Relaxed); // a line is one write
        let line: Value = serde_json::from_slice(bytes).map_err(io::Error::other)?;
        self.metrics.lock().unwrap().extend(metrics(&line));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The metrics of a line. A name is charged for once for each set of values of its dimensions.
fn metrics(line: &Value) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut metrics = BTreeSet::new();
    for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
        for metric in list(&directive["Metrics"]) {
            for names in list(&directive["Dimensions"]) {
                let values: Vec<_> =
                    list(&names).iter().map(|name| line[name.as_str().unwrap()].clone()).collect();
                metrics.insert(format!("{} {}", metric["Name"], Value::from(values)));
            }
        }
    }
    metrics
}
