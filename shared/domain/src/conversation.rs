//! Conversations: the messages between one inbox and one number, in one of two folders, read or unread.
//!
//! | event | folder | read state | wait for an answer |
//! |---|---|---|---|
//! | an inbound message arrives | inbox | unread | begins, unless the contact waits already |
//! | a user opens the conversation to reply (acquires the lock) | unchanged | read | unchanged |
//! | a user replies or composes a message | archived | unchanged | ends |
//! | a machine or a broadcast texts the contact, or a failed message is sent again | archived | unchanged | unchanged |
//! | a user moves or marks the conversation | as chosen | as chosen | ends without an answer if archived |
//!
//! The read state belongs to the conversation, not to the viewer. Lists are ordered by last activity.
//!
//! An inbound message begins the wait only if it is the newest message of the conversation
//! ([`InboundPosition::Newest`]) and [`Message::needs_answer`]. A message that is delivered again, or that is
//! stored after a newer one, begins no wait: it may be older than an answer.
//!
//! ```
//! use shared_domain::{conversation::Folder, message::Direction};
//!
//! assert_eq!(Folder::after(Direction::Inbound), Folder::Inbox);
//! assert_eq!(Folder::after(Direction::Outbound), Folder::Archived);
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    contact::Contact,
    ids::{ConversationId, InboxId, MessageId, UserId},
    lock::LockState,
    message::{Direction, Message},
    time::Timestamp,
};

/// The list that shows a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Folder {
    /// The conversation needs an answer.
    Inbox,
    /// The conversation needs no answer.
    Archived,
}

impl Folder {
    /// The name in the API and in the key of the list.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Archived => "archived",
        }
    }

    /// The folder of a conversation after a message in this direction.
    pub fn after(direction: Direction) -> Self {
        match direction {
            Direction::Inbound => Self::Inbox,
            Direction::Outbound => Self::Archived,
        }
    }
}

/// A message as the list of conversations shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct MessagePreview {
    pub id: MessageId,
    /// The text, or its beginning: at most [`MAX_PREVIEW_BYTES`].
    pub text: String,
    pub direction: Direction,
    /// Number of media files.
    pub media: usize,
    pub created_at: Timestamp,
    /// Whether the message expired and was erased. The preview then has no text and no media.
    pub erased: bool,
}

/// The maximum length of a preview, in bytes. It fills one line, and keeps a page of 50 conversations within
/// its read budget.
pub const MAX_PREVIEW_BYTES: usize = 100;

impl MessagePreview {
    /// The preview of a message.
    pub fn of(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            text: preview(&message.text),
            direction: message.direction,
            media: message.media.len(),
            created_at: message.created_at,
            erased: false,
        }
    }
}

/// A text longer than [`MAX_PREVIEW_BYTES`] is cut between two characters and ends in an ellipsis.
fn preview(text: &str) -> String {
    if text.len() <= MAX_PREVIEW_BYTES {
        return text.to_owned();
    }
    let end = (0..=MAX_PREVIEW_BYTES - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// A conversation as its inbox shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Conversation {
    pub id: ConversationId,
    pub inbox: InboxId,
    /// A copy of the contact. Every change of the contact also changes this copy.
    pub contact: Contact,
    pub folder: Folder,
    pub read: bool,
    /// The newest message.
    pub last_message: MessagePreview,
    /// The sort key of the lists.
    pub last_activity_at: Timestamp,
    /// The newest inbound message. A reply is refused if its author has not seen it.
    pub last_inbound: Option<MessageId>,
    /// When the oldest message came in that still needs an answer of a user. `None` if no message does.
    pub waiting_since: Option<Timestamp>,
    /// Whether the newest outbound message was not delivered.
    pub delivery_failed: bool,
    pub lock: LockState,
}

impl Conversation {
    /// The newest inbound message if it is newer than `last_seen`, else `None`. `last_seen` can be any
    /// message of the conversation, because the ids of one conversation sort by time.
    pub fn unseen_by(&self, last_seen: Option<&MessageId>) -> Option<&MessageId> {
        let newest = self.last_inbound.as_ref()?;
        last_seen.filter(|seen| *seen < newest).map(|_| newest)
    }

    /// How long the contact has waited for an answer. `None` if the contact does not wait, and if the message
    /// came in before conversations stored this.
    pub fn waited(&self, now: Timestamp) -> Option<Duration> {
        self.waiting_since.map(|since| since.duration_until(now))
    }
}

/// The user that a contact is assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// This user.
    User(UserId),
    /// No user.
    None,
}

impl Assignment {
    /// Returns the user. `None` if the contact is assigned to no user.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::None => None,
        }
    }
}

/// Which conversations of a folder a list shows: those that match all parts. A part that is `None` matches
/// everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only conversations with contacts that are assigned to this user, or to no user.
    pub assigned: Option<Assignment>,
    /// Only conversations that are read (`true`) or unread (`false`).
    pub read: Option<bool>,
}

impl Filter {
    /// Whether the conversation matches.
    pub fn matches(&self, conversation: &Conversation) -> bool {
        let assigned = conversation.contact.assigned.as_ref().map(|user| &user.id);
        self.assigned.as_ref().is_none_or(|wanted| assigned == wanted.user())
            && self.read.is_none_or(|wanted| conversation.read == wanted)
    }
}

/// The position of an inbound message among the messages of its conversation. It decides what the
/// conversation still has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundPosition {
    /// The message is the newest one. The conversation shows it, becomes unread, and moves to the top of the
    /// inbox.
    Newest,
    /// An outbound message is newer. Only the folder and the read state change.
    BehindOutbound,
    /// An inbound message is newer, and may already be answered. The conversation becomes unread if this
    /// delivery stored the message. If an earlier delivery stored it, nothing changes.
    BehindInbound,
    /// The conversation already shows the message. Nothing changes.
    AlreadyShown,
}

/// The position of an inbound message that is stored. `conversation` is the newest message and the newest
/// inbound message, or `None` if this message starts the conversation.
pub fn inbound_position(
    conversation: Option<(&MessagePreview, Option<&MessageId>)>,
    message: &MessageId,
) -> InboundPosition {
    match conversation {
        Some((_, Some(inbound))) if inbound == message => InboundPosition::AlreadyShown,
        Some((_, Some(inbound))) if inbound > message => InboundPosition::BehindInbound,
        Some((last, _)) if last.id > *message => InboundPosition::BehindOutbound,
        None | Some(_) => InboundPosition::Newest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::InboxId, phone::PhoneNumber};

    fn message(millis: i64) -> MessageId {
        let inbox = InboxId::parse("inb_1").unwrap();
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        MessageId::in_conversation(&ConversationId::of(&inbox, &number), Timestamp::from_millis(millis), 0)
    }

    fn last(millis: i64, direction: Direction) -> MessagePreview {
        MessagePreview {
            id: message(millis),
            text: String::new(),
            direction,
            media: 0,
            created_at: Timestamp::from_millis(millis),
            erased: false,
        }
    }

    #[test]
    fn an_inbound_message_is_the_newest_unless_the_conversation_has_a_newer_one() {
        let text = message(10);
        assert_eq!(inbound_position(None, &text), InboundPosition::Newest);
        assert_eq!(
            inbound_position(Some((&last(9, Direction::Outbound), None)), &text),
            InboundPosition::Newest
        );
        assert_eq!(
            inbound_position(Some((&last(11, Direction::Outbound), None)), &text),
            InboundPosition::BehindOutbound
        );
    }

    #[test]
    fn a_redelivered_message_changes_nothing() {
        let text = message(10);
        assert_eq!(
            inbound_position(Some((&last(10, Direction::Inbound), Some(&text))), &text),
            InboundPosition::AlreadyShown
        );
    }

    #[test]
    fn a_message_behind_a_newer_inbound_one_makes_the_conversation_unread() {
        assert_eq!(
            inbound_position(Some((&last(12, Direction::Outbound), Some(&message(11)))), &message(10)),
            InboundPosition::BehindInbound
        );
        let skewed = last(9, Direction::Outbound); // a reply from a host whose clock is behind
        assert_eq!(
            inbound_position(Some((&skewed, Some(&message(11)))), &message(10)),
            InboundPosition::BehindInbound
        );
    }

    #[test]
    fn a_long_preview_is_cut_between_two_characters() {
        let text = "é".repeat(80);
        let shown = preview(&text);
        assert!(shown.len() <= MAX_PREVIEW_BYTES && shown.ends_with('…'), "{} bytes", shown.len());
        assert_eq!(preview("short"), "short");
        assert_eq!(preview(&"a".repeat(MAX_PREVIEW_BYTES)).len(), MAX_PREVIEW_BYTES);
    }

    #[test]
    fn a_long_preview_keeps_as_much_as_fits_before_the_ellipsis() {
        assert_eq!(preview(&"a".repeat(MAX_PREVIEW_BYTES + 1)), "a".repeat(97) + "…");
        assert_eq!(preview(&"é".repeat(80)), "é".repeat(48) + "…", "the 97th byte is within a character");
    }

    #[test]
    fn a_new_message_after_a_reply_is_the_newest_unless_the_clock_of_the_reply_was_fast() {
        let answered = last(9, Direction::Outbound);
        assert_eq!(
            inbound_position(Some((&answered, Some(&message(8)))), &message(10)),
            InboundPosition::Newest
        );
        let answered_by_a_fast_clock = last(11, Direction::Outbound);
        assert_eq!(
            inbound_position(Some((&answered_by_a_fast_clock, Some(&message(8)))), &message(10)),
            InboundPosition::BehindOutbound
        );
    }

    #[test]
    fn a_conversation_that_shows_a_message_but_has_not_recorded_it_as_inbound_is_written_again() {
        let text = message(10);
        assert_eq!(
            inbound_position(Some((&last(10, Direction::Inbound), None)), &text),
            InboundPosition::Newest
        );
    }

    #[test]
    fn folders_have_the_names_of_the_api_and_follow_the_direction() {
        assert_eq!((Folder::Inbox.as_str(), Folder::Archived.as_str()), ("inbox", "archived"));
        assert_eq!(Folder::after(Direction::Inbound), Folder::Inbox);
        assert_eq!(Folder::after(Direction::Outbound), Folder::Archived);
    }

    fn conversation(assigned: Option<&str>, read: bool) -> Conversation {
        let (inbox, team) = (InboxId::parse("inb_1").unwrap(), crate::ids::TeamId::parse("team_1").unwrap());
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let user =
            |id: &str| crate::user::UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() };
        Conversation {
            id: ConversationId::of(&inbox, &number),
            inbox,
            contact: Contact { assigned: assigned.map(user), ..Contact::provisional(&team, &number) },
            folder: Folder::Inbox,
            read,
            last_message: last(10, Direction::Inbound),
            last_activity_at: Timestamp::from_millis(10),
            last_inbound: Some(message(10)),
            waiting_since: Some(Timestamp::from_millis(10)),
            delivery_failed: false,
            lock: LockState::default(),
        }
    }

    #[test]
    fn a_user_has_seen_the_newest_message_if_theirs_is_that_one_or_a_later_one() {
        let conversation = conversation(None, false);
        assert_eq!(conversation.unseen_by(Some(&message(9))), Some(&message(10)));
        assert_eq!(conversation.unseen_by(Some(&message(10))), None);
        assert_eq!(conversation.unseen_by(Some(&message(11))), None);
        assert_eq!(conversation.unseen_by(None), None, "nothing is checked");
        assert_eq!(Conversation { last_inbound: None, ..conversation }.unseen_by(Some(&message(9))), None);
    }

    #[test]
    fn a_contact_waits_from_the_first_unanswered_message_until_now() {
        let now = Timestamp::from_millis(10 + 3_600_000);
        let waiting = conversation(None, false);
        assert_eq!(waiting.waited(now), Some(Duration::from_hours(1)));
        assert_eq!(waiting.waited(Timestamp::from_millis(9)), Some(Duration::ZERO), "the clock is behind");
        let answered = Conversation { waiting_since: None, ..waiting };
        assert_eq!(answered.waited(now), None, "although the newest message is inbound");
    }

    #[test]
    fn a_list_shows_what_matches_all_parts_of_its_filter() {
        let ada = Assignment::User(UserId::parse("ada").unwrap());
        let matching = |assigned: Option<&Assignment>, read| {
            let filter = Filter { assigned: assigned.cloned(), read };
            [("ada", false), ("ada", true), ("ben", false), ("", false)]
                .map(|(of, read)| filter.matches(&conversation(Some(of).filter(|of| !of.is_empty()), read)))
        };
        assert_eq!(matching(None, None), [true, true, true, true]);
        assert_eq!(matching(Some(&ada), None), [true, true, false, false]);
        assert_eq!(matching(None, Some(false)), [true, false, true, true]);
        assert_eq!(matching(None, Some(true)), [false, true, false, false]);
        assert_eq!(matching(Some(&ada), Some(false)), [true, false, false, false]);
        assert_eq!(matching(Some(&Assignment::None), None), [false, false, false, true]);
    }
}
