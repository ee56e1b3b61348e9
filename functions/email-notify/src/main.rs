//! Wires the function; see its library for what it does.

use email_notify::{App, handle};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared_lambda::{clock, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let app = &App::from_environment()?;
    let tell = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(app, clock::now(), event.payload).await);
    lambda_runtime::run(service_fn(tell)).await
}
