//! Starts the function; see its library for what it does.

use console::{App, handle};
use shared_http::serve::serve;
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let app = App::from_environment()?;
    serve(|request| handle(&app, clock::now(), clock::entropy(), request)).await
}
