//! `Idempotency-Key`: the same key and body gives the same answer, another body is refused.

use lambda_http::Request;
use sha2::{Digest, Sha256};
use shared_aws::table::{Idempotency, UsedKeys};
use shared_domain::{ids::OrganizationId, time::Timestamp};

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

/// Who asks for what to be made, with which key.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The tenant.
    pub organization: &'a OrganizationId,
    /// Whose key it is.
    pub principal: String,
    /// On which route, with the ids in its path: one key serves one place.
    pub route: String,
    /// The key, if one was given.
    pub key: Option<IdempotencyKey>,
}

impl Attempt<'_> {
    /// What is written with the thing that is made.
    pub fn idempotency(&self) -> Option<Idempotency<'_>> {
        let key = self.key.as_ref()?;
        Some(Idempotency { principal: &self.principal, route: &self.route, key: &key.key, body: &key.body })
    }

    /// The id of what an earlier request with this key made.
    ///
    /// # Errors
    /// `422` when the key came with another body before.
    pub async fn recalled(&self, keys: &UsedKeys, now: Timestamp) -> Result<Option<String>, Problem> {
        let Some(given) = self.idempotency() else { return Ok(None) };
        match keys.recall(self.organization, given, now).await? {
            Some(remembered) if remembered.body != given.body => Err(reused()),
            remembered => Ok(remembered.map(|remembered| remembered.made)),
        }
    }
}

/// The key came with another body before: `422`.
fn reused() -> Problem {
    Problem::new(422, "idempotency_key_reused", "This Idempotency-Key was used with another body.")
}
