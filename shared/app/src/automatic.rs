//! Messages that a rule sends.

use std::time::Duration;

use shared_domain::{inbox::TeamInbox, message::Message, phone::PhoneNumber, time::Timestamp};

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
