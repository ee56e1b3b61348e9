//! Secrets. The environment contains their names. [`CachedSecret`](super::CachedSecret) says when a function
//! reads the values. During a rotation a secret contains both tokens or keys, and both are accepted.

use serde::Deserialize;

/// Why a secret cannot be used. The error never contains the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not return it. `code` is its error code.
    #[error("secret {name} could not be read ({code})")]
    Unreadable { name: String, code: String },
    /// Secrets Manager did not store it. `code` is its error code.
    #[error("secret {name} could not be stored ({code})")]
    NotStored { name: String, code: String },
    #[error("secret {name} is malformed: {problem}")]
    Malformed { name: String, problem: String },
}

/// The carrier's credentials, in the format that the operator stores:
/// `{"accountSid": "AC…", "authTokens": ["current", "previous"?], "apiKeySid"?: "SK…", "apiKeySecret"?: "…",
/// "eventStreams"?: {"user": "…", "password": "…"}}`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierSecret {
    pub account_sid: String,
    /// The current token, followed by the previous one during a rotation.
    pub auth_tokens: Vec<String>,
    api_key_sid: Option<String>,
    api_key_secret: Option<String>,
    /// Without this login, every registration event is refused.
    pub event_streams: Option<EventStreamsLogin>,
}

/// The login with which the carrier posts registration events. User and password consist of letters and
/// digits, so they need no encoding in a URL.
#[derive(Clone, Deserialize)]
pub struct EventStreamsLogin {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for CarrierSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CarrierSecret(…)")
    }
}

impl CarrierSecret {
    /// Parses the secret's text. Errors with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let secret: Self =
            serde_json::from_str(text).map_err(|_| "expected {\"accountSid\", \"authTokens\": [..]}")?;
        if secret.auth_tokens.is_empty() || secret.auth_tokens.iter().any(String::is_empty) {
            return Err("authTokens is empty or contains an empty token".into());
        }
        Ok(secret)
    }

    /// Returns the API key and its secret.
    pub fn api_key(&self) -> Option<(&str, &str)> {
        self.api_key_sid.as_deref().zip(self.api_key_secret.as_deref())
    }

    /// Returns the user and password for the carrier's API: the API key if there is one, otherwise the
    /// account and its token.
    pub fn api_login(&self) -> (String, String) {
        match self.api_key() {
            Some((key, secret)) => (key.to_owned(), secret.to_owned()),
            None => (self.account_sid.clone(), self.auth_tokens.first().cloned().unwrap_or_default()),
        }
    }
}

/// Reads secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    pub fn of(aws: &crate::clients::client::Aws) -> Self {
        Self { client: aws.secrets() }
    }

    /// Fetches a secret that is plain text.
    pub async fn text(&self, name: &str) -> Result<String, SecretError> {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        let got = self.client.get_secret_value().secret_id(name).send().await.map_err(|error| {
            let code = error.code().unwrap_or("no answer").to_owned();
            SecretError::Unreadable { name: name.to_owned(), code }
        })?;
        got.secret_string.ok_or_else(|| SecretError::Malformed {
            name: name.to_owned(),
            problem: "it is not a text".into(),
        })
    }

    /// Stores a secret that is plain text. `true` if it is new.
    pub async fn put(&self, name: &str, text: &str) -> Result<bool, SecretError> {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        let failed = |code: Option<&str>| SecretError::NotStored {
            name: name.to_owned(),
            code: code.unwrap_or("no answer").to_owned(),
        };
        let put = self.client.put_secret_value().secret_id(name).secret_string(text).send().await;
        match put {
            Ok(_) => Ok(false),
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                let created = self.client.create_secret().name(name).secret_string(text).send().await;
                created.map(|_| true).map_err(|error| failed(error.code()))
            }
            Err(error) => Err(failed(error.code())),
        }
    }

    /// Fetches the carrier's credentials.
    pub async fn carrier(&self, name: &str) -> Result<CarrierSecret, SecretError> {
        let malformed = |problem| SecretError::Malformed { name: name.to_owned(), problem };
        CarrierSecret::parse(&self.text(name).await?).map_err(malformed)
    }
}
