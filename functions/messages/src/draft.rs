//! New outbound messages.

use shared_aws::inbox::Account;
use shared_domain::{
    ids::{ConversationId, MessageId},
    inbox::InboxKind,
    media::Media,
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

/// An outbound message from this inbox, queued.
pub(crate) fn outbound(
    account: &Account,
    number: &PhoneNumber,
    sender: Option<UserRef>,
    text: String,
    media: Vec<Media>,
    now: Timestamp,
    entropy: u64,
) -> Message {
    let conversation = ConversationId::of(&account.inbox.id, number);
    Message {
        id: MessageId::in_conversation(&conversation, now, entropy),
        conversation,
        inbox: account.inbox.id.clone(),
        team: account.team.id.clone(),
        personal: account.inbox.kind == InboxKind::Personal,
        inbox_number: account.inbox.number.clone(),
        contact_number: number.clone(),
        direction: Direction::Outbound,
        text,
        media,
        sender,
        automatic: false,
        bypass_opt_out: false,
        created_at: now,
        messaging_service: account.messaging_service().map(str::to_owned),
        carrier_id: None,
        delivery: Delivery::beginning(DeliveryState::Queued, now),
    }
}
