//! Messages that a rule sends.

use std::time::Duration;

use shared_aws::{
    inbox::{Inboxes, OutOfOffice},
    table::StoreError,
};
use shared_domain::{
    automatic::automatic,
    ids::ConversationId,
    inbox::TeamInbox,
    keyword_reply::{self, KeywordAction},
    message::Message,
    out_of_office::{self, Inbound},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::keyword_reply::InboundKeyword;

/// What a rule does with a message: a guard against loops of automatic messages. `answer` is the text with
/// which the rule would answer. Messages that opt out, opt in or ask for help do not come here.
pub(crate) async fn action(
    inboxes: &Inboxes,
    out_of_office: &OutOfOffice,
    message: InboundKeyword<'_>,
    answer: &str,
) -> Result<KeywordAction, StoreError> {
    let InboundKeyword { inbox, from, text, at, is_late, .. } = message;
    let inbound = Inbound {
        keyword: false,
        automatic: automatic(text).is_some() || out_of_office::echoes(text, answer),
        from_own_number: inboxes.is_ours(from).await?,
        short_code: !from.can_receive(),
    };
    let conversation = ConversationId::of(&inbox.id, from);
    let recent = out_of_office.recent(inbox.key(), &conversation, at).await?;
    Ok(keyword_reply::action(&inbound, recent, is_late))
}

/// Returns an automatic message, dated a millisecond after the message it answers so that they sort in this
/// order.
pub(crate) fn message(
    team_inbox: &TeamInbox,
    to: &PhoneNumber,
    text: &str,
    answered_at: Timestamp,
    entropy: u64,
) -> Message {
    let at = answered_at + Duration::from_millis(1);
    Message { automatic: true, ..team_inbox.outbound(to, text.to_owned(), at, entropy) }
}
