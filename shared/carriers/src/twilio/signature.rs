//! `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed with the account's auth token, over the URL and the parameters.
//!
//! - The URL is the one Twilio was given, so it is rebuilt from the configured public address and the raw path and
//!   query, never taken from the request's own host.
//! - A form adds its decoded parameters, sorted. Any other body adds nothing: the URL carries `bodySHA256`, and the
//!   body has to have that digest. A body that neither way covers is refused.
//! - There is no time in it: a replay is stopped by the message's id, not here.
//!
//! Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-security>; the vectors of Twilio's own libraries are
//! tests.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::signed_text::{body_hash, parameters, spellings};
use super::{MAX_BODY_BYTES, MAX_JSON_BYTES, form};

/// Why a request is not taken for Twilio's. None of them says what the right signature would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature header, or it is empty.
    #[error("the signature header is missing")]
    Missing,
    /// The signature agrees with no spelling of the URL under any of the tokens.
    #[error("the signature does not agree with the request")]
    Mismatch,
    /// The body is no form and the URL has no `bodySHA256` that would cover it.
    #[error("the body is not covered by the signature: bodySHA256 is missing")]
    BodyHashMissing,
    /// The URL is genuine, but the body is not the one it was signed for.
    #[error("the body does not agree with bodySHA256")]
    BodyHashMismatch,
    /// The body is a form longer than [`MAX_BODY_BYTES`], or another body longer than [`MAX_JSON_BYTES`]; nothing was
    /// computed.
    #[error("the body is longer than {MAX_BODY_BYTES} bytes for a form or {MAX_JSON_BYTES} for another")]
    BodyTooLarge,
}

/// Why a [`Verifier`] cannot be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The public address does not begin with `https://` or `http://`.
    #[error("the public base URL must begin with https:// or http://")]
    BaseUrl,
    /// There are no tokens, or more than the current and the previous one.
    #[error("one or two auth tokens are needed, not {0}")]
    TokenCount(usize),
    /// A token is empty, and everybody knows the empty key.
    #[error("an auth token is empty")]
    EmptyToken,
}

/// What of a request goes into its signature. Everything as it came: nothing decoded, nothing normalized.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The path with its leading slash and its percent-encoding.
    pub raw_path: &'a str,
    /// The query without the question mark; absent and empty are the same.
    pub raw_query: Option<&'a str>,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `X-Twilio-Signature` header.
    pub signature: Option<&'a str>,
    /// The body's bytes, after base64 where the gateway has put it on.
    pub body: &'a [u8],
}

/// Tells Twilio's requests from others'.
#[derive(Clone)]
pub struct Verifier {
    public_base_url: String,
    auth_tokens: Vec<String>,
}

impl Verifier {
    /// A verifier for webhooks below `public_base_url` (a slash at its end does not matter), signed with the first of
    /// `auth_tokens` or, while tokens are being rotated, the second.
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

    /// Whether the request was signed by the owner of one of the tokens, for this address and this body.
    pub fn verify(&self, request: &SignedRequest<'_>) -> Result<(), SignatureError> {
        self.verify_urls(&[self.url(request)], request)
    }

    /// [`Self::verify`] for an event sink whose destination holds user information (`user:password`, with the
    /// percent-encoding it has there): the signature may be over the address with it or without it. Whether the
    /// request also brings it is for [`BasicCredentials`](super::BasicCredentials) to say.
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

/// [`Verifier::verify`] over a whole URL: the rule itself, without the question which URL it is.
pub fn verify_url(
    url: &str,
    content_type: Option<&str>,
    body: &[u8],
    signature: Option<&str>,
    auth_tokens: &[impl AsRef<str>],
) -> Result<(), SignatureError> {
    verify_any(&[url.to_owned()], content_type, body, signature, auth_tokens)
}

/// The rule over several URLs that differ only before their path.
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
    let urls: Vec<String> = urls.iter().flat_map(|url| spellings(url)).collect();
    let agrees =
        |token: &str| urls.iter().any(|url| mac(url, &parameters, token).verify_slice(&signature).is_ok());
    if !auth_tokens.iter().any(|token| agrees(token.as_ref())) {
        return Err(SignatureError::Mismatch);
    }
    match expected_hash {
        Some(hash) if !hash.eq_ignore_ascii_case(hex_digest(body).as_bytes()) => {
            Err(SignatureError::BodyHashMismatch)
        }
        _ => Ok(()),
    }
}

/// The signature of a form: for whoever plays Twilio's part.
pub fn sign(url: &str, params: &[(&str, &str)], auth_token: &str) -> String {
    let pairs = params.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    STANDARD.encode(mac(url, &parameters(pairs.collect()), auth_token).finalize().into_bytes())
}

/// The URL with the `bodySHA256` of a JSON body, and the signature to send with it.
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
