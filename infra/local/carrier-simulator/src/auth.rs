//! Authentication with the account and its token, and the check of the account in a path.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Carrier;
use crate::failure::Failure;
use crate::routes::CONTROL_PREFIX;

/// Requires Basic authentication. Responds with `401` and code 20003 otherwise.
pub(crate) async fn require_account(
    State(carrier): State<Arc<Carrier>>,
    request: Request,
    next: Next,
) -> Response {
    // The control routes keep the token that the simulator was started with, so that tests do
    // not have to follow a rotation.
    let is_control = request.uri().path().starts_with(CONTROL_PREFIX);
    let is_valid =
        |token: &str| carrier.tokens.accepts(token) || is_control && token == carrier.settings.auth_token;
    if token(request.headers(), &carrier.settings.account_sid).is_some_and(|token| is_valid(&token)) {
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

/// The token of a request's Basic credentials, if they name the account.
fn token(headers: &HeaderMap, account: &str) -> Option<String> {
    let credentials = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok())?;
    let credentials = String::from_utf8(credentials).ok()?;
    credentials.strip_prefix(account)?.strip_prefix(':').map(str::to_owned)
}
