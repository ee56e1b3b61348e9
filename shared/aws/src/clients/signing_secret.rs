//! The secret with the signing keys. CloudFormation creates it with one key as plain text. A rotation stores
//! `{"current": {"key", "createdAt"}, "previous": {"key", "createdAt"?}}`.

use serde::{Deserialize, Serialize};
use shared_domain::{
    signing::{SigningKey, SigningKeys},
    time::Timestamp,
};

use crate::clients::{
    cached_secret::CachedSecret,
    secrets::{SecretError, Secrets},
};

/// The signing keys as functions read them.
pub type SigningSecret = CachedSecret<SigningKeys>;

impl SigningSecret {
    /// The keys in the secret with this name. They are read at the first use.
    pub fn named(secrets: &Secrets, name: impl Into<String>) -> Self {
        Self::new(secrets, name, |text| parse(text).ok_or_else(|| EXPECTED.to_owned()))
    }
}

const EXPECTED: &str =
    r#"expected a key, or {"current": {"key", "createdAt"}, "previous": {"key", "createdAt"}}"#;

#[derive(Serialize, Deserialize)]
struct Content {
    current: ContentKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<ContentKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentKey {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl From<&SigningKey> for ContentKey {
    fn from(key: &SigningKey) -> Self {
        Self { key: key.key.clone(), created_at: key.created_at.map(|at| at.to_string()) }
    }
}

impl ContentKey {
    fn into_key(self) -> Option<SigningKey> {
        let created_at = match self.created_at {
            Some(text) => Some(Timestamp::parse(&text)?),
            None => None,
        };
        Some(SigningKey { key: self.key, created_at }).filter(|key| !key.key.is_empty())
    }
}

impl Secrets {
    /// Fetches the signing keys.
    pub async fn signing_keys(&self, name: &str) -> Result<SigningKeys, SecretError> {
        let malformed = || SecretError::Malformed { name: name.to_owned(), problem: EXPECTED.into() };
        parse(&self.text(name).await?).ok_or_else(malformed)
    }

    /// Stores the signing keys.
    pub async fn put_signing_keys(&self, name: &str, keys: &SigningKeys) -> Result<(), SecretError> {
        let content = Content {
            current: ContentKey::from(&keys.current),
            previous: keys.previous.as_ref().map(ContentKey::from),
        };
        self.put(name, &serde_json::json!(content).to_string()).await.map(drop)
    }
}

fn parse(text: &str) -> Option<SigningKeys> {
    if !text.trim_start().starts_with('{') {
        return Some(SigningKeys::single(text)).filter(|_| !text.is_empty());
    }
    let Content { current, previous } = serde_json::from_str(text).ok()?;
    let previous = match previous {
        Some(previous) => Some(previous.into_key()?),
        None => None,
    };
    // Without its age, it is unknown when a key signs and when the one before it ends.
    let current = current.into_key().filter(|key| previous.is_none() || key.created_at.is_some())?;
    Some(SigningKeys { current, previous })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_one_key_and_a_rotated_one_has_two_with_ages() {
        assert_eq!(parse("generated"), Some(SigningKeys::single("generated")));
        let rotated =
            r#"{"current":{"key":"new","createdAt":"2026-11-28T09:00:00Z"},"previous":{"key":"old"}}"#;
        let now = Timestamp::parse("2026-11-28T09:00:00Z").unwrap();
        assert_eq!(parse(rotated), Some(SigningKeys::single("old").rotated("new", now, false).unwrap()));
        assert_eq!(parse(r#"{"current":{"key":"only"}}"#), Some(SigningKeys::single("only")));
    }

    #[test]
    fn a_secret_without_a_usable_key_is_malformed() {
        for text in [
            "",
            "{}",
            r#"{"current":{"key":""}}"#,
            r#"{"current":{"key":"a","createdAt":"soon"}}"#,
            r#"{"current":{"key":"a"},"previous":{"key":"b"}}"#,
            r#"{"current":{"key":"a","createdAt":"2026-11-28T09:00:00Z"},"previous":{"key":""}}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
