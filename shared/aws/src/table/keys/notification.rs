//! Keys of notification settings, and of who was told.

use sha2::{Digest, Sha256};
use shared_domain::{ids::OrganizationId, keys::TeamKey};

use super::{Key, team_partition};

pub fn notification_settings(team: TeamKey<'_>) -> Key {
    Key::new(team_partition(team), "NOTIFY")
}

/// Claim of one recipient of a notification.
pub fn recipient_claim(organization: &OrganizationId, notification: &str, address: &str) -> Key {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(address.to_lowercase()));
    Key::new(format!("{organization}#TOLD#{notification}"), digest)
}
