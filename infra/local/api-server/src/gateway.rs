//! The HTTP API in front of the functions: it matches the route, verifies the token, and passes an event.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, MatchedPath, RawPathParams, RawQuery, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use serde_json::json;
use test_kit::gateway::Event;

use crate::{
    functions::{Function, Handler, Pages},
    tokens::Tokens,
};

/// The limit of API Gateway.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

#[derive(Clone)]
struct Route {
    handler: Handler,
    /// `None` for routes without a JWT authorizer.
    tokens: Option<Tokens>,
}

/// Returns a router with the routes of all functions. Pages are not in the OpenAPI document.
pub(crate) fn router(functions: Vec<Function>, pages: Pages, tokens: &Tokens) -> Router {
    let mut router = Router::new();
    for function in functions {
        for (path, item) in function.routes.paths.paths {
            for (method, operation) in [
                (MethodFilter::GET, item.get),
                (MethodFilter::POST, item.post),
                (MethodFilter::PUT, item.put),
                (MethodFilter::PATCH, item.patch),
                (MethodFilter::DELETE, item.delete),
            ] {
                let Some(operation) = operation else { continue };
                let is_open = operation.security.is_some(); // an empty requirement, instead of the default
                let tokens = (!is_open).then(|| tokens.clone());
                let route = Route { handler: function.handler.clone(), tokens };
                router = router.route(&path, on(method, answer).with_state(route));
            }
        }
    }
    for (method, path, handler) in [
        (MethodFilter::GET, "/console", &pages.console),
        (MethodFilter::GET, "/console/", &pages.console),
        (MethodFilter::GET, "/console/{*proxy}", &pages.console),
        (MethodFilter::POST, "/console/session/{action}", &pages.console),
        (MethodFilter::GET, "/docs", &pages.reference),
        (MethodFilter::GET, "/docs/{file}", &pages.reference),
    ] {
        let route = Route { handler: handler.clone(), tokens: None };
        router = router.route(path, on(method, answer).with_state(route));
    }
    let not_found = async || (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" })));
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn answer(
    State(route): State<Route>,
    method: Method,
    path: MatchedPath,
    parameters: RawPathParams,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters: Vec<_> = parameters.iter().collect();
    let mut event = Event::new(&format!("{method} {}", path.as_str()), &parameters)
        .query(query.as_deref().unwrap_or_default())
        .raw(body);
    for (name, value) in &headers {
        event = event.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    if let Some(tokens) = &route.tokens {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        let Some(claims) = authorization.and_then(|value| tokens.claims(value)) else {
            return (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Unauthorized" }))).into_response();
        };
        event = event.claims(claims.clone());
    }
    let response = (route.handler)(event.request()).await;
    response.map(|body| Body::from(body.to_vec()))
}
