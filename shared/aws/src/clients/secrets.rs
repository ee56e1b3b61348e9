//! Secrets: their names stand in the environment, their values are fetched once at start and kept in memory. A rotated
//! secret is seen by new execution environments; until all have turned over, both tokens of a pair are accepted.

use serde::Deserialize;

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The store did not give it.
    #[error("secret {name} could not be read ({code})")]
    Unreadable {
        /// Its name.
        name: String,
        /// The store's error code.
        code: String,
    },
    /// It is not what it should be.
    #[error("secret {name} is malformed: {what}")]
    Malformed {
        /// Its name.
        name: String,
        /// What is wrong, without its content.
        what: String,
    },
}

/// Credentials at the carrier, as the operator stores them:
/// `{"accountSid": "AC…", "authTokens": ["current", "previous"?], "apiKeySid"?: "SK…", "apiKeySecret"?: "…",
/// "eventStreams"?: {"user": "…", "password": "…"}}`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierSecret {
    /// The account.
    pub account_sid: String,
    /// One token, or two while it is rotated, the current one first.
    pub auth_tokens: Vec<String>,
    api_key_sid: Option<String>,
    api_key_secret: Option<String>,
    /// User info of the address that registration events are posted to; without it they are all refused.
    pub event_streams: Option<EventStreamsLogin>,
}

/// What the carrier shows when it posts registration events: letters and digits, so that nothing has to be encoded in the
/// address.
#[derive(Clone, Deserialize)]
pub struct EventStreamsLogin {
    /// Before the colon.
    pub user: String,
    /// After it.
    pub password: String,
}

impl std::fmt::Debug for CarrierSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CarrierSecret(…)")
    }
}

impl CarrierSecret {
    /// User and password for the carrier's API: the API key where there is one, else account and token.
    pub fn api_login(&self) -> (String, String) {
        match (&self.api_key_sid, &self.api_key_secret) {
            (Some(key), Some(secret)) => (key.clone(), secret.clone()),
            _ => (self.account_sid.clone(), self.auth_tokens.first().cloned().unwrap_or_default()),
        }
    }
}

/// Reads secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    /// Over a client of its own.
    pub fn of(aws: &crate::clients::client::Aws) -> Self {
        Self { client: aws.secrets() }
    }

    /// A secret that is one plain text.
    ///
    /// # Errors
    /// [`SecretError::Unreadable`].
    pub async fn text(&self, name: &str) -> Result<String, SecretError> {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        let got = self.client.get_secret_value().secret_id(name).send().await.map_err(|error| {
            let code = error.code().unwrap_or("no answer").to_owned();
            SecretError::Unreadable { name: name.to_owned(), code }
        })?;
        got.secret_string
            .ok_or_else(|| SecretError::Malformed { name: name.to_owned(), what: "it holds no text".into() })
    }

    /// The carrier's credentials.
    ///
    /// # Errors
    /// [`SecretError`]; the content is not in it.
    pub async fn carrier(&self, name: &str) -> Result<CarrierSecret, SecretError> {
        let malformed = |what: &str| SecretError::Malformed { name: name.to_owned(), what: what.to_owned() };
        let secret: CarrierSecret = serde_json::from_str(&self.text(name).await?)
            .map_err(|_| malformed("wanted {\"accountSid\", \"authTokens\": [..]}"))?;
        if secret.auth_tokens.is_empty() || secret.auth_tokens.iter().any(String::is_empty) {
            return Err(malformed("authTokens holds no token"));
        }
        Ok(secret)
    }
}
