//! `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed with the account's auth token, over the URL and the
//! parameters.
//!
//! - The URL is the one that Twilio calls. It is rebuilt from the configured public base URL and the raw path
//!   and query, and never taken from the request's host.
//! - A form adds its decoded and sorted parameters. For any other body, the URL contains `bodySHA256`, which
//!   must be the digest of the body. A body that the signature does not cover is refused.
//! - A signature has no time. Message ids protect against replays.
//!
//! Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-security>. The tests use the vectors of
//! Twilio's own libraries.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::signed_text::{body_hash, parameters, url_forms};
use super::{MAX_BODY_BYTES, MAX_JSON_BYTES, form};

/// Why a request is not from Twilio. No variant reveals the expected signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature header, or it is empty.
    #[error("the signature header is missing")]
    Missing,
    /// The signature matches no form of the URL with any of the tokens.
    #[error("the signature does not match the request")]
    Mismatch,
    /// The body is not a form, and the URL has no `bodySHA256`.
    #[error("the body is not covered by the signature: bodySHA256 is missing")]
    BodyHashMissing,
    /// The URL is signed, but for another body.
    #[error("the body does not match bodySHA256")]
    BodyHashMismatch,
    /// The body is longer than [`MAX_BODY_BYTES`] for a form or [`MAX_JSON_BYTES`] for other bodies. The
    /// signature was not computed.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes (form) or {MAX_JSON_BYTES} bytes (other)")]
    BodyTooLarge,
}

/// Why a [`Verifier`] cannot be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The public base URL does not start with `https://` or `http://`.
    #[error("the public base URL must start with https:// or http://")]
    BaseUrl,
    /// There are no tokens, or more than two.
    #[error("expected one or two auth tokens, not {0}")]
    TokenCount(usize),
    /// A token is empty, so anyone could sign with it.
    #[error("an auth token is empty")]
    EmptyToken,
}

/// The signed parts of a request, as received: neither decoded nor normalized.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The path with its leading slash and its percent-encoding.
    pub raw_path: &'a str,
    /// The query without the question mark. `None` and empty are equivalent.
    pub raw_query: Option<&'a str>,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `X-Twilio-Signature` header.
    pub signature: Option<&'a str>,
    /// The bytes of the body, after the gateway's base64 is decoded.
    pub body: &'a [u8],
}

/// Verifies that requests are from Twilio.
#[derive(Clone)]
pub struct Verifier {
    public_base_url: String,
    auth_tokens: Vec<String>,
}

impl Verifier {
    /// Creates a verifier for webhooks below `public_base_url`, with or without a trailing slash. The
    /// signature can use the first of `auth_tokens` or, during a rotation, the second.
    pub fn new(public_base_url: impl Into<String>, auth_tokens: Vec<String>) -> Result<Self, VerifierError> {
        let mut public_base_url = public_base_url.into();
        public_base_url.truncate(public_base_url.trim_end_matches('/').len());
        if !["https://", "http://"].iter().any(|scheme| public_base_url.starts_with(scheme)) {
            return Err(VerifierError::BaseUrl);
        }
        if !(1..=2).contains(&auth_tokens.len()) {
            return Err(VerifierError::TokenCount(auth_tokens.len()));
        }
        if auth_tokens.iter().any(String::is_empty) {
            return Err(VerifierError::EmptyToken);
        }
        Ok(Self { public_base_url, auth_tokens })
    }

    /// Verifies that the request was signed with one of the tokens, for this URL and body.
    pub fn verify(&self, request: &SignedRequest<'_>) -> Result<(), SignatureError> {
        self.verify_urls(&[self.url(request)], request)
    }

    /// Like [`Self::verify`], for an event sink whose destination URL has user information (`user:password`,
    /// percent-encoded as in the URL). The signature can cover the URL with or without it.
    /// [`BasicCredentials`](super::BasicCredentials) checks that the request has the credentials.
    pub fn verify_with_user_info(
        &self,
        request: &SignedRequest<'_>,
        user_info: &str,
    ) -> Result<(), SignatureError> {
        let url = self.url(request);
        let with_user_info = url.replacen("://", &format!("://{user_info}@"), 1);
        self.verify_urls(&[url, with_user_info], request)
    }

    fn url(&self, request: &SignedRequest<'_>) -> String {
        let mut url = format!("{}{}", self.public_base_url, request.raw_path);
        if let Some(query) = request.raw_query.filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    fn verify_urls(&self, urls: &[String], request: &SignedRequest<'_>) -> Result<(), SignatureError> {
        let SignedRequest { content_type, body, signature, .. } = *request;
        verify_any(urls, content_type, body, signature, &self.auth_tokens)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("public_base_url", &self.public_base_url)
            .field("auth_tokens", &self.auth_tokens.len())
            .finish()
    }
}

/// Verifies a request with a known full URL.
pub fn verify_url(
    url: &str,
    content_type: Option<&str>,
    body: &[u8],
    signature: Option<&str>,
    auth_tokens: &[impl AsRef<str>],
) -> Result<(), SignatureError> {
    verify_any(&[url.to_owned()], content_type, body, signature, auth_tokens)
}

/// Verifies a request with several possible URLs, which differ only before the path.
fn verify_any(
    urls: &[String],
    content_type: Option<&str>,
    body: &[u8],
    signature: Option<&str>,
    auth_tokens: &[impl AsRef<str>],
) -> Result<(), SignatureError> {
    let signature = signature.filter(|header| !header.is_empty()).ok_or(SignatureError::Missing)?;
    let is_form = content_type.is_some_and(is_form);
    if body.len() > if is_form { MAX_BODY_BYTES } else { MAX_JSON_BYTES } {
        return Err(SignatureError::BodyTooLarge);
    }
    let expected_hash = if is_form { None } else { urls.first().and_then(|url| body_hash(url)) };
    if !is_form && !body.is_empty() && expected_hash.is_none() {
        return Err(SignatureError::BodyHashMissing);
    }
    let parameters = if is_form { parameters(form::pairs(body).collect()) } else { Vec::new() };
    let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Mismatch)?;
    let urls: Vec<String> = urls.iter().flat_map(|url| url_forms(url)).collect();
    let matches =
        |token: &str| urls.iter().any(|url| mac(url, &parameters, token).verify_slice(&signature).is_ok());
    if !auth_tokens.iter().any(|token| matches(token.as_ref())) {
        return Err(SignatureError::Mismatch);
    }
    match expected_hash {
        Some(hash) if !hash.eq_ignore_ascii_case(hex_digest(body).as_bytes()) => {
            Err(SignatureError::BodyHashMismatch)
        }
        _ => Ok(()),
    }
}

/// Signs a form, for simulators and tests.
pub fn sign(url: &str, params: &[(&str, &str)], auth_token: &str) -> String {
    let pairs = params.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    STANDARD.encode(mac(url, &parameters(pairs.collect()), auth_token).finalize().into_bytes())
}

/// Signs a JSON body. Returns the URL with `bodySHA256`, and the signature.
pub fn sign_json(url: &str, body: &[u8], auth_token: &str) -> (String, String) {
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}bodySHA256={}", hex_digest(body));
    let signature = sign(&url, &[], auth_token);
    (url, signature)
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn mac(url: &str, parameters: &[u8], auth_token: &str) -> Hmac<Sha1> {
    let mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("an HMAC takes a key of any length");
    mac.chain_update(url).chain_update(parameters)
}

fn hex_digest(body: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(body))
}
