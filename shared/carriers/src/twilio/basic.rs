//! Basic credentials. Twilio sends them to an event sink whose destination URL contains user information.
//!
//! Source: RFC 7617. Twilio sends them with the first request, without a challenge:
//! <https://www.twilio.com/docs/events/webhook-quickstart>.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The expected credentials.
#[derive(Clone)]
pub struct BasicCredentials {
    /// `None` if the credentials are unusable, so nothing matches.
    expected: Option<Vec<u8>>,
}

impl BasicCredentials {
    /// Creates the expected credentials. With an empty password or a colon in the user name, nothing matches.
    pub fn new(user: &str, password: &str) -> Self {
        let usable = !password.is_empty() && !user.contains(':');
        let tag = || mac(format!("{user}:{password}").as_bytes()).finalize().into_bytes().to_vec();
        Self { expected: usable.then(tag) }
    }

    /// Whether the `Authorization` header contains these credentials. Compares in constant time.
    pub fn matches(&self, authorization_header: Option<&str>) -> bool {
        let (Some(expected), Some(credentials)) = (&self.expected, authorization_header.and_then(decode))
        else {
            return false;
        };
        mac(&credentials).verify_slice(expected).is_ok()
    }
}

/// Decodes the `user:password` of the header.
fn decode(header: &str) -> Option<Vec<u8>> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Basic").then(|| STANDARD.decode(token.trim()).ok())?
}

/// Digests are compared, so that both sides have the same length.
fn mac(credentials: &[u8]) -> Hmac<Sha256> {
    let mac =
        Hmac::<Sha256>::new_from_slice(b"basic credentials").expect("an HMAC takes a key of any length");
    mac.chain_update(credentials)
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials").finish_non_exhaustive()
    }
}
