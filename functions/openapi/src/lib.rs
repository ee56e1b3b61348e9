//! The OpenAPI document, and the sign of life.
//!
//! `openapi.json` beside this crate is generated from the functions (`make openapi`); a test keeps it current and
//! compares it with the routes of the template.

use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared_http::{
    input,
    problem::Problem,
    reply::{self, Outcome},
};
use utoipa::{OpenApi, ToSchema};

const DOCUMENT: &str = include_str!("../openapi.json");

/// The function runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: &'static str,
}

/// Answers one request.
pub fn handle(request: &Request) -> Response<Body> {
    let outcome = match input::route(request) {
        "GET /healthz" => health(),
        "GET /openapi.json" => document(),
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(request), outcome)
}

/// Sign of life
///
/// Answers as long as the API itself does; touches no database.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = Health)), security(()))]
fn health() -> Outcome {
    reply::json(200, &Health { status: "ok" })
}

/// This document
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "service", responses((status = 200)), security(()))]
fn document() -> Outcome {
    Ok(reply::response(200, "application/json", DOCUMENT))
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(health, document))]
pub struct Api;
