//! Downloads of inbound media, from Twilio's hosts only.
//!
//! The URL of a file belongs to Twilio's API. It can require Basic credentials and usually redirects to a
//! storage host, which must not receive them. Whatever the webhook or a redirect contains, requests go only
//! to the configured hosts, only with the scheme of the API, and never to a private network, unless the API
//! itself is there.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/media-resource>.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::LOCATION,
    redirect, retry,
};

use super::client::{Credentials, SetupError, bundled_roots, checked_base};
use super::login::{Login, ReadCredentials};

/// Maximum number of redirects. Each one is checked like the first URL.
const MAX_REDIRECTS: usize = 2;

/// A client that downloads media. Cheap to clone.
#[derive(Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    api: Url,
    storage: Vec<String>,
    login: Login,
    /// Whether private networks are allowed, because the API itself is in one (the simulator).
    allows_private: bool,
}

/// A downloaded file.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The whole content.
    pub content: Vec<u8>,
}

/// Why a download failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL or a redirect is not on a host of the carrier, or there are too many redirects.
    #[error("the URL is not on a host of the carrier")]
    UntrustedHost,
    /// The carrier no longer has the file.
    #[error("the carrier no longer has the file")]
    Gone,
    /// The file is larger than allowed.
    #[error("the file is larger than allowed")]
    TooLarge,
    /// No response, an incomplete one, or a status after which a retry can succeed, including wrong
    /// credentials.
    #[error("the carrier did not return the file (HTTP status {0:?})")]
    Unavailable(Option<u16>),
}

impl MediaClient {
    /// Creates a client for `base_url` (`https://api.twilio.com`) and its storage hosts (`mms.twiliocdn.com`,
    /// with a port if it is not the default). `timeout` is the total time of a download.
    pub fn new(
        base_url: &str,
        storage: Vec<String>,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Self::with_login(base_url, storage, Login::Fixed(credentials), timeout)
    }

    /// Creates a client that reads its credentials with `read`, as
    /// [`Client::reading`](super::Client::reading) does.
    pub fn reading(
        base_url: &str,
        storage: Vec<String>,
        read: ReadCredentials,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Self::with_login(base_url, storage, Login::Read(read), timeout)
    }

    fn with_login(
        base_url: &str,
        storage: Vec<String>,
        login: Login,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        let api = Url::parse(&checked_base(base_url)?).map_err(|_| SetupError::BaseUrl)?;
        let allows_private = is_private_host(&api);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(bundled_roots()?)
            .https_only(api.scheme() == "https")
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(PublicResolver { allows_private }))
            .connect_timeout(timeout / 2)
            .timeout(timeout)
            .build()?;
        Ok(Self { http, api, storage, login, allows_private })
    }

    /// Downloads a file of at most `max_bytes`.
    pub async fn fetch(&self, url: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::UntrustedHost)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(&url).await?;
            match response.status() {
                StatusCode::OK => return content(response, max_bytes).await,
                status if status.is_redirection() => url = next(&url, &response)?,
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::Gone),
                status => return Err(FetchError::Unavailable(Some(status.as_u16()))),
            }
        }
        Err(FetchError::UntrustedHost)
    }

    /// Sends the request, with credentials only to the API.
    async fn request(&self, url: &Url) -> Result<Response, FetchError> {
        let host =
            host(url).filter(|_| url.scheme() == self.api.scheme()).ok_or(FetchError::UntrustedHost)?;
        let is_api = Some(&host) == self::host(&self.api).as_ref();
        if !(is_api || self.storage.contains(&host)) || !url.username().is_empty() || url.password().is_some()
        {
            return Err(FetchError::UntrustedHost);
        }
        // Host names are checked by the resolver. IP addresses are not resolved, so they are checked here.
        if is_private_host(url) && !self.allows_private {
            return Err(FetchError::UntrustedHost);
        }
        if !is_api {
            return sent(self.http.request(Method::GET, url.clone())).await;
        }
        let credentials = self.login.credentials().await.ok_or(FetchError::Unavailable(None))?;
        let response = self.request_as(&credentials, url).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(renewed) = self.login.renewed(&credentials).await
        {
            return self.request_as(&renewed, url).await;
        }
        Ok(response)
    }

    async fn request_as(&self, credentials: &Credentials, url: &Url) -> Result<Response, FetchError> {
        let Credentials { username, password, .. } = credentials;
        sent(self.http.request(Method::GET, url.clone()).basic_auth(username, Some(password))).await
    }
}

async fn sent(request: RequestBuilder) -> Result<Response, FetchError> {
    request.send().await.map_err(|_| FetchError::Unavailable(None))
}

/// The host, with the port if it is not the default.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn next(url: &Url, response: &Response) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    url.join(location.ok_or(FetchError::Unavailable(None))?).map_err(|_| FetchError::UntrustedHost)
}

async fn content(mut response: Response, max_bytes: u64) -> Result<Fetched, FetchError> {
    if response.content_length().is_some_and(|length| length > max_bytes) {
        return Err(FetchError::TooLarge);
    }
    let header = response.headers().get("content-type").and_then(|header| header.to_str().ok());
    let content_type = header.map(str::to_owned);
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unavailable(None))? {
        if (content.len() + chunk.len()) as u64 > max_bytes {
            return Err(FetchError::TooLarge);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(Fetched { content_type, content })
}

/// Resolves names to public addresses only, unless the API itself is in a private network.
struct PublicResolver {
    allows_private: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> =
                found.filter(|address| allows_private || !is_private(address.ip())).collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_private_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_private)
}

/// Whether an address is not on the public internet: loopback, link-local, private, multicast or reserved.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || first == 0
                || (first == 100 && (64..128).contains(&second))
                || first >= 240
        }
        IpAddr::V6(v6) => {
            v6.to_ipv4().is_some_and(|v4| is_private(IpAddr::V4(v4)))
                || v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

impl fmt::Debug for MediaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaClient").field("storage", &self.storage).finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("bytes", &self.content.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_distinguished_from_the_internet() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "::",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["3.5.8.13", "54.239.28.85", "2600:9000::1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
