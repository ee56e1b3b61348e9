//! The rotation of a machine client's secret. A client has two secrets at most: a rotation of a client with
//! two ends one of them.
//!
//! The user pool ends and adds secrets in two requests, and a host can stop between any two. So a rotation
//!
//! 1. writes the audit event: whatever stops it later, it is in the trail,
//! 2. stores under the idempotency key which secret ends,
//! 3. ends this secret, and adds another,
//! 4. stores that the request with this key is done.
//!
//! A repetition with the same key goes on from step 3 and ends no other secret. Without this, a repetition
//! after the new secret was added would end the one that is in use, because that is now the older one. A
//! request without a key is always a new one. If it stopped between the two requests of step 3, the next one
//! finds one secret and adds another.

use shared_aws::{
    clients::{DirectoryError, UserDirectory},
    table::{Idempotency, StoreError, Table, UsedKeys},
    team::{AuditEvent, Organizations},
};
use shared_domain::{ids::OrganizationId, time::Timestamp};

/// Which secret ends, if there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Older,
    Newer,
}

impl Replaced {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

/// A request to rotate the secret of a client.
#[derive(Debug, Clone, Copy)]
pub struct SecretRotation<'a> {
    pub organization: &'a OrganizationId,
    /// The ID of the client.
    pub client: &'a str,
    pub replaced: Option<Replaced>,
    /// A key of which no request is done.
    pub key: Option<Idempotency<'a>>,
}

/// What a rotation led to.
pub enum Rotated {
    /// The new secret, which cannot be read again.
    Added(String),
    /// The client has two secrets, and the request does not say which one ends. Nothing was changed.
    TwoSecrets,
    /// A secret was added by another request at the same time, or by an earlier one with the same key whose
    /// response was lost.
    AddedBefore,
}

/// The user pool or the table failed. The rotation can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// The workflow of rotations.
#[derive(Debug, Clone)]
pub struct SecretRotations {
    organizations: Organizations,
    keys: UsedKeys,
}

impl SecretRotations {
    pub fn new(table: &Table) -> Self {
        Self { organizations: Organizations::new(table.clone()), keys: UsedKeys::new(table.clone()) }
    }

    /// Rotates the secret of a client of this user pool. Idempotent by the key of the request. `event` may be
    /// in the audit trail without a new secret, and twice after a repetition, but never the other way round.
    pub async fn rotate(
        &self,
        directory: &UserDirectory,
        request: &SecretRotation<'_>,
        event: &AuditEvent<'_>,
        now: Timestamp,
    ) -> Result<Rotated, RotationError> {
        let SecretRotation { organization, client, replaced, key } = *request;
        let secrets = directory.machine_secrets(client, now).await?;
        let name = replaced.map_or("any", Replaced::as_str);
        let route = key.map(|key| format!("{} {name} begun", key.route));
        let begun = key.zip(route.as_ref()).map(|(key, route)| Idempotency { route, ..key });
        let ended = match self.stored(organization, begun, now).await? {
            Some(ended) => ended,
            None => {
                let Some(ended) = ended(&secrets, replaced) else { return Ok(Rotated::TwoSecrets) };
                self.organizations.record(organization, event).await?;
                if let Some(begun) = begun {
                    self.keys.remember(organization, begun, ended, now).await?;
                }
                // A request with the same key at the same time may have been first.
                self.stored(organization, begun, now).await?.unwrap_or_else(|| ended.to_owned())
            }
        };
        if secrets.contains(&ended) {
            directory.remove_machine_secret(client, &ended, now).await?;
        }
        let Some(secret) = directory.add_machine_secret(client, now).await? else {
            return Ok(Rotated::AddedBefore);
        };
        if let Some(key) = key {
            self.keys.remember(organization, key, client, now).await?;
        }
        Ok(Rotated::Added(secret))
    }

    /// The secret that ends, as the first request with this key decided. Empty if none ends.
    async fn stored(
        &self,
        organization: &OrganizationId,
        begun: Option<Idempotency<'_>>,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let Some(begun) = begun else { return Ok(None) };
        Ok(self.keys.get(organization, begun, now).await?.map(|begun| begun.made))
    }
}

/// The ID of the secret that ends. Empty if there is room for another one. `None` if the request does not
/// say.
fn ended(secrets: &[String], replaced: Option<Replaced>) -> Option<&str> {
    match (secrets, replaced) {
        ([_, _], None) => None,
        ([older, _], Some(Replaced::Older)) => Some(older),
        ([_, newer], Some(Replaced::Newer)) => Some(newer),
        _ => Some(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_if_there_are_two_and_the_request_says_which() {
        let (one, two) = (["1".to_owned()], ["1".to_owned(), "2".to_owned()]);
        for replaced in [None, Some(Replaced::Older), Some(Replaced::Newer)] {
            assert_eq!(ended(&one, replaced), Some(""));
        }
        assert_eq!(ended(&two, None), None);
        assert_eq!(ended(&two, Some(Replaced::Older)), Some("1"));
        assert_eq!(ended(&two, Some(Replaced::Newer)), Some("2"));
    }
}
