//! Texts that a rule of ours sends, and whether the account may send at all.

use std::time::Duration;

use shared_aws::inbox::Account;
use shared_domain::{
    ids::{ConversationId, MessageId},
    inbox::{InboxKind, Stage},
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    time::Timestamp,
};

/// What is retired or not registered sends nothing, by itself either.
pub(crate) fn may_send(account: &Account) -> bool {
    account.inbox.stage == Stage::Active
        && (account.inbox.kind == InboxKind::Personal || account.team.registration.is_complete())
}

/// An automatic text, a moment after what it answers, so that the history has them in this order.
pub(crate) fn text(
    account: &Account,
    to: &PhoneNumber,
    words: &str,
    now: Timestamp,
    entropy: u64,
) -> Message {
    let conversation = ConversationId::of(&account.inbox.id, to);
    let at = now + Duration::from_millis(1);
    Message {
        id: MessageId::in_conversation(&conversation, at, entropy),
        conversation,
        inbox: account.inbox.id.clone(),
        team: account.team.id.clone(),
        personal: account.inbox.kind == InboxKind::Personal,
        inbox_number: account.inbox.number.clone(),
        contact_number: to.clone(),
        direction: Direction::Outbound,
        text: words.to_owned(),
        media: Vec::new(),
        sender: None,
        automatic: true,
        bypass_opt_out: false,
        created_at: at,
        messaging_service: account.messaging_service().map(str::to_owned),
        carrier_id: None,
        delivery: Delivery::beginning(DeliveryState::Queued, at),
    }
}
