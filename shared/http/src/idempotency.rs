//! `Idempotency-Key`: the same key and body give the same response; the same key with another body is
//! refused.

use lambda_http::http::HeaderMap;
use sha2::{Digest, Sha256};
use shared_aws::table::{Idempotency, UsedKeys};
use shared_domain::{ids::OrganizationId, time::Timestamp};

use crate::problem::Problem;

const MAX_KEY_BYTES: usize = 255;

/// A key and the digest of the body it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub key: String,
    /// SHA-256 of the raw body, in hexadecimal.
    pub body: String,
}

/// The key of a request, if it has one. Errors with `400` for a key that is empty, longer than 255 bytes or
/// not printable ASCII.
pub fn key(headers: &HeaderMap, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(header) = headers.get("idempotency-key") else { return Ok(None) };
    let refused = || Problem::malformed("Idempotency-Key must have 1 to 255 printable ASCII characters.");
    let key = header.to_str().map_err(|_| refused())?;
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(refused());
    }
    let body = data_encoding::HEXLOWER.encode(&Sha256::digest(body));
    Ok(Some(IdempotencyKey { key: key.to_owned(), body }))
}

/// A request to create something, with the key that makes it safe to repeat.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub organization: &'a OrganizationId,
    /// Whose key it is.
    pub principal: String,
    /// The route with the ids in its path: a key counts for one route only.
    pub route: String,
    pub key: Option<IdempotencyKey>,
}

impl Attempt<'_> {
    /// What is stored together with the thing that is created.
    pub fn idempotency(&self) -> Option<Idempotency<'_>> {
        let key = self.key.as_ref()?;
        Some(Idempotency { principal: &self.principal, route: &self.route, key: &key.key, body: &key.body })
    }

    /// The id of what an earlier request with this key created. Errors with `422` if that request had another
    /// body.
    pub async fn recalled(&self, keys: &UsedKeys, now: Timestamp) -> Result<Option<String>, Problem> {
        let Some(given) = self.idempotency() else { return Ok(None) };
        match keys.get(self.organization, given, now).await? {
            Some(remembered) if remembered.body != given.body => Err(reused()),
            remembered => Ok(remembered.map(|remembered| remembered.made)),
        }
    }
}

fn reused() -> Problem {
    let detail = "This Idempotency-Key was already used with a different request body.";
    Problem::new(422, "idempotency_key_reused", detail)
}
