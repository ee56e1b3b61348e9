//! Keys of what is accepted and not yet queued: messages, notifications and media copies.

use shared_domain::ids::{ConversationId, MessageId};

use super::Key;

/// Number of partitions of outbox messages. A conversation stays in one partition, so its messages keep their
/// order.
pub const OUTBOX_SHARDS: u64 = 4;
/// Prefix of all outbox partitions. The filter of the stream in `template.yaml` contains it as well.
pub const OUTBOX_PREFIX: &str = "OUTBOX#";

/// Partition of a shard of the outbox.
pub fn outbox_partition(shard: u64) -> String {
    format!("{OUTBOX_PREFIX}{shard}")
}

/// Message in the outbox.
pub fn outbox(conversation: &ConversationId, message: &MessageId) -> Key {
    Key::new(outbox_partition(shard(conversation)), message.as_str())
}

pub(super) fn shard(conversation: &ConversationId) -> u64 {
    shard_of(conversation.as_str())
}

pub(super) fn shard_of(id: &str) -> u64 {
    id.bytes().map(u64::from).sum::<u64>() % OUTBOX_SHARDS
}

/// Partition of the notifications in the outbox.
pub const NOTIFICATIONS: &str = "OUTBOX#MAIL";

/// Whether the image of an outbox item is a notification.
pub fn is_notification(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == NOTIFICATIONS)
}

/// Notification in the outbox.
pub fn notification(id: &str) -> Key {
    Key::new(NOTIFICATIONS, id)
}

/// Partition of the media copies in the outbox.
pub const MEDIA: &str = "OUTBOX#MEDIA";

/// Whether the image of an outbox item is a media copy.
pub fn is_media(image: &serde_dynamo::Item) -> bool {
    matches!(image.get("pk"), Some(serde_dynamo::AttributeValue::S(pk)) if pk == MEDIA)
}

/// Media copy in the outbox.
pub fn media(message: &MessageId) -> Key {
    Key::new(MEDIA, message.as_str())
}
