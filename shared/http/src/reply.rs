//! Responses: `x-request-id`, problem details, and one log line for each request.

use lambda_http::{Body, Request, RequestExt, Response};

use crate::{input::gateway, problem::Problem};

/// The result of a handler.
pub type Outcome = Result<Response<Body>, Problem>;

/// Returns a response with this body.
pub fn response(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = lambda_http::http::StatusCode::from_u16(status).unwrap_or_default();
    let content_type = lambda_http::http::HeaderValue::from_static(content_type);
    answer.headers_mut().insert("content-type", content_type);
    answer
}

/// Returns the ID that API Gateway gave the request.
pub fn request_id(request: &Request) -> String {
    let from_gateway = gateway(request).and_then(|context| context.request_id.clone());
    from_gateway
        .or_else(|| request.lambda_context_ref().map(|context| context.request_id.clone()))
        .unwrap_or_default()
}

/// Finishes a response: adds `x-request-id`, writes the problem details, and logs one line.
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
