//! The account's auth tokens and their rotation. Both tokens authenticate; the primary one signs webhooks.
//!
//! | route of `accounts.twilio.com` | effect |
//! |---|---|
//! | `POST /v1/AuthTokens/Secondary` | creates a secondary token, which replaces an earlier one |
//! | `DELETE /v1/AuthTokens/Secondary` | deletes it |
//! | `POST /v1/AuthTokens/Promote` | makes it the primary token; the old one is invalid at once |
//!
//! Source: twilio.com/docs/iam/api/authtoken.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Carrier;
use crate::date::iso8601;
use crate::failure::Failure;
use crate::sid;
use crate::site::Site;

/// The tokens of the account.
pub(crate) struct AuthTokens(RwLock<Tokens>);

struct Tokens {
    primary: String,
    secondary: Option<String>,
}

impl AuthTokens {
    pub(crate) fn new(primary: &str) -> Self {
        Self(RwLock::new(Tokens { primary: primary.to_owned(), secondary: None }))
    }

    /// The token that signs webhooks.
    pub(crate) fn primary(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).primary.clone()
    }

    /// Whether a token authenticates.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        token == tokens.primary || tokens.secondary.as_deref() == Some(token)
    }

    fn create_secondary(&self) -> String {
        let token = sid::random_hex();
        self.0.write().unwrap_or_else(PoisonError::into_inner).secondary = Some(token.clone());
        token
    }

    /// Deletes the secondary token. Returns whether there was one.
    fn delete_secondary(&self) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).secondary.take().is_some()
    }

    /// Makes the secondary token the primary one and returns it. `None` if there is no secondary token.
    fn promote(&self) -> Option<String> {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tokens.primary = tokens.secondary.take()?;
        Some(tokens.primary.clone())
    }
}

/// `POST /v1/AuthTokens/Secondary`.
pub(crate) async fn create_secondary(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
) -> (StatusCode, Json<Value>) {
    let token = carrier.tokens.create_secondary();
    tracing::info!("secondary auth token created");
    (StatusCode::CREATED, Json(resource(&carrier, &site, "Secondary", "secondary_auth_token", &token)))
}

/// `DELETE /v1/AuthTokens/Secondary`.
pub(crate) async fn delete_secondary(State(carrier): State<Arc<Carrier>>) -> Result<StatusCode, Failure> {
    if !carrier.tokens.delete_secondary() {
        return Err(Failure::not_found("/AuthTokens/Secondary"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/AuthTokens/Promote`.
pub(crate) async fn promote(State(carrier): State<Arc<Carrier>>, site: Site) -> Result<Json<Value>, Failure> {
    let token = carrier.tokens.promote().ok_or_else(|| Failure::not_found("/AuthTokens/Secondary"))?;
    tracing::info!("secondary auth token promoted");
    Ok(Json(resource(&carrier, &site, "Promote", "auth_token", &token)))
}

fn resource(carrier: &Carrier, site: &Site, action: &str, property: &str, token: &str) -> Value {
    let now = iso8601(Timestamp::now());
    json!({
        "account_sid": carrier.settings.account_sid,
        property: token,
        "date_created": now,
        "date_updated": now,
        "url": site.url(&format!("/v1/AuthTokens/{action}")),
    })
}
