//! Wires the function; see its library for what it does.

use inbound_voice::{App, handle};
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let app = App::from_environment().await?;
    shared_http::serve::serve(|request| handle(&app, clock::now(), request)).await
}
