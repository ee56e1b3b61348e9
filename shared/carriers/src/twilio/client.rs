//! The HTTPS client: credentials, URLs, and one exchange. [`outcome`](super::outcome),
//! [`lookup`](super::lookup) and [`call`](super::call) interpret the responses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, Url, redirect, retry};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::Serialize;

use super::login::{Login, ReadCredentials};
use super::sid::is_account_sid;

/// The timeout for connecting, which is also at most half of the total timeout. A message without a
/// connection was certainly not sent, which must be distinguishable from a missing response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The default URL of the API for services and campaigns; see [`Client::with_messaging_url`].
const MESSAGING_URL: &str = "https://messaging.twilio.com";

/// The credentials of the API.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AC…`, the account of the messages.
    pub account_sid: String,
    /// The account's sid, or preferably the sid of an API key (`SK…`).
    pub username: String,
    /// The auth token, or the API key's secret.
    pub password: String,
}

/// A client of Twilio's REST API for one account. Cheap to clone.
///
/// Every call opens its own connection. A function can be frozen between two events for longer than the other
/// side keeps a connection open, and the result of a message written to a dead connection is unknown.
///
/// The client does not retry, because only the queue of the worker does. The exception is an answer of 401,
/// which proves that nothing happened: a client of [`Client::reading`] reads its credentials again, and
/// repeats the request once with others. It follows no redirects, ignores the proxies in the environment, and
/// trusts the root certificates in the binary.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    messaging_url: String,
    login: Login,
}

/// A request of the API before it is sent.
pub(crate) struct ApiRequest {
    builder: RequestBuilder,
    http: reqwest::Client,
    login: Login,
}

/// Why a [`Client`] cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not an `http` or `https` URL.
    #[error("the carrier's base URL is not an http or https URL")]
    BaseUrl,
    /// The account sid is not `AC` and 32 hexadecimal digits.
    #[error("the account sid is not AC and 32 hexadecimal digits")]
    AccountSid,
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refused its settings.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
}

/// A response whose headers were read.
pub(crate) struct Answer {
    pub(crate) http_status: u16,
    /// `None` if the body was incomplete or too long.
    pub(crate) body: Option<Vec<u8>>,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No connection was made, so nothing was sent.
    Unreachable,
    /// The request could not be built.
    Unbuildable,
    /// Timeout after connecting.
    TimedOut,
    /// The connection was lost after connecting.
    Disconnected,
}

impl Client {
    /// Creates a client for `base_url` (`https://api.twilio.com`). `timeout` is the total time of a call.
    pub fn new(base_url: &str, credentials: Credentials, timeout: Duration) -> Result<Self, SetupError> {
        if !is_account_sid(&credentials.account_sid) {
            return Err(SetupError::AccountSid);
        }
        Self::with_login(base_url, Login::Fixed(credentials), timeout)
    }

    /// Creates a client that reads its credentials with `read` before each call, and after a call that the
    /// carrier refuses. A call without credentials fails as if the carrier could not be reached.
    pub fn reading(base_url: &str, read: ReadCredentials, timeout: Duration) -> Result<Self, SetupError> {
        Self::with_login(base_url, Login::Read(read), timeout)
    }

    fn with_login(base_url: &str, login: Login, timeout: Duration) -> Result<Self, SetupError> {
        let base_url = checked_base(base_url)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(bundled_roots()?)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .connect_timeout((timeout / 2).min(CONNECT_TIMEOUT))
            .timeout(timeout)
            .build()?;
        Ok(Self { http, base_url, messaging_url: MESSAGING_URL.to_owned(), login })
    }

    /// Sets another URL than `https://messaging.twilio.com` for services and campaigns.
    pub fn with_messaging_url(self, messaging_url: &str) -> Result<Self, SetupError> {
        Ok(Self { messaging_url: checked_base(messaging_url)?, ..self })
    }

    /// The URL of a resource of the account.
    pub(crate) async fn account_url(&self, resource: &str) -> Result<String, NoAnswer> {
        let Credentials { account_sid, .. } = self.login.credentials().await.ok_or(NoAnswer::Unreachable)?;
        Ok(format!("{}/2010-04-01/Accounts/{account_sid}/{resource}", self.base_url))
    }

    /// The URL of the next page. Lists contain it as a path on the same host.
    pub(crate) fn page_url(&self, path_and_query: &str) -> Option<String> {
        path_and_query.starts_with('/').then(|| format!("{}{path_and_query}", self.base_url))
    }

    /// The URL of a resource of the API for services and campaigns.
    pub(crate) fn messaging_url(&self, resource: &str) -> String {
        format!("{}/v1/{resource}", self.messaging_url)
    }

    /// The URL of the next page. Lists contain it as a full URL, of which only the path and the query are
    /// used.
    pub(crate) fn messaging_page_url(&self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let path = Some(url.path()).filter(|path| path.starts_with("/v1/"))?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{path}{query}", self.messaging_url))
    }

    /// The URL of a resource of Event Streams, whose host is `events` where that of the API is `api`.
    pub(crate) fn events_url(&self, resource: &str) -> String {
        format!("{}/v1/{resource}", self.base_url.replacen("://api.", "://events.", 1))
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> ApiRequest {
        ApiRequest {
            builder: self.http.request(method, url),
            http: self.http.clone(),
            login: self.login.clone(),
        }
    }
}

impl ApiRequest {
    pub(crate) fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        Self { builder: self.builder.query(query), ..self }
    }

    pub(crate) fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        Self { builder: self.builder.form(form), ..self }
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    /// Sends the request and reads the response with at most `max_bytes` of body.
    pub(crate) async fn exchange(self, max_bytes: usize) -> Result<Answer, NoAnswer> {
        let credentials = self.login.credentials().await.ok_or(NoAnswer::Unreachable)?;
        let request = self.builder.build().map_err(|error| NoAnswer::from(&error))?;
        let again = request.try_clone();
        let send = async |request, credentials: &Credentials| {
            let request = RequestBuilder::from_parts(self.http.clone(), request);
            let request = request.basic_auth(&credentials.username, Some(&credentials.password));
            request.send().await.map_err(|error| NoAnswer::from(&error))
        };
        let mut response = send(request, &credentials).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(again) = again
            && let Some(renewed) = self.login.renewed(&credentials).await
        {
            response = send(again, &renewed).await?;
        }
        let http_status = response.status().as_u16();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= max_bytes => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Answer { http_status, body: Some(body) }),
                Ok(Some(_)) | Err(_) => return Ok(Answer { http_status, body: None }),
            }
        }
    }
}

pub(super) fn checked_base(url: &str) -> Result<String, SetupError> {
    let url = url.trim_end_matches('/');
    let parsed = Url::parse(url).map_err(|_| SetupError::BaseUrl)?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some()
    {
        return Err(SetupError::BaseUrl);
    }
    Ok(url.to_owned())
}

/// TLS with Mozilla's roots and ring. The default would read the system's roots from disk at startup.
pub(super) fn bundled_roots() -> Result<ClientConfig, rustls::Error> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

impl From<&reqwest::Error> for NoAnswer {
    fn from(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_builder() {
            Self::Unbuildable
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Disconnected
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("account_sid", &self.account_sid).finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
