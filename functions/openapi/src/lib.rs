//! The OpenAPI document, its pages, the configuration of the stack, and the health check.
//!
//! `openapi.json` next to this crate is generated from the routes of the functions (`make openapi`). A test
//! keeps it current and compares it with the routes of the template.

mod config;
mod reference;

use axum::{
    Router,
    body::Body,
    extract::{FromRef, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use shared_http::{json::Json, serve};
use shared_lambda::config::{ConfigError, Environment};
use utoipa::ToSchema;

pub use crate::config::{Config, ConfigSignIn, SignInKind};

/// The health of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: &'static str,
}

/// The function's settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    config: Config,
}

impl App {
    /// Reads the settings. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let config = Config::read(&mut env);
        env.finish()?;
        Ok(Self::new(config))
    }

    /// Returns this configuration to front ends.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

shared_http::routes! {
    App:
    health,
    configuration,
    document,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes().merge(reference::routes()), app)
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

/// Configuration of the stack
///
/// Limits, lock times and sign-in, for front ends before anyone signs in.
#[utoipa::path(get, path = "/v1/config", tag = "service", operation_id = "getConfig",
    responses((status = 200, body = Config)),
    security(()))]
async fn configuration(State(config): State<Config>) -> Json<Config> {
    Json(config)
}

/// This document
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "service", operation_id = "getOpenApiDocument",
    responses((status = 200)),
    security(()))]
async fn document(request: HeaderMap) -> Response {
    reference::DOCUMENT.response(&request).map(Body::from)
}
