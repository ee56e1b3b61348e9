//! Sets up the carrier from its secret.

use std::fmt;

use shared_aws::clients::{EventStreamsLogin, SecretError, Secrets};
use shared_carriers::twilio::{Credentials, Verifier, VerifierError};

/// What a function needs to check the carrier's webhooks.
pub struct WebhookAccount {
    pub verifier: Verifier,
    /// The account that genuine webhooks name.
    pub account_sid: String,
    /// The login that registration events must present.
    pub event_streams: Option<EventStreamsLogin>,
}

impl fmt::Debug for WebhookAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookAccount(…)")
    }
}

/// Why webhooks cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

/// Returns the credentials for calls to the carrier's API: the API key if the secret has one, otherwise the
/// account and its token.
pub async fn credentials(secrets: &Secrets, secret: &str) -> Result<Credentials, SecretError> {
    let secret = secrets.carrier(secret).await?;
    let (username, password) = secret.api_login();
    Ok(Credentials { account_sid: secret.account_sid, username, password })
}

/// Returns what checks webhooks that the carrier signs for addresses under `public_base_url`.
pub async fn webhook_account(
    secrets: &Secrets,
    secret: &str,
    public_base_url: &str,
) -> Result<WebhookAccount, SetupError> {
    let secret = secrets.carrier(secret).await?;
    let verifier = Verifier::new(public_base_url, secret.auth_tokens)?;
    Ok(WebhookAccount { verifier, account_sid: secret.account_sid, event_streams: secret.event_streams })
}
