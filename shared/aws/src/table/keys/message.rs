//! Keys of messages, and of what the carrier is asked about them.

use shared_domain::{
    ids::{ConversationId, MessageId, OrganizationId},
    phone::PhoneNumber,
};

use super::{Key, digest, shard};

/// Partition of a conversation's messages.
pub fn messages_partition(organization: &OrganizationId, conversation: &ConversationId) -> String {
    format!("{organization}#{conversation}")
}

/// Prefix of the messages in their partition.
pub const MESSAGES: &str = "msg_";

pub fn message(organization: &OrganizationId, conversation: &ConversationId, message: &MessageId) -> Key {
    Key::new(messages_partition(organization, conversation), message.as_str())
}

/// Claim on an inbound message by a digest of the carrier's id. It makes the webhook idempotent.
pub fn inbound_claim(organization: &OrganizationId, carrier: &str, carrier_id: &str) -> Key {
    Key::new(format!("{organization}#SID#{carrier}#{}", digest([carrier_id])), "CLAIM")
}

/// Partition of a shard in [`DELIVERY_CHECKS`](super::DELIVERY_CHECKS). There are as many as of the outbox.
pub fn delivery_checks_partition(shard: u64) -> String {
    format!("CHECK#{shard}")
}

/// Partition of a conversation's messages in [`DELIVERY_CHECKS`](super::DELIVERY_CHECKS).
pub fn delivery_checks(conversation: &ConversationId) -> String {
    delivery_checks_partition(shard(conversation))
}

/// Partition of the messages whose send got no answer.
pub const RECONCILE: &str = "RECONCILE";

pub fn reconcile(message: &MessageId) -> Key {
    Key::new(RECONCILE, message.as_str())
}

/// Partition of the numbers whose messages at the carrier are swept.
pub const SWEPT_NUMBERS: &str = "SWEPT";

pub fn swept_number(number: &PhoneNumber) -> Key {
    Key::new(SWEPT_NUMBERS, number.as_str())
}
