//! Responses: `x-request-id`, problem details, and one log line for each request.

use std::sync::Arc;

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

/// The public URL of the API, without a trailing slash. [`crate::serve::serve`] adds it to each request.
#[derive(Debug, Clone)]
pub struct ApiUrl(pub Arc<str>);

/// What a response needs of its request.
#[derive(Debug)]
pub struct RequestInfo {
    id: String,
    /// `webhook` if the carrier sent it, and else `api`. A dimension of the metric of failed requests.
    kind: &'static str,
    api_url: Option<ApiUrl>,
}

impl RequestInfo {
    pub fn of(request: &Request) -> Self {
        let from_gateway = gateway(request).and_then(|context| context.request_id.clone());
        let id = from_gateway
            .or_else(|| request.lambda_context_ref().map(|context| context.request_id.clone()))
            .unwrap_or_default();
        let kind = if request.uri().path().starts_with("/webhooks/") { "webhook" } else { "api" };
        Self { id, kind, api_url: request.extensions().get().cloned() }
    }
}

/// Finishes a response: adds `x-request-id`, writes the problem details, and logs one line.
pub fn finish(request: &RequestInfo, outcome: Outcome) -> Response<Body> {
    let request_id = &*request.id;
    let mut answer = outcome.unwrap_or_else(|problem| problem_response(request, &problem));
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

fn problem_response(request: &RequestInfo, problem: &Problem) -> Response<Body> {
    let request_id = &*request.id;
    match &problem.cause {
        Some(cause) => {
            tracing::error!(
                event = "request_failed",
                request_id,
                kind = request.kind,
                code = problem.code,
                cause,
                "request failed"
            );
        }
        None => {
            tracing::info!(event = "request_refused", request_id, code = problem.code, "request refused");
        }
    }
    let api_url = request.api_url.as_ref().map_or("", |url| &*url.0);
    let body = problem.body(request_id, api_url).to_string();
    let mut answer = response(problem.status, "application/problem+json", body);
    // A cache in front of the API must not give the refusal of one user to another one.
    answer.headers_mut().insert("cache-control", lambda_http::http::HeaderValue::from_static("no-store"));
    if let Some(seconds) = problem.retry_after {
        answer.headers_mut().insert("retry-after", seconds.into());
    }
    answer
}
