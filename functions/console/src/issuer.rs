//! Sign-in with another identity provider: the authorization code flow with PKCE (RFC 7636) of a public
//! client.
//!
//! The function exchanges the code, so that a refresh token never reaches scripts. The page makes the state,
//! the nonce and the verifier of a sign-in, keeps them in its tab, and uses them once.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{Client, Response, StatusCode, redirect, retry};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use shared_lambda::config::Environment;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(6);
/// Metadata and tokens have some kilobytes.
const MAX_RESPONSE_BYTES: usize = 128 * 1024;
/// For an issuer that does not say how long its token is valid.
const DEFAULT_SECONDS: u64 = 300;

/// Where and as whom users sign in.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// The issuer as in the claim `iss`.
    pub issuer: String,
    /// The client for browser apps. It has no secret.
    pub client_id: String,
    /// Separated by spaces. `openid` must be one of them.
    pub scopes: String,
    /// `None` if it is in the issuer's metadata.
    pub authorize_url: Option<String>,
    /// `None` if it is in the issuer's metadata.
    pub token_url: Option<String>,
}

impl IssuerSettings {
    /// Reads the settings. `None` if the stack has no issuer of its own, or no client for browser apps.
    pub(crate) fn from_environment(env: &mut Environment) -> Option<Self> {
        let (issuer, client_id) = (env.optional("JWT_ISSUER"), env.optional("OIDC_CLIENT_ID"));
        let scopes = env.optional("OIDC_SCOPES").unwrap_or_else(|| "openid".to_owned());
        let (authorize_url, token_url) = (env.optional("AUTHORIZE_URL"), env.optional("TOKEN_URL"));
        Some(Self { issuer: issuer?, client_id: client_id?, scopes, authorize_url, token_url })
    }
}

/// The identity provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Issuer {
    http: Client,
    settings: IssuerSettings,
    /// The page that a sign-in returns to.
    redirect_url: String,
    metadata: Arc<OnceLock<Metadata>>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The code or the refresh token is wrong, expired, or used already.
    #[error("the issuer refused the code or the token")]
    Refused,
    /// No complete response, or a server error. The same call can succeed later.
    #[error("the issuer is not available ({0})")]
    Unavailable(String),
    /// A wrong setting, or a response that the protocol does not allow.
    #[error("the issuer gave another answer than expected ({0})")]
    Unexpected(String),
}

/// The client of the issuer could not be created.
#[derive(Debug, thiserror::Error)]
pub enum IssuerSetupError {
    /// TLS is not available.
    #[error("TLS is not available ({0})")]
    Tls(#[from] rustls::Error),
    /// The HTTP client has a wrong setting.
    #[error("the HTTP client could not be created ({0})")]
    Client(#[from] reqwest::Error),
}

/// What the page sends along with the user (RFC 6749, section 4.1.1). Each value is from a random generator.
#[derive(Debug, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// SHA-256 of the verifier.
    pub(crate) challenge: String,
}

/// What the page got back, with what it kept.
#[derive(Deserialize)]
pub(crate) struct Redemption {
    pub(crate) code: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

/// The issuer's description of itself: <https://openid.net/specs/openid-connect-discovery-1_0.html>
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: Option<String>,
}

/// The answer to a code or a refresh token (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(crate) struct IssuerTokens {
    pub(crate) access_token: String,
    pub(crate) expires_in: Option<u64>,
    /// Absent if the issuer gives none, or if the old one remains valid.
    pub(crate) refresh_token: Option<String>,
    id_token: Option<String>,
}

impl fmt::Debug for IssuerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerTokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl IssuerTokens {
    /// Seconds until the access token expires.
    pub(crate) fn seconds(&self) -> u64 {
        self.expires_in.unwrap_or(DEFAULT_SECONDS)
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What the ID token must say. It comes from the issuer's own endpoint, so its signature is not checked:
/// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
#[derive(Deserialize)]
struct IdClaims {
    iss: String,
    aud: Value,
    nonce: Option<String>,
}

impl Issuer {
    /// `console_url` is the public URL of the console, with a slash at the end.
    pub fn new(settings: IssuerSettings, console_url: &str) -> Result<Self, IssuerSetupError> {
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        let redirect_url = format!("{console_url}callback");
        Ok(Self { http, settings, redirect_url, metadata: Arc::default() })
    }

    /// Returns where the page sends the user to sign in. A query of the configured URL is kept.
    pub(crate) async fn authorization_url(
        &self,
        authorization: &Authorization,
    ) -> Result<String, IssuerError> {
        let endpoint = match &self.settings.authorize_url {
            Some(url) => url,
            None => &self.metadata().await?.authorization_endpoint,
        };
        let mut url = Url::parse(endpoint).map_err(unexpected)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(IssuerError::Unexpected("the authorization endpoint is no web page".into()));
        }
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_url)
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &authorization.state)
            .append_pair("nonce", &authorization.nonce)
            .append_pair("code_challenge", &authorization.challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Exchanges the code of a sign-in, and checks that the answer belongs to it.
    pub(crate) async fn redeem(&self, redemption: &Redemption) -> Result<IssuerTokens, IssuerError> {
        let tokens = self
            .tokens(&[
                ("grant_type", "authorization_code"),
                ("code", &redemption.code),
                ("redirect_uri", &self.redirect_url),
                ("code_verifier", &redemption.verifier),
            ])
            .await?;
        let id_token = tokens.id_token.as_deref().unwrap_or_default();
        let claims: Option<IdClaims> = claims(id_token);
        let claims = claims.ok_or_else(|| IssuerError::Unexpected("there is no ID token".into()))?;
        if claims.iss != self.settings.issuer || !is_audience(&claims.aud, &self.settings.client_id) {
            return Err(IssuerError::Unexpected("the ID token is of another issuer or client".into()));
        }
        // The code of another sign-in.
        if claims.nonce.as_deref() != Some(&redemption.nonce) {
            return Err(IssuerError::Refused);
        }
        Ok(tokens)
    }

    /// Returns a new access token, and the next refresh token if the issuer replaces it.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<IssuerTokens, IssuerError> {
        self.tokens(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Ends the session of a refresh token (RFC 7009), if the issuer can do that.
    pub(crate) async fn revoke(&self, refresh_token: &str) -> Result<(), IssuerError> {
        let Some(endpoint) = &self.metadata().await?.revocation_endpoint else { return Ok(()) };
        let form = [("token", refresh_token), ("token_type_hint", "refresh_token")];
        self.post(endpoint, &form).await.map(drop)
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<IssuerTokens, IssuerError> {
        let endpoint = match &self.settings.token_url {
            Some(url) => url,
            None => &self.metadata().await?.token_endpoint,
        };
        parsed(&self.post(endpoint, form).await?)
    }

    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, IssuerError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.settings.client_id));
        let response = self.http.post(endpoint).form(&form).send().await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = read(response).await?;
        match status {
            status if status.is_success() => Ok(body),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let Refusal { error } = parsed(&body)?;
                // The last three: the issuer wants the user to come to its page again, as for another factor.
                let is_of_user = matches!(
                    error.as_str(),
                    "invalid_grant"
                        | "access_denied"
                        | "interaction_required"
                        | "login_required"
                        | "consent_required"
                );
                Err(if is_of_user { IssuerError::Refused } else { IssuerError::Unexpected(short(error)) })
            }
            status => Err(IssuerError::Unavailable(status.as_u16().to_string())),
        }
    }

    /// Returns the issuer's metadata, which is read once.
    async fn metadata(&self) -> Result<&Metadata, IssuerError> {
        if let Some(metadata) = self.metadata.get() {
            return Ok(metadata);
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let response = self.http.get(url).send().await.map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(IssuerError::Unavailable(response.status().as_u16().to_string()));
        }
        let metadata: Metadata = parsed(&read(response).await?)?;
        if metadata.issuer != self.settings.issuer {
            return Err(IssuerError::Unexpected("the metadata is of another issuer".into()));
        }
        Ok(self.metadata.get_or_init(|| metadata))
    }
}

async fn read(response: Response) -> Result<Vec<u8>, IssuerError> {
    let mut response = response;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(IssuerError::Unexpected("the response is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, IssuerError> {
    // The error of the parser can quote a token.
    serde_json::from_slice(body).map_err(|_| IssuerError::Unexpected("the response is unreadable".into()))
}

fn claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn is_audience(audience: &Value, client: &str) -> bool {
    match audience {
        Value::Array(all) => all.iter().any(|one| one == client),
        one => one == client,
    }
}

/// The error without its URL.
fn failed(error: &reqwest::Error) -> IssuerError {
    let reason = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "incomplete response"
    };
    IssuerError::Unavailable(reason.into())
}

fn short(text: String) -> String {
    text.chars().filter(char::is_ascii_graphic).take(60).collect()
}

fn unexpected(error: impl fmt::Display) -> IssuerError {
    IssuerError::Unexpected(error.to_string())
}
