//! Messages that a rule sends.

use std::time::Duration;

use shared_aws::inbox::Account;
use shared_domain::{
    ids::{ConversationId, MessageId},
    inbox::{InboxKind, Stage},
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    time::Timestamp,
};

/// Whether an inbox may send. A retired inbox sends nothing, nor does a shared inbox whose team is not registered.
pub(crate) fn may_send(account: &Account) -> bool {
    account.inbox.stage == Stage::Active
        && (account.inbox.kind == InboxKind::Personal || account.team.registration.is_complete())
}

/// Returns an automatic message, dated a millisecond after the message it answers so that they sort in this order.
pub(crate) fn message(
    account: &Account,
    to: &PhoneNumber,
    text: &str,
    answered_at: Timestamp,
    entropy: u64,
) -> Message {
    let conversation = ConversationId::of(&account.inbox.id, to);
    let at = answered_at + Duration::from_millis(1);
    Message {
        id: MessageId::in_conversation(&conversation, at, entropy),
        conversation,
        inbox: account.inbox.id.clone(),
        team: account.team.id.clone(),
        personal: account.inbox.kind == InboxKind::Personal,
        inbox_number: account.inbox.number.clone(),
        contact_number: to.clone(),
        direction: Direction::Outbound,
        text: text.to_owned(),
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
