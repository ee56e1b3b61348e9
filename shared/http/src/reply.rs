//! Answers: JSON with the request's id, or a problem, logged once where it is ours.

use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;

use crate::{input::gateway, problem::Problem};

/// What a handler ends in.
pub type Outcome = Result<Response<Body>, Problem>;

/// A JSON answer.
///
/// # Errors
/// `500` for a value that cannot be written, which none of ours is.
pub fn json<T: Serialize>(status: u16, value: &T) -> Outcome {
    let body = serde_json::to_string(value).map_err(|error| Problem {
        cause: Some(error.to_string()),
        ..Problem::new(500, "internal", "Something is wrong on our side; it has been noted.")
    })?;
    Ok(response(status, "application/json", body))
}

/// An answer without content: `204`.
///
/// # Errors
/// None; the type is that of all handlers.
pub fn no_content() -> Outcome {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = lambda_http::http::StatusCode::NO_CONTENT;
    Ok(answer)
}

/// An answer of this type.
pub fn response(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = lambda_http::http::StatusCode::from_u16(status).unwrap_or_default();
    let content_type = lambda_http::http::HeaderValue::from_static(content_type);
    answer.headers_mut().insert("content-type", content_type);
    answer
}

/// The id of the request, as the gateway gave it.
pub fn request_id(request: &Request) -> String {
    let from_gateway = gateway(request).and_then(|context| context.request_id.clone());
    from_gateway
        .or_else(|| request.lambda_context_ref().map(|context| context.request_id.clone()))
        .unwrap_or_default()
}

/// Finishes an answer: `x-request-id`, the problem document, one log line.
pub fn finish(request_id: &str, outcome: Outcome) -> Response<Body> {
    let mut answer = outcome.unwrap_or_else(|problem| problem_response(request_id, &problem));
    tracing::info!(
        event = "request_answered",
        request_id,
        status = answer.status().as_u16(),
        "request answered"
    );
    if let Ok(value) = request_id.parse() {
        answer.headers_mut().insert("x-request-id", value);
    }
    answer
}

fn problem_response(request_id: &str, problem: &Problem) -> Response<Body> {
    match &problem.cause {
        Some(cause) => {
            tracing::error!(
                event = "request_failed",
                request_id,
                code = problem.code,
                cause,
                "request failed"
            );
        }
        None => {
            tracing::info!(event = "request_refused", request_id, code = problem.code, "request refused");
        }
    }
    let body = problem.body(request_id).to_string();
    let mut answer = response(problem.status, "application/problem+json", body);
    if let Some(seconds) = problem.retry_after {
        answer.headers_mut().insert("retry-after", seconds.into());
    }
    answer
}
