//! The bytes that the handlers log.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use shared_lambda::telemetry::subscriber;
use tracing::{Dispatch, level_filters::LevelFilter};

/// What `CloudWatch` Logs adds to each line.
const LINE_OVERHEAD: u64 = 26;

/// What the functions of a measurement log. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<AtomicU64>);

impl Log {
    /// Returns the logger of a deployed function. Its lines are counted and dropped.
    pub(super) fn subscriber(&self) -> Dispatch {
        let log = self.clone();
        Dispatch::new(subscriber(LevelFilter::INFO, "shared-inbox".into(), move || log.clone()))
    }

    /// Returns the bytes since the last call.
    #[expect(clippy::cast_precision_loss, reason = "the bytes of a few lines")]
    pub(super) fn take(&self) -> f64 {
        self.0.swap(0, Ordering::Relaxed) as f64
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64 + LINE_OVERHEAD, Ordering::Relaxed); // a line is one write
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
