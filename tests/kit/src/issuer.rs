//! An identity provider in memory: authorization code flow with PKCE for a public client. Its tokens are not
//! signed, because only the gateway checks signatures.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A running identity provider. Clones share its state.
#[derive(Debug, Clone)]
pub struct FakeIssuer {
    pub url: String,
    state: Arc<Mutex<Provider>>,
}

#[derive(Debug, Default)]
struct Provider {
    /// Challenge and nonce by code.
    codes: BTreeMap<String, (String, String)>,
    /// The refresh tokens that were issued. The last one is valid.
    issued: Vec<String>,
    revoked: Vec<String>,
    /// Replaces claims of ID tokens.
    claims: Value,
    refresh_token_length: usize,
}

impl FakeIssuer {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Provider { claims: json!({}), refresh_token_length: 8, ..Provider::default() };
        let issuer = Self { url, state: Arc::new(Mutex::new(state)) };
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async |State(issuer): State<Self>| Json(issuer.metadata())),
            )
            .route("/token", post(async |State(issuer): State<Self>, Form(form)| issuer.token(&form)))
            .route("/revoke", post(async |State(issuer): State<Self>, Form(form)| issuer.revoke(&form)))
            .with_state(issuer.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        issuer
    }

    /// The user has signed in, and comes back with this code.
    pub fn approve(&self, code: &str, challenge: &str, nonce: &str) {
        self.state.lock().unwrap().codes.insert(code.into(), (challenge.into(), nonce.into()));
    }

    /// Replaces claims of the next ID tokens.
    pub fn set_claims(&self, claims: Value) {
        self.state.lock().unwrap().claims = claims;
    }

    /// Sets the length of the next refresh tokens. With 0, there are none.
    pub fn set_refresh_token_length(&self, length: usize) {
        self.state.lock().unwrap().refresh_token_length = length;
    }

    /// The refresh tokens that were revoked.
    pub fn revoked(&self) -> Vec<String> {
        self.state.lock().unwrap().revoked.clone()
    }

    fn metadata(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url, "authorization_endpoint": format!("{url}/authorize?tenant=clinic"),
            "token_endpoint": format!("{url}/token"), "revocation_endpoint": format!("{url}/revoke"),
        })
    }

    fn token(&self, form: &BTreeMap<String, String>) -> Response {
        assert_eq!(form["client_id"], "console");
        let mut state = self.state.lock().unwrap();
        let nonce = if form["grant_type"] == "authorization_code" {
            assert_eq!(form["redirect_uri"], "https://api.example.com/texts/console/callback");
            let digest = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
            let approved = state.codes.remove(&form["code"]).filter(|(challenge, _)| *challenge == digest);
            let Some((_, nonce)) = approved else { return refused() };
            nonce
        } else {
            let token = &form["refresh_token"];
            if state.issued.last() != Some(token) || state.revoked.contains(token) {
                return refused();
            }
            String::new()
        };
        let mut claims = json!({ "iss": self.url, "aud": ["console"], "nonce": nonce });
        claims.as_object_mut().unwrap().extend(state.claims.as_object().unwrap().clone());
        let mut tokens = json!({
            "access_token": unsigned(&json!({ "custom:organization_id": "org_1", "custom:user_id": "bob" })),
            "token_type": "Bearer", "expires_in": 600, "id_token": unsigned(&claims),
        });
        if state.refresh_token_length > 0 {
            let next = format!("{:0>1$}", state.issued.len(), state.refresh_token_length);
            tokens["refresh_token"] = next.clone().into();
            state.issued.push(next);
        }
        Json(tokens).into_response()
    }

    fn revoke(&self, form: &BTreeMap<String, String>) -> Response {
        self.state.lock().unwrap().revoked.push(form["token"].clone());
        StatusCode::OK.into_response()
    }
}

fn unsigned(claims: &Value) -> String {
    format!("e30.{}.e30", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn refused() -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response()
}
