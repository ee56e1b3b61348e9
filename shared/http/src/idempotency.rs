//! `Idempotency-Key`: the same key and body gives the same answer, another body is refused.

use lambda_http::Request;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const MAX_KEY_BYTES: usize = 255;

/// A key and the digest of the body it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The header's text.
    pub key: String,
    /// SHA-256 of the raw body, in hexadecimal.
    pub body: String,
}

/// The key of a request, if it has one.
///
/// # Errors
/// `400` for a key that is empty, longer than 255 bytes or not printable ASCII.
pub fn key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(header) = request.headers().get("idempotency-key") else { return Ok(None) };
    let refused = || Problem::malformed("Idempotency-Key holds 1 to 255 printable ASCII characters.");
    let key = header.to_str().map_err(|_| refused())?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(refused());
    }
    let bytes: &[u8] = request.body();
    let body = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
    Ok(Some(IdempotencyKey { key: key.to_owned(), body }))
}

/// The key came with another body before: `422`.
pub fn reused() -> Problem {
    Problem::new(422, "idempotency_key_reused", "This Idempotency-Key was used with another body.")
}
