//! Wires the function; see its library for what it does.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use send_reconcile::{App, handle};
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment().await?;
    let run = async |_: LambdaEvent<serde_json::Value>| {
        handle(app, clock::now()).await?;
        Ok::<_, Error>(())
    };
    lambda_runtime::run(service_fn(run)).await
}
