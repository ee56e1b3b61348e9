//! Authentication with the account and its token, and the check of the account in a path.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;
use crate::{Carrier, Settings};

/// Requires Basic authentication. Responds with `401` and code 20003 otherwise.
pub(crate) async fn require_account(
    State(carrier): State<Arc<Carrier>>,
    request: Request,
    next: Next,
) -> Response {
    if has_credentials(request.headers(), &carrier.settings) {
        next.run(request).await
    } else {
        Failure::unauthenticated().into_response()
    }
}

impl Carrier {
    /// Errors with 404 if a path names another account.
    pub(crate) fn check_account(&self, account: &str, path: &str) -> Result<(), Failure> {
        if account == self.settings.account_sid { Ok(()) } else { Err(Failure::not_found(path)) }
    }
}

fn has_credentials(headers: &HeaderMap, settings: &Settings) -> bool {
    let expected = format!("{}:{}", settings.account_sid, settings.auth_token);
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok())
        .is_some_and(|credentials| credentials == expected.as_bytes())
}
