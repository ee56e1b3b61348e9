//! Starts the function; see its library for what it does.

use broadcasts::{App, router};
use shared_http::serve::{answer, serve};
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::start();
    let router = router(App::from_environment()?);
    serve(|request| answer(&router, clock::now(), clock::entropy(), request)).await
}
