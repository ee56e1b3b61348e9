//! The OpenAPI document and the health check.
//!
//! `openapi.json` next to this crate is generated from the routes of the functions (`make openapi`). A test
//! keeps it current and compares it with the routes of the template.

use axum::{
    Router,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response as RouterResponse},
};
use serde::Serialize;
use shared_http::{json::Json, serve};
use utoipa::ToSchema;

const DOCUMENT: &str = include_str!("../openapi.json");

/// The health of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: &'static str,
}

shared_http::routes! {
    ():
    health,
    document,
}

/// The function's router.
pub fn router() -> Router {
    serve::router(routes(), ())
}

/// Health check
///
/// Answers as long as the API does. Does not access the database.
#[utoipa::path(get, path = "/healthz", tag = "service", operation_id = "getHealth",
    responses((status = 200, body = Health)),
    security(()))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// This document
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "service", operation_id = "getOpenApiDocument",
    responses((status = 200)),
    security(()))]
async fn document() -> RouterResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], DOCUMENT).into_response()
}
