//! Files of inbound messages: one file, fetched from Twilio and nowhere else.
//!
//! A file's address is under Twilio's API, may ask for Basic credentials and mostly leads on to a storage host, which must
//! not see them. Whatever the webhook or a redirect names, only hosts of the given list are asked, only over the API's own
//! scheme, and never at an address of an inner network, unless the API itself is there.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/media-resource>.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Method, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::LOCATION,
    redirect, retry,
};

use super::client::{Credentials, SetupError, bundled_roots, checked_base};

/// Redirects that are followed, each looked at like the first address.
const MAX_REDIRECTS: usize = 2;

/// Fetches files. Cheap to clone.
#[derive(Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    api: Url,
    storage: Vec<String>,
    credentials: Credentials,
    /// The API itself is of an inner network: a simulator's.
    inner_too: bool,
}

/// A file as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What its sender says it is.
    pub content_type: Option<String>,
    /// All of it.
    pub content: Vec<u8>,
}

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The address, or one that it leads to, is not the carrier's, or leads on too often.
    #[error("not an address of the carrier's")]
    Foreign,
    /// The carrier does not have it any more.
    #[error("the carrier does not have it")]
    Gone,
    /// Longer than was allowed.
    #[error("longer than was allowed")]
    TooLarge,
    /// No answer, half an answer, or one that says that it may work later; our credentials may be wrong as well.
    #[error("the carrier did not give it (HTTP status {0:?})")]
    Unavailable(Option<u16>),
}

impl MediaClient {
    /// A client for files of `base_url` (`https://api.twilio.com`) and of the hosts that it leads to
    /// (`mms.twiliocdn.com`, with a port where it is not the usual one). One file has `timeout` in all.
    pub fn new(
        base_url: &str,
        storage: Vec<String>,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        let api = Url::parse(&checked_base(base_url)?).map_err(|_| SetupError::BaseUrl)?;
        let inner_too = is_inner_host(&api);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(bundled_roots()?)
            .https_only(api.scheme() == "https")
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Outside { inner_too }))
            .connect_timeout(timeout / 2)
            .timeout(timeout)
            .build()?;
        Ok(Self { http, api, storage, credentials, inner_too })
    }

    /// Fetches one file of at most `most` bytes.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, address: &str, most: u64) -> Result<Fetched, FetchError> {
        let mut url = Url::parse(address).map_err(|_| FetchError::Foreign)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&url).await?;
            match response.status() {
                StatusCode::OK => return content(response, most).await,
                status if status.is_redirection() => url = next(&url, &response)?,
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(FetchError::Gone),
                status => return Err(FetchError::Unavailable(Some(status.as_u16()))),
            }
        }
        Err(FetchError::Foreign)
    }

    /// The credentials go to the API alone.
    async fn ask(&self, url: &Url) -> Result<Response, FetchError> {
        let host = host(url).filter(|_| url.scheme() == self.api.scheme()).ok_or(FetchError::Foreign)?;
        let is_api = Some(&host) == self::host(&self.api).as_ref();
        if !(is_api || self.storage.contains(&host)) || !url.username().is_empty() || url.password().is_some()
        {
            return Err(FetchError::Foreign);
        }
        // A name is looked at when it is looked up; an address that stands there itself is not looked up.
        if is_inner_host(url) && !self.inner_too {
            return Err(FetchError::Foreign);
        }
        let mut request = self.http.request(Method::GET, url.clone());
        if is_api {
            let Credentials { username, password, .. } = &self.credentials;
            request = request.basic_auth(username, Some(password));
        }
        request.send().await.map_err(|_| FetchError::Unavailable(None))
    }
}

/// Host and, where it is not the scheme's own, port.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn next(url: &Url, response: &Response) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    url.join(location.ok_or(FetchError::Unavailable(None))?).map_err(|_| FetchError::Foreign)
}

async fn content(mut response: Response, most: u64) -> Result<Fetched, FetchError> {
    if response.content_length().is_some_and(|length| length > most) {
        return Err(FetchError::TooLarge);
    }
    let header = response.headers().get("content-type").and_then(|header| header.to_str().ok());
    let content_type = header.map(str::to_owned);
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unavailable(None))? {
        if (content.len() + chunk.len()) as u64 > most {
            return Err(FetchError::TooLarge);
        }
        content.extend_from_slice(&chunk);
    }
    Ok(Fetched { content_type, content })
}

/// Finds addresses of the internet alone, unless the API itself is inside.
struct Outside {
    inner_too: bool,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let inner_too = self.inner_too;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> =
                found.filter(|address| inner_too || !is_inner(address.ip())).collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_inner_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_inner)
}

/// Not of the internet: this host, this network, somebody's own network, or for no single host.
fn is_inner(address: IpAddr) -> bool {
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
            v6.to_ipv4().is_some_and(|v4| is_inner(IpAddr::V4(v4)))
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
    fn inner_networks_are_told_from_the_internet() {
        for inner in [
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
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["3.5.8.13", "54.239.28.85", "2600:9000::1"] {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }
}
