//! Keys of broadcasts, their recipients, and the texts that they have released.

use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, OrganizationId},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
};

use super::{Key, inbox_partition, team_partition};

pub fn broadcast(team: TeamKey<'_>, broadcast: &BroadcastId) -> Key {
    Key::new(team_partition(team), broadcast.as_str())
}

/// Prefix of the broadcasts in a team's partition.
pub const BROADCASTS: &str = "bct_";

/// Partition of the broadcasts with work to do in [`DELIVERY_CHECKS`](super::DELIVERY_CHECKS).
pub const OPEN_BROADCASTS: &str = "BROADCASTS";

/// Team of a broadcast.
pub fn broadcast_pointer(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), "BROADCAST")
}

/// Worker of a broadcast.
pub fn broadcast_lease(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), "LEASE")
}

/// Since which version a broadcast is halted, and whether its queued texts are stopped.
pub fn broadcast_halt(organization: &OrganizationId, broadcast: &BroadcastId) -> Key {
    Key::new(format!("{organization}#{broadcast}"), HALT)
}

/// Sort key of the halt of a broadcast.
pub const HALT: &str = "HALT";

/// Number of partitions of the recipients of a broadcast.
pub const RECIPIENT_SHARDS: u64 = 8;

/// Partition of a shard of the recipients of a broadcast, in the table and in
/// [`DELIVERY_CHECKS`](super::DELIVERY_CHECKS).
pub fn recipients_partition(organization: &OrganizationId, of: &BroadcastRef, shard: u64) -> String {
    let BroadcastRef { broadcast, preparation } = of;
    format!("{organization}#{broadcast}#{preparation}#{shard}")
}

/// Shard of a recipient.
pub fn recipient_shard(number: &PhoneNumber) -> u64 {
    let hash = |all: u64, byte: u8| all.wrapping_mul(31).wrapping_add(byte.into());
    number.as_str().bytes().fold(0, hash) % RECIPIENT_SHARDS
}

pub fn recipient(organization: &OrganizationId, of: &BroadcastRef, number: &PhoneNumber) -> Key {
    Key::new(recipients_partition(organization, of, recipient_shard(number)), number.as_str())
}

/// Counts of a shard of the recipients of a broadcast.
pub fn recipient_counts(organization: &OrganizationId, of: &BroadcastRef, shard: u64) -> Key {
    Key::new(recipients_partition(organization, of, shard), "COUNTS")
}

/// What the broadcasts of an inbox have released and not sent.
pub fn texts_ahead(inbox: InboxKey<'_>) -> Key {
    Key::new(inbox_partition(inbox), "AHEAD")
}
