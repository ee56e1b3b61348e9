//! Wires the function; see its library for what it does.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use outbound_send::{App, handle};
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment().await?;
    let send = async |event: LambdaEvent<_>| {
        Ok::<_, Error>(handle(app, clock::now, clock::entropy, event.payload).await)
    };
    lambda_runtime::run(service_fn(send)).await
}
