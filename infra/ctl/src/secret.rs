//! The secrets of a stack: the carrier's credentials, and the signing keys.

use clap::Args;
use serde::Serialize;
use serde_json::json;
use shared_aws::clients::{Aws, CarrierSecret, SecretError, Secrets, Stack};
use shared_carriers::twilio::is_account_sid;
use shared_domain::signing::TooEarly;

use crate::{Error, Operator};

/// Letters and digits of the generated login: both are part of a URL.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The carrier's credentials.
#[derive(Debug, Clone, Args)]
pub struct NewSecret {
    /// Account at the carrier (AC…)
    #[arg(long)]
    pub account_sid: String,
    /// Auth token of the account
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true)]
    pub auth_token: String,
    /// API key for calls to the carrier (SK…). By default, the one that is stored
    #[arg(long, requires = "api_key_secret")]
    pub api_key_sid: Option<String>,
    /// Secret of the API key
    #[arg(long, env = "TWILIO_API_KEY_SECRET", hide_env_values = true)]
    pub api_key_secret: Option<String>,
    /// Calls the carrier with the account and its token, and forgets the API key
    #[arg(long, conflicts_with = "api_key_sid")]
    pub remove_api_key: bool,
    /// Ends the token before, for example because it leaked: webhooks signed with it are refused within five
    /// minutes. Only once the carrier signs with the new one
    #[arg(long)]
    pub forget_previous: bool,
}

impl NewSecret {
    /// The API key to store, with its secret.
    fn api_key<'a>(&'a self, known: Option<(&'a str, &'a str)>) -> Option<(&'a str, &'a str)> {
        let given = self.api_key_sid.as_deref().zip(self.api_key_secret.as_deref());
        given.or(known).filter(|_| !self.remove_api_key)
    }
}

/// A stored secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreatedSecret {
    pub name: String,
    pub created: bool,
}

/// Stores the credentials under the name that the stack reads. A secret that exists keeps its login for
/// events and its API key, and its current token becomes the previous one, so that nothing is refused during
/// a rotation. The previous one stays until another token follows, or until it is to be forgotten.
pub async fn create(
    aws: &Aws,
    stack: &Stack,
    new: &NewSecret,
    random: impl FnMut() -> u64,
) -> Result<CreatedSecret, Error> {
    if !is_account_sid(&new.account_sid) {
        return Err(Error::Invalid {
            argument: "account-sid",
            expected: "AC and 32 hexadecimal digits".into(),
        });
    }
    let name = stack.parameter("CarrierSecretName").unwrap_or_default();
    let secrets = Secrets::of(aws);
    let known = match secrets.carrier(name).await {
        Ok(known) => Some(known).filter(|known| known.account_sid == new.account_sid),
        // It would be replaced without what it has.
        Err(SecretError::Unreadable { name, code }) if code != "ResourceNotFoundException" => {
            return Err(SecretError::Unreadable { name, code }.into());
        }
        Err(_) => None,
    };
    let mut random = random;
    let (user, password) = match known.as_ref().and_then(|known| known.event_streams.clone()) {
        Some(login) => (login.user, login.password),
        None => (word(&mut random), word(&mut random)),
    };
    let previous =
        known.as_ref().and_then(|known| known.auth_tokens.iter().find(|token| **token != new.auth_token));
    let previous = previous.filter(|_| !new.forget_previous);
    let tokens: Vec<_> = std::iter::once(&new.auth_token).chain(previous).collect();
    let api_key = new.api_key(known.as_ref().and_then(CarrierSecret::api_key));
    let content = json!({
        "accountSid": new.account_sid,
        "authTokens": tokens,
        "apiKeySid": api_key.map(|(sid, _)| sid),
        "apiKeySecret": api_key.map(|(_, secret)| secret),
        "eventStreams": { "user": user, "password": password },
    });
    let created = secrets.put(name, &content.to_string()).await?;
    Ok(CreatedSecret { name: name.to_owned(), created })
}

/// A rotation of the signing keys.
#[derive(Debug, Clone, Args)]
pub struct Rotation {
    /// Rotates the keys without a question
    #[arg(long)]
    pub yes: bool,
    /// Rotates the keys while the previous one is still accepted. Cursors and status callbacks that it signed
    /// are refused from then on
    #[arg(long)]
    pub force: bool,
}

/// The signing keys after a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotatedKeys {
    /// When the new key begins to sign.
    pub signs_from: String,
    /// When signatures of the previous key are no longer accepted, and the keys can be rotated again.
    pub previous_until: String,
}

/// Adds a signing key. `confirm` asks the operator. The new key is accepted as soon as a function reads it,
/// and signs when all functions have read it, so the rotation refuses nothing.
pub async fn rotate(
    aws: &Aws,
    stack: &Stack,
    operator: &Operator,
    rotation: &Rotation,
    confirm: impl FnOnce() -> bool,
    random: impl FnMut() -> u64,
) -> Result<RotatedKeys, Error> {
    let secrets = Secrets::of(aws);
    let name = stack.output("SigningSecretArn")?;
    let keys = secrets.signing_keys(name).await?;
    let mut random = random;
    let key: String = (0..3).map(|_| word(&mut random)).collect();
    let rotated = keys.rotated(key, operator.now, rotation.force).map_err(|TooEarly { until }| {
        Error::Conflict(format!(
            "The previous signing key is accepted until {until}, so that open cursors and status callbacks stay \
             valid. Rotate the keys after that, or pass --force to refuse them."
        ))
    })?;
    if !rotation.yes && !confirm() {
        return Err(Error::Conflict("The signing keys were not rotated. Confirm, or pass --yes.".into()));
    }
    for organization in operator.organizations.list().await? {
        let event = operator.event("secret.rotate", "signing");
        operator.organizations.record(&organization.id, &event).await?;
    }
    secrets.put_signing_keys(name, &rotated).await?;
    let text = |at: Option<shared_domain::time::Timestamp>| at.unwrap_or(operator.now).to_string();
    Ok(RotatedKeys { signs_from: text(rotated.signs_from()), previous_until: text(rotated.previous_until()) })
}

/// Returns a random word of 24 letters and digits.
fn word(random: &mut impl FnMut() -> u64) -> String {
    let bytes = (0..3).flat_map(|_| random().to_be_bytes());
    bytes.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}
