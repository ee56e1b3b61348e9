//! Sets up the carrier from its secret.

use std::{fmt, sync::Arc, time::Duration};

use shared_aws::clients::{EventStreamsLogin, SecretError, Secrets};
use shared_carriers::twilio::{self, Client, Credentials, ReadCredentials, Verifier, VerifierError};
use shared_domain::time::Timestamp;
use tokio::sync::Mutex;

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

/// Why there is no client of the carrier.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Setup(#[from] twilio::SetupError),
}

/// Returns a client of the carrier's API at `url`. It reads the secret again when the carrier refuses the
/// credentials, so that a rotated token fails no call.
pub async fn client(
    secrets: &Secrets,
    secret: &str,
    url: &str,
    timeout: Duration,
) -> Result<Client, ClientError> {
    let client = Client::new(url, credentials(secrets, secret).await?, timeout)?;
    Ok(client.with_renewal(renewal(secrets, secret)))
}

/// Returns the function that reads the credentials again.
pub fn renewal(secrets: &Secrets, secret: &str) -> ReadCredentials {
    let (secrets, secret) = (secrets.clone(), Arc::<str>::from(secret));
    Arc::new(move || {
        let (secrets, secret) = (secrets.clone(), Arc::clone(&secret));
        Box::pin(async move {
            let read = credentials(&secrets, &secret).await;
            read.inspect_err(|error| log_unreadable(error)).ok()
        })
    })
}

fn log_unreadable(error: &dyn std::error::Error) {
    tracing::error!(event = "secret_unreadable", %error, "the carrier's secret could not be read again");
}

/// Returns the credentials for calls to the carrier's API: the API key if the secret has one, otherwise the
/// account and its token.
pub async fn credentials(secrets: &Secrets, secret: &str) -> Result<Credentials, SecretError> {
    let secret = secrets.carrier(secret).await?;
    let (username, password) = secret.api_login();
    Ok(Credentials { account_sid: secret.account_sid, username, password })
}

/// How long a secret is used before it is read again.
const MAX_SECRET_AGE: Duration = Duration::from_mins(5);
/// The least time between two reads of a secret. Forged webhooks cannot cause more.
const MIN_READ_INTERVAL: Duration = Duration::from_mins(1);

/// The carrier's account for webhooks, read again when it may have been rotated: every five minutes, and at
/// once, but at most once a minute, after a signature that fails. A rotation therefore needs no deployment,
/// and a webhook that is signed with a new token is not refused.
#[derive(Debug)]
pub struct WebhookAccounts {
    /// `None` if the account never changes.
    source: Option<Source>,
    cached: Mutex<Cached>,
}

#[derive(Debug)]
struct Source {
    secrets: Secrets,
    secret: String,
    public_base_url: String,
}

#[derive(Debug)]
struct Cached {
    account: Arc<WebhookAccount>,
    /// When the account was read. `None` before the first webhook.
    read_at: Option<Timestamp>,
    /// When a read was last tried again.
    tried_at: Option<Timestamp>,
}

impl WebhookAccounts {
    /// Reads the secret. The carrier signs for addresses under `public_base_url`.
    pub async fn load(secrets: Secrets, secret: &str, public_base_url: &str) -> Result<Self, SetupError> {
        let source = Source { secrets, secret: secret.into(), public_base_url: public_base_url.into() };
        let account = source.read().await?;
        Ok(Self { source: Some(source), cached: Mutex::new(Cached::new(account)) })
    }

    /// An account that never changes.
    pub fn fixed(account: WebhookAccount) -> Self {
        Self { source: None, cached: Mutex::new(Cached::new(account)) }
    }

    /// Verifies a webhook. If `verify` fails, the secret is read again and `verify` is tried with a new
    /// account.
    pub async fn verify<T, E>(
        &self,
        now: Timestamp,
        verify: impl Fn(&WebhookAccount) -> Result<T, E>,
    ) -> Result<(Arc<WebhookAccount>, T), E> {
        let mut cached = self.cached.lock().await;
        let read_at = *cached.read_at.get_or_insert(now);
        if now >= read_at + MAX_SECRET_AGE {
            self.read_again(&mut cached, now).await;
        }
        let mut verified = verify(&cached.account);
        if verified.is_err() && self.read_again(&mut cached, now).await {
            verified = verify(&cached.account);
        }
        Ok((Arc::clone(&cached.account), verified?))
    }

    /// Reads the secret again, unless that was tried less than a minute ago. Returns whether it was read. An
    /// account that cannot be read stays in use.
    async fn read_again(&self, cached: &mut Cached, now: Timestamp) -> bool {
        let Some(source) = &self.source else { return false };
        if cached.tried_at.is_some_and(|tried_at| now < tried_at + MIN_READ_INTERVAL) {
            return false;
        }
        cached.tried_at = Some(now);
        match source.read().await {
            Ok(account) => {
                (cached.account, cached.read_at) = (Arc::new(account), Some(now));
                true
            }
            Err(error) => {
                log_unreadable(&error);
                false
            }
        }
    }
}

impl Source {
    async fn read(&self) -> Result<WebhookAccount, SetupError> {
        let secret = self.secrets.carrier(&self.secret).await?;
        let verifier = Verifier::new(&self.public_base_url, secret.auth_tokens)?;
        Ok(WebhookAccount { verifier, account_sid: secret.account_sid, event_streams: secret.event_streams })
    }
}

impl Cached {
    fn new(account: WebhookAccount) -> Self {
        Self { account: Arc::new(account), read_at: None, tried_at: None }
    }
}
