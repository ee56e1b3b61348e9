//! Wires the function; see its library for what it does.

use realtime::{App, handle};
use shared_lambda::{Error, clock, run, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    run(async |input| handle(app, input, clock::now()).await).await
}
