//! The URLs and addresses that webhooks may reach: `https` at port 443 or 8443 of a name with public
//! addresses only. A stack can allow further IP addresses, such as `127.0.0.1` in the local stack.
//!
//! A name is judged by every address that it resolves to, each time before a request. The request then
//! connects to one of these addresses, so an answer that changes in between has no effect.
//!
//! ```
//! use shared_domain::webhook::url::{AllowedAddresses, UrlError, WebhookUrl};
//!
//! let url = WebhookUrl::parse("https://receiver.example/hook").unwrap();
//! let none = AllowedAddresses::default();
//! assert_eq!(url.check(&["3.5.8.13".parse().unwrap()], &none), Ok(()));
//! assert_eq!(url.check(&["10.0.0.1".parse().unwrap()], &none), Err(UrlError::Address));
//! ```

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::address::is_public;

/// In bytes.
const MAX_LENGTH: usize = 2_000;
const PORTS: [u16; 2] = [443, 8443];

/// Why a webhook may not be sent to a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It has no scheme, no host, or is too long.
    #[error("an https URL of at most 2,000 characters")]
    Malformed,
    /// It has a user name or password.
    #[error("a URL without user name and password")]
    UserInfo,
    /// It is not an `https` URL.
    #[error("a URL with the scheme https")]
    Scheme,
    /// It has another port than 443 or 8443.
    #[error("a URL with port 443 or 8443")]
    Port,
    /// Its host is an IP address.
    #[error("a URL with a host name, not an IP address")]
    Literal,
    /// Its host is an address inside a network, or resolves to one.
    #[error("a URL whose host is on the public internet")]
    Address,
}

/// IP addresses that webhooks may reach although they are not public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedAddresses(Vec<IpAddr>);

impl AllowedAddresses {
    /// Parses IP addresses separated by commas. Returns `None` if one is not an IP address.
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Some(part.parse::<IpAddr>().ok()?.to_canonical())).collect::<Option<_>>().map(Self)
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The URL of an endpoint, normalized: `http://2130706433/` is `http://127.0.0.1/`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Parses an `http` or `https` URL without user name and password.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_LENGTH || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(UrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::UserInfo);
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The scheme, host and port, without the path and query, which can contain a secret.
    fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host, and the port if it is not the default.
    pub fn host(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned()
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(PORTS[0])
    }

    /// The name to resolve. `None` if the host is an IP address.
    pub fn name(&self) -> Option<&str> {
        match self.0.host() {
            Some(Host::Domain(name)) => Some(name),
            _ => None,
        }
    }

    /// The IP address that the host is. `None` if it is a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host() {
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
            _ => None,
        }
    }

    /// Returns whether a webhook may be sent to this URL, whose name resolves to `addresses`. A name that
    /// does not resolve is judged by the URL alone.
    pub fn check(&self, addresses: &[IpAddr], allowed: &AllowedAddresses) -> Result<(), UrlError> {
        let literal = self.address();
        let literals = literal.as_slice();
        let addresses = if literal.is_some() { literals } else { addresses };
        let is_allowed = |address: &IpAddr| allowed.contain(*address);
        if !addresses.is_empty() && addresses.iter().all(is_allowed) {
            return Ok(());
        }
        if self.0.scheme() != "https" {
            Err(UrlError::Scheme)
        } else if literal.is_some() {
            Err(UrlError::Literal)
        } else if !PORTS.contains(&self.port()) {
            Err(UrlError::Port)
        } else if !addresses.iter().all(|address| is_public(*address) || is_allowed(address)) {
            Err(UrlError::Address)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUBLIC: &str = "3.5.8.13";

    fn check(text: &str, addresses: &[&str], allowed: &str) -> Result<(), UrlError> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        WebhookUrl::parse(text)?.check(&addresses, &AllowedAddresses::parse(allowed).unwrap())
    }

    #[test]
    fn https_at_two_ports_of_a_public_name_is_allowed() {
        for url in [
            "https://receiver.example",
            "https://receiver.example/a/b?token=c#d",
            "https://receiver.example:443/",
            "https://receiver.example:8443/",
            "https://xn--bcher-kva.example/",
            "HTTPS://Receiver.Example/",
        ] {
            assert_eq!(check(url, &[PUBLIC, "2600:9000::1"], ""), Ok(()), "{url}");
        }
        assert_eq!(check("https://receiver.example", &[], ""), Ok(()), "resolved before each request");
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, error) in [
            ("", UrlError::Malformed),
            ("receiver.example", UrlError::Malformed),
            ("//receiver.example", UrlError::Malformed),
            ("https://", UrlError::Malformed),
            ("https://receiver.example/ a", UrlError::Malformed),
            ("https://receiver.example/\r\nx: y", UrlError::Malformed),
            ("https://[::1", UrlError::Malformed),
            ("ftp://receiver.example", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("gopher://receiver.example", UrlError::Scheme),
            ("http://receiver.example", UrlError::Scheme),
            ("https://ada@receiver.example", UrlError::UserInfo),
            ("https://ada:pw@receiver.example", UrlError::UserInfo),
            ("https://:pw@receiver.example", UrlError::UserInfo),
            ("https://receiver.example:80", UrlError::Port),
            ("https://receiver.example:22", UrlError::Port),
            ("https://3.5.8.13", UrlError::Literal),
            ("https://127.0.0.1", UrlError::Literal),
            ("https://2130706433", UrlError::Literal),
            ("https://0x7f.1", UrlError::Literal),
            ("https://017700000001", UrlError::Literal),
            ("https://１２７.0.0.1", UrlError::Literal),
            ("https://[::1]", UrlError::Literal),
            ("https://[::ffff:127.0.0.1]", UrlError::Literal),
            ("https://[fd00::1]:8443", UrlError::Literal),
        ] {
            assert_eq!(check(url, &[PUBLIC], ""), Err(error), "{url:?}");
        }
        let long = format!("https://receiver.example/{}", "a".repeat(2_000));
        assert_eq!(check(&long, &[PUBLIC], ""), Err(UrlError::Malformed));
    }

    #[test]
    fn a_name_is_judged_by_every_address_it_resolves_to() {
        let url = "https://receiver.example";
        for inside in ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1", "64:ff9b::7f00:1"] {
            assert_eq!(check(url, &[PUBLIC, inside], ""), Err(UrlError::Address), "{inside}");
        }
    }

    #[test]
    fn an_allowed_address_is_reached_with_any_scheme_and_port() {
        for url in ["http://127.0.0.1:4100/hook", "http://127.1:4100", "https://[::ffff:127.0.0.1]:9"] {
            assert_eq!(check(url, &[], "127.0.0.1"), Ok(()), "{url}");
        }
        let name = "http://localhost:4100";
        assert_eq!(check(name, &["127.0.0.1"], "127.0.0.1"), Ok(()));
        assert_eq!(check(name, &["127.0.0.1", "::1"], "127.0.0.1"), Err(UrlError::Scheme));
        assert_eq!(check(name, &["127.0.0.1", "::1"], "127.0.0.1, ::1"), Ok(()));
        assert_eq!(check("http://127.0.0.2", &[], "127.0.0.1"), Err(UrlError::Scheme));
        assert_eq!(check("http://127.0.0.1.receiver.example", &[PUBLIC], "127.0.0.1"), Err(UrlError::Scheme));
        assert_eq!(
            check("http://127.0.0.1@receiver.example", &[PUBLIC], "127.0.0.1"),
            Err(UrlError::UserInfo)
        );
        assert_eq!(check("https://receiver.example", &[PUBLIC, "127.0.0.1"], "127.0.0.1"), Ok(()));
        assert_eq!(AllowedAddresses::parse("localhost"), None);
        assert_eq!(AllowedAddresses::parse(""), Some(AllowedAddresses::default()));
    }

    #[test]
    fn neither_path_nor_query_is_shown_in_logs() {
        let url = WebhookUrl::parse("https://receiver.example:8443/secret?token=secret").unwrap();
        assert_eq!(format!("{url:?}"), "https://receiver.example:8443");
        assert_eq!(url.host(), "receiver.example:8443");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_url_that_reaches_a_private_address(text in ".{0,60}", octets: [u8; 4]) {
            let address = IpAddr::from(octets);
            for text in [text.clone(), format!("https://{text}"), format!("https://{text}@{address}/")] {
                if let Ok(url) = WebhookUrl::parse(&text)
                    && url.check(&[address], &AllowedAddresses::default()).is_ok()
                {
                    prop_assert!(is_public(address) && url.address().is_none());
                }
            }
        }
    }
}
