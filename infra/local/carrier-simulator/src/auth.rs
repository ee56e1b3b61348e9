//! Basic auth with the account's sid and token, and the account named in a path.

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

/// Lets a request through when it shows the account and its token, else answers `401` with code 20003.
pub(crate) async fn require_account(
    State(carrier): State<Arc<Carrier>>,
    request: Request,
    next: Next,
) -> Response {
    if shows_account(request.headers(), &carrier.settings) {
        next.run(request).await
    } else {
        Failure::unauthenticated().into_response()
    }
}

impl Carrier {
    /// Another account's resources do not exist here.
    pub(crate) fn own(&self, account: &str, path: &str) -> Result<(), Failure> {
        if account == self.settings.account_sid { Ok(()) } else { Err(Failure::not_found(path)) }
    }
}

fn shows_account(headers: &HeaderMap, settings: &Settings) -> bool {
    let expected = format!("{}:{}", settings.account_sid, settings.auth_token);
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok())
        .is_some_and(|credentials| credentials == expected.as_bytes())
}
