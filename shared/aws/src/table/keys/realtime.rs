//! Keys of sockets, their tickets, and the viewers of conversations.

use sha2::{Digest, Sha256};
use shared_domain::ids::{ConversationId, OrganizationId};

use super::Key;
use crate::realtime::Place;

/// Ticket of a socket, by the digest of its secret.
pub fn ticket(secret: &str) -> Key {
    Key::new(format!("TICKET#{}", data_encoding::HEXLOWER.encode(&Sha256::digest(secret))), "TICKET")
}

/// Partition of the socket connections of an organization.
pub fn sockets_partition(organization: &OrganizationId) -> String {
    format!("{organization}#SOCKETS")
}

pub fn socket(place: &Place) -> Key {
    Key::new(sockets_partition(&place.organization), format!("{}#{}", place.user, place.slot))
}

/// Partition of the viewers of a conversation.
pub fn viewers_partition(organization: &OrganizationId, conversation: &ConversationId) -> String {
    format!("{organization}#VIEWERS#{conversation}")
}

pub fn viewer(place: &Place, conversation: &ConversationId) -> Key {
    let partition = viewers_partition(&place.organization, conversation);
    Key::new(partition, format!("{}#{}", place.user, place.slot))
}
