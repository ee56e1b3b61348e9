//! Signatures of Standard Webhooks: HMAC-SHA256 over the id, the time and the body of a request, keyed with a
//! secret of the endpoint. After a rotation, requests have a signature of each secret for 24 hours.
//!
//! ```
//! use shared_domain::{time::Timestamp, webhook::signature::{EndpointSecrets, Secret}};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let secrets = EndpointSecrets::single(Secret::new([1; 32])).rotated(Secret::new([2; 32]), now);
//! assert_eq!(secrets.signatures("evt_1", now, "{}").split(' ').count(), 2);
//! ```

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::Sha256;

use crate::time::Timestamp;

/// How long a secret signs after it was replaced.
pub const ROTATION_OVERLAP: Duration = Duration::from_hours(24);
/// The maximum number of replaced secrets that sign. A further rotation ends the oldest one.
const MAX_PREVIOUS: usize = 4;
const PREFIX: &str = "whsec_";
/// The lengths that Standard Webhooks allows, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret of an endpoint. Its text is `whsec_` and its bytes in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret of random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.to_vec())
    }

    /// Parses the text of a secret. Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        LENGTHS.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The text of the secret, which its user gets once.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(&self.0))
    }

    /// Returns the signature of a request: `v1,` and the HMAC in base64.
    ///
    /// # Panics
    /// Never: an HMAC takes a key of any length.
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("an HMAC takes a key of any length");
        mac.update(format!("{id}.{}.{body}", at.seconds()).as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a secret of a webhook endpoint"))
    }
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PreviousSecret {
    secret: Secret,
    /// When it signs no more.
    until: Timestamp,
}

/// The secrets of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSecrets {
    current: Secret,
    /// The newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous: Vec<PreviousSecret>,
}

impl EndpointSecrets {
    /// The secrets of a new endpoint.
    pub fn single(secret: Secret) -> Self {
        Self { current: secret, previous: Vec::new() }
    }

    /// The newest secret.
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// Returns the secrets after a rotation. The replaced one signs for 24 more hours.
    #[must_use]
    pub fn rotated(&self, secret: Secret, now: Timestamp) -> Self {
        let replaced = PreviousSecret { secret: self.current.clone(), until: now + ROTATION_OVERLAP };
        let older = self.previous.iter().filter(|previous| now < previous.until).cloned();
        let previous = std::iter::once(replaced).chain(older).take(MAX_PREVIOUS).collect();
        Self { current: secret, previous }
    }

    /// Returns the value of the header `webhook-signature`: a signature of each secret, separated by spaces.
    pub fn signatures(&self, id: &str, now: Timestamp, body: &str) -> String {
        let previous = self.previous.iter().filter(|previous| now < previous.until);
        let secrets = std::iter::once(&self.current).chain(previous.map(|previous| &previous.secret));
        secrets.map(|secret| secret.sign(id, now, body)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_614_265_330_000);

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    #[test]
    fn the_example_of_standard_webhooks_has_its_signature() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_replaced_secret_signs_for_24_hours() {
        let secrets = EndpointSecrets::single(secret(1)).rotated(secret(2), NOW);
        let last = NOW + ROTATION_OVERLAP - Duration::from_millis(1);
        let by = |byte: u8, at| secret(byte).sign("evt_1", at, "{}");
        assert_eq!(secrets.signatures("evt_1", NOW, "{}"), format!("{} {}", by(2, NOW), by(1, NOW)));
        assert_eq!(secrets.signatures("evt_1", last, "{}"), format!("{} {}", by(2, last), by(1, last)));
        let after = NOW + ROTATION_OVERLAP;
        assert_eq!(secrets.signatures("evt_1", after, "{}"), by(2, after));
    }

    #[test]
    fn repeated_rotations_keep_five_secrets_at_most() {
        let first = EndpointSecrets::single(secret(0));
        let secrets = (1..10).fold(first, |secrets, byte| secrets.rotated(secret(byte), NOW));
        assert_eq!(secrets.signatures("evt_1", NOW, "{}").split(' ').count(), 5);
        let later = secrets.rotated(secret(10), NOW + ROTATION_OVERLAP);
        assert_eq!(later.previous.len(), 1, "expired ones are removed");
    }

    #[test]
    fn a_secret_is_never_shown_by_debug() {
        let text = secret(7).to_text();
        let shown = format!("{:?}", EndpointSecrets::single(secret(7)));
        assert!(!shown.contains(text.trim_start_matches(PREFIX)) && !shown.contains("[7"), "{shown}");
        for other in ["", "whsec_", "whsec_AAAA", "whsec_***", "AAAA", &text["whsec_".len()..]] {
            assert_eq!(Secret::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_text_of_a_secret_is_parsed_again(bytes: [u8; 32]) {
            let secret = Secret::new(bytes);
            prop_assert_eq!(Secret::parse(&secret.to_text()), Some(secret));
        }
    }
}
