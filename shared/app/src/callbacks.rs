//! The URLs of status callbacks, signed with the keys of the deployment.

use shared_aws::clients::{SecretError, SigningSecret};
use shared_carriers::callback::{CallbackReference, StatusCallbacks};
use shared_domain::{signing::SigningKeys, time::Timestamp};

/// Signs and verifies the URLs of status callbacks.
#[derive(Debug, Clone)]
pub struct SignedCallbacks {
    urls: StatusCallbacks,
    keys: SigningSecret,
}

impl SignedCallbacks {
    /// Creates URLs below this public base URL, which has no trailing slash.
    pub fn new(base_url: impl Into<String>, keys: SigningSecret) -> Self {
        Self { urls: StatusCallbacks::new(base_url), keys }
    }

    /// Creates URLs that are signed with one key, which never changes.
    pub fn fixed(base_url: impl Into<String>, key: &str) -> Self {
        Self::new(base_url, SigningSecret::fixed(SigningKeys::single(key)))
    }

    /// Returns the URL for one message.
    pub async fn url(
        &self,
        now: Timestamp,
        organization: &str,
        message: &str,
    ) -> Result<String, SecretError> {
        let keys = self.keys.get(now).await?;
        Ok(self.urls.url(keys.signing(now), organization, message))
    }

    /// Reads the query of a callback URL. The keys are read again if the query seems to be forged.
    pub async fn reference(&self, now: Timestamp, query: &str) -> Result<CallbackReference, SecretError> {
        let read = |keys: &SigningKeys| match CallbackReference::parse(query, keys.accepted(now)) {
            CallbackReference::Forged => Err(None),
            reference => Ok(reference),
        };
        match self.keys.check(now, read).await {
            Ok((_, reference)) => Ok(reference),
            Err(None) => Ok(CallbackReference::Forged),
            Err(Some(error)) => Err(error),
        }
    }
}
