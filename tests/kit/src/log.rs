//! What functions write into their log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use shared_lambda::telemetry;
use tracing::{instrument::WithSubscriber, level_filters::LevelFilter};

/// The name of the stack in the log, so that dimensions are as in the template.
pub const STACK: &str = "AWS::StackName";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs functions, and returns what they log.
pub async fn log_of(run: impl Future<Output = ()>) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = telemetry::subscriber(LevelFilter::INFO, STACK.to_owned(), move || writer.clone());
    Box::pin(run).with_subscriber(subscriber).await;
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
