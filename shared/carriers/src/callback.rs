//! The URL that a carrier reports delivery to. It contains our organization and message ids, so that a
//! callback finds its message before the carrier's id is known, and a proof that we wrote them, so that they
//! cannot be forged.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Path of the status callback, as the template routes it.
pub const STATUS_PATH: &str = "/webhooks/twilio/status";

/// Creates callback URLs.
#[derive(Debug, Clone)]
pub struct StatusCallbacks {
    base_url: String,
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
    pub fn new(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into() }
    }

    /// Returns the URL for one message, signed with `key`.
    pub fn url(&self, key: &str, organization: &str, message: &str) -> String {
        let proof = mac(key, organization, message).finalize().into_bytes();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("organization", organization)
            .append_pair("message", message)
            .append_pair("proof", &data_encoding::HEXLOWER.encode(&proof))
            .finish();
        format!("{}{STATUS_PATH}?{query}", self.base_url)
    }
}

impl CallbackReference {
    /// Reads the query of a callback URL. The proof can be of any of the keys.
    pub fn parse<'a>(query: &str, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        match (value("organization"), value("message"), value("proof")) {
            (None, None, None) => Self::Absent,
            (Some(organization), Some(message), Some(proof))
                if keys.into_iter().any(|key| proves(key, organization, message, proof)) =>
            {
                Self::Message { organization: organization.to_owned(), message: message.to_owned() }
            }
            _ => Self::Forged,
        }
    }
}

fn proves(key: &str, organization: &str, message: &str, proof: &str) -> bool {
    let proof = data_encoding::HEXLOWER.decode(proof.as_bytes());
    proof.is_ok_and(|proof| mac(key, organization, message).verify_slice(&proof).is_ok())
}

fn mac(key: &str, organization: &str, message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    for part in ["status callback", organization, message] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> String {
        StatusCallbacks::new("https://inbox.example").url("key", "org_1", "msg_1")
    }

    fn query(url: &str) -> &str {
        url.split_once('?').unwrap().1
    }

    #[test]
    fn a_url_that_we_wrote_refers_to_its_message_with_any_of_the_keys() {
        let url = url();
        assert!(url.starts_with(
            "https://inbox.example/webhooks/twilio/status?organization=org_1&message=msg_1&proof="
        ));
        let ours = CallbackReference::Message { organization: "org_1".into(), message: "msg_1".into() };
        for keys in [vec!["key"], vec!["new", "key"], vec!["key", "old"]] {
            assert_eq!(CallbackReference::parse(query(&url), keys), ours);
        }
    }

    #[test]
    fn a_url_that_we_did_not_write_is_forged() {
        let url = url();
        let forged = [
            query(&url).replace("msg_1", "msg_2"),
            query(&url).replace("org_1", "org_2"),
            "message=msg_1".to_owned(),
            "organization=org_1&message=msg_1&proof=00".to_owned(),
            "organization=org_1&message=msg_1&proof=é".to_owned(),
        ];
        for query in forged {
            assert_eq!(
                CallbackReference::parse(&query, ["key", "old"]),
                CallbackReference::Forged,
                "{query}"
            );
        }
        assert_eq!(CallbackReference::parse(query(&url), ["other"]), CallbackReference::Forged);
    }

    #[test]
    fn a_url_without_our_parameters_refers_to_no_message() {
        assert_eq!(CallbackReference::parse("", ["key"]), CallbackReference::Absent);
        assert_eq!(CallbackReference::parse("a=b", ["key"]), CallbackReference::Absent);
    }
}
