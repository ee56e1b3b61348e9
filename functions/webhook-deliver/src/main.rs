//! Wires the function; see its library for what it does.

use shared_lambda::{Error, clock, run, telemetry};
use webhook_deliver::{App, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    run(async |event| Ok(handle(app, clock::now(), clock::entropy, event).await)).await
}
