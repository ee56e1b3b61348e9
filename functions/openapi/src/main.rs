//! Wires the function; see its library for what it does.

use shared_lambda::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    shared_http::serve::serve(async |request| openapi::handle(&request)).await
}
