//! The URL that a carrier reports delivery to. It contains our organization and message ids, so that a
//! callback finds its message before the carrier's id is known, and a proof that we wrote them, so that they
//! cannot be forged.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Path of the status callback, as the template routes it.
pub const STATUS_PATH: &str = "/webhooks/twilio/status";

/// Creates and checks callback URLs with a secret of the deployment.
#[derive(Clone)]
pub struct StatusCallbacks {
    base_url: String,
    secret: Vec<u8>,
}

impl std::fmt::Debug for StatusCallbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusCallbacks").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The message that the query of a callback refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackReference {
    /// One of our messages, with a valid proof.
    Message {
        /// Organization id.
        organization: String,
        /// Message id.
        message: String,
    },
    /// None of our parameters. Use the carrier's message id.
    Absent,
    /// Our parameters without a valid proof.
    Forged,
}

impl StatusCallbacks {
    /// Creates URLs below this public base URL, which has no trailing slash.
    pub fn new(base_url: impl Into<String>, secret: &str) -> Self {
        Self { base_url: base_url.into(), secret: secret.as_bytes().to_vec() }
    }

    /// Returns the URL for one message.
    pub fn url(&self, organization: &str, message: &str) -> String {
        let proof = data_encoding::HEXLOWER.encode(&self.mac(organization, message).finalize().into_bytes());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("organization", organization)
            .append_pair("message", message)
            .append_pair("proof", &proof)
            .finish();
        format!("{}{STATUS_PATH}?{query}", self.base_url)
    }

    /// Reads the query of a callback URL.
    pub fn reference(&self, query: &str) -> CallbackReference {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        match (value("organization"), value("message"), value("proof")) {
            (None, None, None) => CallbackReference::Absent,
            (Some(organization), Some(message), Some(proof)) if self.proves(organization, message, proof) => {
                CallbackReference::Message {
                    organization: organization.to_owned(),
                    message: message.to_owned(),
                }
            }
            _ => CallbackReference::Forged,
        }
    }

    fn proves(&self, organization: &str, message: &str, proof: &str) -> bool {
        let proof = data_encoding::HEXLOWER.decode(proof.as_bytes());
        proof.is_ok_and(|proof| self.mac(organization, message).verify_slice(&proof).is_ok())
    }

    fn mac(&self, organization: &str, message: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        for part in ["status callback", organization, message] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callbacks() -> StatusCallbacks {
        StatusCallbacks::new("https://inbox.example", "secret")
    }

    fn query(url: &str) -> &str {
        url.split_once('?').unwrap().1
    }

    #[test]
    fn a_url_that_we_wrote_refers_to_its_message() {
        let url = callbacks().url("org_1", "msg_1");
        assert!(url.starts_with(
            "https://inbox.example/webhooks/twilio/status?organization=org_1&message=msg_1&proof="
        ));
        let ours = CallbackReference::Message { organization: "org_1".into(), message: "msg_1".into() };
        assert_eq!(callbacks().reference(query(&url)), ours);
    }

    #[test]
    fn a_url_that_we_did_not_write_is_forged() {
        let url = callbacks().url("org_1", "msg_1");
        let forged = [
            query(&url).replace("msg_1", "msg_2"),
            query(&url).replace("org_1", "org_2"),
            "message=msg_1".to_owned(),
            "organization=org_1&message=msg_1&proof=00".to_owned(),
            "organization=org_1&message=msg_1&proof=é".to_owned(),
        ];
        for query in forged {
            assert_eq!(callbacks().reference(&query), CallbackReference::Forged, "{query}");
        }
        assert_eq!(
            StatusCallbacks::new("https://inbox.example", "other").reference(query(&url)),
            CallbackReference::Forged
        );
    }

    #[test]
    fn a_url_without_our_parameters_refers_to_no_message() {
        assert_eq!(callbacks().reference(""), CallbackReference::Absent);
        assert_eq!(callbacks().reference("a=b"), CallbackReference::Absent);
    }

    #[test]
    fn the_secret_is_not_shown() {
        let shown = format!("{:?}", callbacks());
        assert_eq!(shown, r#"StatusCallbacks { base_url: "https://inbox.example", .. }"#);
    }
}
