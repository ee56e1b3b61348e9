//! Webhooks as Twilio sends them. The signature is implemented a second time here, from Twilio's
//! documentation, so that the tests do not depend on the product's own code.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use test_kit::gateway::Event;

use crate::api::{EVENTS_PASSWORD, EVENTS_USER};

pub(crate) use test_kit::{
    carrier::{ACCOUNT, TOKEN},
    twilio::{BASE_URL, PREVIOUS_TOKEN, callback_url},
};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const JSON: &str = "application/json";

pub(crate) const MESSAGES: &str = "POST /webhooks/twilio/messages";
pub(crate) const STATUS: &str = "POST /webhooks/twilio/status";
pub(crate) const REGISTRATIONS: &str = "POST /webhooks/twilio/registrations";
pub(crate) const VOICE: &str = "POST /webhooks/twilio/voice";

/// A webhook as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) route: &'static str,
    pub(crate) query: String,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: Option<String>,
    pub(crate) authorization: Option<String>,
}

impl Webhook {
    /// Returns an unsigned form.
    pub(crate) fn form(route: &'static str, query: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            route,
            query: query.to_owned(),
            content_type: Some(FORM.into()),
            body: body.into(),
            signature: None,
            authorization: None,
        }
    }

    /// Returns unsigned registration events with the login and the hash of their body.
    pub(crate) fn events(body: impl Into<Vec<u8>>) -> Self {
        let login = BASE64_STANDARD.encode(format!("{EVENTS_USER}:{EVENTS_PASSWORD}"));
        let events = Self {
            route: REGISTRATIONS,
            query: String::new(),
            content_type: Some(JSON.into()),
            body: body.into(),
            signature: None,
            authorization: Some(format!("Basic {login}")),
        };
        events.hashed()
    }

    /// Sets the hash of this body in the query.
    pub(crate) fn hashed(mut self) -> Self {
        let digest = Sha256::digest(&self.body);
        self.query = format!("bodySHA256={}", data_encoding::HEXLOWER.encode(&digest));
        self
    }

    pub(crate) fn path(&self) -> &'static str {
        self.route.split(' ').nth(1).unwrap()
    }

    /// Returns the URL it is sent to.
    pub(crate) fn url(&self) -> String {
        let question_mark = if self.query.is_empty() { "" } else { "?" };
        format!("{BASE_URL}{}{question_mark}{}", self.path(), self.query)
    }

    /// Signs it for its own URL with the current token.
    pub(crate) fn signed(self) -> Self {
        let url = self.url();
        self.signed_for(&url, TOKEN)
    }

    /// Signs it for `url` with `token`.
    pub(crate) fn signed_for(mut self, url: &str, token: &str) -> Self {
        self.signature = Some(signature(url, self.is_form().then_some(&*self.body), token));
        self
    }

    pub(crate) fn is_form(&self) -> bool {
        let essence = self.content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(FORM)
    }

    pub(crate) fn event(&self) -> Value {
        let mut event = Event::new(self.route, &[]).query(&self.query).raw(&*self.body);
        let headers = [
            ("content-type", &self.content_type),
            ("x-twilio-signature", &self.signature),
            ("authorization", &self.authorization),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                event = event.header(name, value);
            }
        }
        event.event()
    }
}

/// Returns the Base64 of the HMAC-SHA1 over the URL and the sorted parameters of a form.
pub(crate) fn signature(url: &str, form: Option<&[u8]>, token: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    let mut parameters = parameters(form.unwrap_or_default());
    parameters.sort();
    parameters.dedup();
    for (name, value) in parameters {
        mac.update(&name);
        mac.update(&value);
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Returns the decoded names and values in the order of the form.
pub(crate) fn parameters(form: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let decoded = |text: &[u8]| {
        let (mut bytes, mut rest) = (Vec::new(), text);
        while let Some((first, more)) = rest.split_first() {
            let digits = more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match (first, escaped) {
                (b'%', Some(digits)) => {
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &more[2..];
                    continue;
                }
                (b'+', _) => bytes.push(b' '),
                (byte, _) => bytes.push(*byte),
            }
            rest = more;
        }
        bytes
    };
    let split = |pair: &[u8]| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
    };
    pairs.map(split).collect()
}

/// Returns a form with these fields.
pub(crate) fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

/// Returns the accepted tokens.
pub(crate) fn accepted_tokens() -> impl Iterator<Item = &'static str> {
    [TOKEN, PREVIOUS_TOKEN].into_iter()
}
