use std::future::Future;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

/// Calls `handle` with the payload of each event until the execution environment ends. HTTP functions use
/// `shared_http::serve` instead.
pub async fn run<E, R, F>(handle: impl Fn(E) -> F) -> Result<(), Error>
where
    E: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R, Error>>,
{
    // Boxed, because the futures of workflows are large and deeply nested.
    lambda_runtime::run(service_fn(|event: LambdaEvent<E>| Box::pin(handle(event.payload)))).await
}
