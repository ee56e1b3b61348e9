//! Conversations: the thread of one inbox with one number, in one of two folders, read or unread.
//!
//! | what happens | folder | read |
//! |---|---|---|
//! | an inbound text | inbox | unread |
//! | opened to answer (the lock is acquired) | as it was | read |
//! | a user's reply, or a text composed by a user | archived | as it was |
//! | by hand | as asked | as asked |
//!
//! The read state belongs to the inbox, not to the viewer. Lists are ordered by last activity.

use serde::{Deserialize, Serialize};

use crate::{
    contact::Contact,
    ids::{ConversationId, InboxId, MessageId, UserId},
    lock::LockState,
    message::{Direction, Message},
    time::Timestamp,
};

/// Where a conversation is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Folder {
    /// Somebody waits for an answer.
    Inbox,
    /// Nobody does.
    Archived,
}

impl Folder {
    /// The word of the API, and of the list's key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Archived => "archived",
        }
    }

    /// Where a text puts its conversation.
    pub fn after(direction: Direction) -> Self {
        match direction {
            Direction::Inbound => Self::Inbox,
            Direction::Outbound => Self::Archived,
        }
    }
}

/// The last text as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMessage {
    /// Which message.
    pub id: MessageId,
    /// Its beginning, at most [`PREVIEW_BYTES`].
    pub text: String,
    /// In or out.
    pub direction: Direction,
    /// When.
    pub created_at: Timestamp,
}

/// What a list shows of a text: enough for a line, and so little that a page of 50 stays within its read budget.
pub const PREVIEW_BYTES: usize = 100;

impl LastMessage {
    /// The preview of a message.
    pub fn of(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            text: preview(&message.text),
            direction: message.direction,
            created_at: message.created_at,
        }
    }
}

/// The text, cut at a character when it is longer than [`PREVIEW_BYTES`].
fn preview(text: &str) -> String {
    if text.len() <= PREVIEW_BYTES {
        return text.to_owned();
    }
    let end = (0..=PREVIEW_BYTES - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at));
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// A thread as its inbox sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The inbox it belongs to.
    pub inbox: InboxId,
    /// With whom, as the contact was when the thread began; whoever changes a contact changes this copy too.
    pub contact: Contact,
    /// Where it is listed.
    pub folder: Folder,
    /// Nobody has to look at it.
    pub read: bool,
    /// The newest text.
    pub last_message: LastMessage,
    /// Orders the lists.
    pub last_activity_at: Timestamp,
    /// The newest inbound text, for the guard against answering unseen.
    pub last_inbound: Option<MessageId>,
    /// The newest text of ours did not arrive.
    pub delivery_failed: bool,
    /// Who is responding.
    pub lock: LockState,
}

impl Conversation {
    /// The newest inbound text, if the writer has not seen it. Ids of one conversation sort by time, so what the writer
    /// saw last may be any message of it.
    pub fn unseen_by(&self, last_seen: Option<&MessageId>) -> Option<&MessageId> {
        let newest = self.last_inbound.as_ref()?;
        last_seen.filter(|seen| *seen < newest).map(|_| newest)
    }
}

/// What a list shows of a folder. The parts combine, and an absent one lets everything through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only contacts that are assigned to this user.
    pub assigned: Option<UserId>,
    /// Only what is read (`true`), or unread (`false`).
    pub read: Option<bool>,
}

impl Filter {
    /// Whether it shows this conversation.
    pub fn admits(&self, conversation: &Conversation) -> bool {
        let assigned = conversation.contact.assigned.as_ref().map(|person| &person.id);
        self.assigned.as_ref().is_none_or(|wanted| assigned == Some(wanted))
            && self.read.is_none_or(|wanted| conversation.read == wanted)
    }
}

/// What an inbound text does to its thread, given what the thread already holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// Newest: becomes the last message, unread, on top of the inbox.
    OnTop,
    /// A newer text is there: only folder and read state may still have to follow.
    Below,
    /// A newer inbound text is there, and may have been answered and archived before this one was stored: the delivery
    /// that stores it makes the thread unread again, a redelivery finds nothing to do.
    Overtaken,
    /// The thread already shows this text.
    Done,
}

/// Decides what is left to do for an inbound text that is stored.
pub fn thread_inbound(
    conversation: Option<(&LastMessage, Option<&MessageId>)>,
    text: &MessageId,
) -> Threading {
    match conversation {
        Some((_, Some(inbound))) if inbound == text => Threading::Done,
        Some((_, Some(inbound))) if inbound > text => Threading::Overtaken,
        Some((last, _)) if last.id > *text => Threading::Below,
        None | Some(_) => Threading::OnTop,
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

    fn last(millis: i64, direction: Direction) -> LastMessage {
        LastMessage {
            id: message(millis),
            text: String::new(),
            direction,
            created_at: Timestamp::from_millis(millis),
        }
    }

    #[test]
    fn an_inbound_text_goes_on_top_unless_something_newer_is_there() {
        let text = message(10);
        assert_eq!(thread_inbound(None, &text), Threading::OnTop);
        assert_eq!(thread_inbound(Some((&last(9, Direction::Outbound), None)), &text), Threading::OnTop);
        assert_eq!(thread_inbound(Some((&last(11, Direction::Outbound), None)), &text), Threading::Below);
    }

    #[test]
    fn a_redelivered_text_changes_nothing() {
        let text = message(10);
        assert_eq!(
            thread_inbound(Some((&last(10, Direction::Inbound), Some(&text))), &text),
            Threading::Done
        );
    }

    #[test]
    fn a_text_that_a_newer_one_overtook_still_wants_to_be_seen() {
        assert_eq!(
            thread_inbound(Some((&last(12, Direction::Outbound), Some(&message(11)))), &message(10)),
            Threading::Overtaken
        );
        let skewed = last(9, Direction::Outbound); // a reply from a host whose clock is behind
        assert_eq!(thread_inbound(Some((&skewed, Some(&message(11)))), &message(10)), Threading::Overtaken);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "é".repeat(80);
        let shown = preview(&text);
        assert!(shown.len() <= PREVIEW_BYTES && shown.ends_with('…'), "{} bytes", shown.len());
        assert_eq!(preview("short"), "short");
        assert_eq!(preview(&"a".repeat(PREVIEW_BYTES)).len(), PREVIEW_BYTES);
    }

    #[test]
    fn a_long_text_keeps_as_much_as_fits_before_the_ellipsis() {
        assert_eq!(preview(&"a".repeat(PREVIEW_BYTES + 1)), "a".repeat(97) + "…");
        assert_eq!(preview(&"é".repeat(80)), "é".repeat(48) + "…", "the 97th byte is within a character");
    }

    #[test]
    fn an_answered_thread_that_a_new_text_reaches_has_it_on_top() {
        let answered = last(9, Direction::Outbound);
        assert_eq!(thread_inbound(Some((&answered, Some(&message(8)))), &message(10)), Threading::OnTop);
        let answered_by_a_fast_clock = last(11, Direction::Outbound);
        assert_eq!(
            thread_inbound(Some((&answered_by_a_fast_clock, Some(&message(8)))), &message(10)),
            Threading::Below
        );
    }

    #[test]
    fn a_thread_that_shows_a_text_and_does_not_count_it_as_inbound_is_written_again() {
        let text = message(10);
        assert_eq!(thread_inbound(Some((&last(10, Direction::Inbound), None)), &text), Threading::OnTop);
    }

    #[test]
    fn folders_have_the_words_of_the_api_and_follow_the_direction() {
        assert_eq!((Folder::Inbox.as_str(), Folder::Archived.as_str()), ("inbox", "archived"));
        assert_eq!(Folder::after(Direction::Inbound), Folder::Inbox);
        assert_eq!(Folder::after(Direction::Outbound), Folder::Archived);
    }

    fn conversation(assigned: Option<&str>, read: bool) -> Conversation {
        let (inbox, team) = (InboxId::parse("inb_1").unwrap(), crate::ids::TeamId::parse("team_1").unwrap());
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let person =
            |id: &str| crate::user::UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() };
        Conversation {
            id: ConversationId::of(&inbox, &number),
            inbox,
            contact: Contact { assigned: assigned.map(person), ..Contact::provisional(&team, &number) },
            folder: Folder::Inbox,
            read,
            last_message: last(10, Direction::Inbound),
            last_activity_at: Timestamp::from_millis(10),
            last_inbound: Some(message(10)),
            delivery_failed: false,
            lock: LockState::default(),
        }
    }

    #[test]
    fn a_writer_has_seen_the_newest_text_when_theirs_is_that_one_or_later() {
        let thread = conversation(None, false);
        assert_eq!(thread.unseen_by(Some(&message(9))), Some(&message(10)));
        assert_eq!(thread.unseen_by(Some(&message(10))), None);
        assert_eq!(thread.unseen_by(Some(&message(11))), None);
        assert_eq!(thread.unseen_by(None), None, "nothing is guarded");
        assert_eq!(Conversation { last_inbound: None, ..thread }.unseen_by(Some(&message(9))), None);
    }

    #[test]
    fn a_list_shows_what_all_parts_of_its_filter_let_through() {
        let ada = UserId::parse("ada").unwrap();
        let admitted = |assigned: Option<&UserId>, read| {
            let filter = Filter { assigned: assigned.cloned(), read };
            [("ada", false), ("ada", true), ("ben", false), ("", false)]
                .map(|(of, read)| filter.admits(&conversation(Some(of).filter(|of| !of.is_empty()), read)))
        };
        assert_eq!(admitted(None, None), [true, true, true, true]);
        assert_eq!(admitted(Some(&ada), None), [true, true, false, false]);
        assert_eq!(admitted(None, Some(false)), [true, false, true, true]);
        assert_eq!(admitted(None, Some(true)), [false, true, false, false]);
        assert_eq!(admitted(Some(&ada), Some(false)), [true, false, false, false]);
    }
}
