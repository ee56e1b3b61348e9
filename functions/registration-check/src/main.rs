//! Wires the function; see its library for what it does.

use registration_check::{App, handle};
use shared_lambda::{Error, clock, run, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    run(async |event| Ok(handle(app, clock::now, event).await)).await
}
