//! Sets up the carrier from its secret. See [`CachedSecret`] for when the secret is read.

use std::{fmt, sync::Arc, time::Duration};

use shared_aws::clients::{CachedSecret, CarrierSecret, EventStreamsLogin, SecretError, Secrets};
use shared_carriers::twilio::{Client, Credentials, ReadCredentials, SetupError, Verifier, is_account_sid};
use shared_domain::time::Timestamp;

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

/// The carrier's account for webhooks.
pub type WebhookAccounts = CachedSecret<WebhookAccount>;

/// Returns the account of the secret. The carrier signs for addresses under `public_base_url`. The secret is
/// read now, because every webhook needs it.
pub async fn webhook_accounts(
    secrets: &Secrets,
    secret: &str,
    public_base_url: &str,
    now: Timestamp,
) -> Result<WebhookAccounts, SecretError> {
    let base = public_base_url.to_owned();
    let accounts = CachedSecret::new(secrets, secret, move |text| {
        let CarrierSecret { account_sid, auth_tokens, event_streams, .. } = CarrierSecret::parse(text)?;
        let verifier = Verifier::new(&base, auth_tokens).map_err(|error| error.to_string())?;
        Ok(WebhookAccount { verifier, account_sid, event_streams })
    });
    accounts.get(now).await?;
    Ok(accounts)
}

/// Returns a client of the carrier's API at `url`. It reads the secret at its first call.
pub fn client(
    secrets: &Secrets,
    secret: &str,
    url: &str,
    timeout: Duration,
    clock: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> Result<Client, SetupError> {
    Client::reading(url, credentials(secrets, secret, clock), timeout)
}

/// Returns the function that reads the credentials for calls to the carrier's API: the API key if the secret
/// has one, otherwise the account and its token.
pub fn credentials(
    secrets: &Secrets,
    secret: &str,
    clock: impl Fn() -> Timestamp + Send + Sync + 'static,
) -> ReadCredentials {
    let cached = CachedSecret::new(secrets, secret, parse_credentials);
    Arc::new(move |refused| {
        let (cached, now) = (cached.clone(), clock());
        Box::pin(async move {
            let current = cached.get(now).await.inspect_err(|error| {
                tracing::error!(event = "secret_unreadable", %error, "the secret could not be read");
            });
            let current = current.ok()?;
            let current = match refused {
                Some(refused) if refused == *current => cached.newer(&current, now).await?,
                _ => current,
            };
            Some(Credentials::clone(&current))
        })
    })
}

fn parse_credentials(text: &str) -> Result<Credentials, String> {
    let secret = CarrierSecret::parse(text)?;
    if !is_account_sid(&secret.account_sid) {
        return Err("accountSid is not AC and 32 hexadecimal digits".into());
    }
    let (username, password) = secret.api_login();
    Ok(Credentials { account_sid: secret.account_sid, username, password })
}
