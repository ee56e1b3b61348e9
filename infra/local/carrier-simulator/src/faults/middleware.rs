//! Applies faults to requests of the API. The route that sends messages also has faults of its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::Carrier;
use crate::faults::fault::{Fault, Target};

/// Applies the fault of a request, if there is one. A request that fails on its own keeps its error.
pub(crate) async fn apply(State(carrier): State<Arc<Carrier>>, request: Request, next: Next) -> Response {
    let targets = Target::of(request.method(), request.uri().path());
    let fault = carrier.faults().take_first(targets);
    if let Some(refusal) = fault.and_then(Fault::refusal) {
        tracing::info!(?fault, "request refused by a fault");
        return refusal;
    }
    let response = next.run(request).await;
    match fault {
        Some(fault) if response.status().is_success() => {
            if fault == Fault::TimeoutAfter {
                tokio::time::sleep(carrier.settings.hold).await;
            }
            fault.lost_answer().unwrap_or(response)
        }
        _ => response,
    }
}
