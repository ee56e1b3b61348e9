//! Wires the function; see its library for what it does.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use outbox_relay::{App, handle};
use shared_lambda::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    let relay = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(app, event.payload).await?);
    lambda_runtime::run(service_fn(relay)).await
}
