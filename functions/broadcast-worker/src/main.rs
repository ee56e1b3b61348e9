//! Wires the function; see its library for what it does.

use broadcast_worker::{App, handle};
use shared_lambda::{Error, clock, run, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    run(async |event| Ok(handle(app, clock::now, clock::entropy, event).await)).await
}
