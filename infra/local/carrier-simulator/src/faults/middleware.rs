//! Applies faults to requests of the API. The route that sends messages also has faults of its own.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Carrier;
use crate::faults::fault::{Fault, Target};

/// Longer than any form of a purchase.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Applies the fault of a request, if there is one. A request that fails on its own keeps its error.
pub(crate) async fn apply(State(carrier): State<Arc<Carrier>>, request: Request, next: Next) -> Response {
    let targets = Target::of(request.method(), request.uri().path());
    let (number, request) = match number_of(request, targets).await {
        Ok(found) => found,
        Err(status) => return status.into_response(),
    };
    let fault = carrier.faults().take_first(&number, targets);
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

/// The number that a request names in its query, or in its form if it is a purchase. Empty if it names none.
/// Errors if the form is too long.
async fn number_of(request: Request, targets: &[Target]) -> Result<(String, Request), StatusCode> {
    let (parts, mut body) = request.into_parts();
    let mut fields = parts.uri.query().unwrap_or_default().as_bytes().to_vec();
    if targets.contains(&Target::Purchases) {
        let form = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        fields = form.to_vec();
        body = form.into();
    }
    let number = form_urlencoded::parse(&fields).find(|(name, _)| name == "PhoneNumber");
    let number = number.map(|(_, number)| number.into_owned()).unwrap_or_default();
    Ok((number, Request::from_parts(parts, body)))
}
