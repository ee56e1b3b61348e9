//! Wires the function; see its library for what it does.

use retention_sweep::{App, handle};
use serde::de::IgnoredAny;
use shared_lambda::{Error, clock, run, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    run(async |_: IgnoredAny| {
        handle(app, clock::now).await?;
        Ok(())
    })
    .await
}
