//! Sending: every reason against a message, in the order of the checks.
//!
//! inbox active → registered → (access is checked before) → lock held with the current token → nothing unseen
//! → number valid → not blocked → not opted out → length and encoding. The idempotency key comes last, with
//! the write.
//!
//! ```
//! use shared_domain::sending::{SendRefusal, reason_against_text};
//!
//! assert_eq!(reason_against_text("See you at 3.", false, 306), None);
//! assert_eq!(reason_against_text("", false, 306), Some(SendRefusal::Empty));
//! ```

use crate::{
    contact::Contact,
    conversation::Conversation,
    ids::{MessageId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    lock::{self, FencingToken, LockViolation},
    registration::RegistrationStatus,
    segment::Segments,
    text,
    time::Timestamp,
};

/// A reason against sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendRefusal {
    /// The inbox is retired, or still being created.
    InboxRetired,
    /// The team's registration is not complete.
    RegistrationIncomplete(RegistrationStatus),
    /// The user does not hold the lock of the conversation.
    Lock(LockViolation),
    /// The conversation has this newer inbound message, which the user has not seen.
    Unseen(MessageId),
    /// The contact's number is a short code or a name.
    CannotReceive,
    /// The contact's number is that of the inbox.
    OwnNumber,
    /// The team blocked the number.
    Blocked,
    /// The contact opted out.
    OptedOut,
    /// The message has neither text nor media.
    Empty,
    /// The text has a control character other than a line break or a tab.
    ControlCharacter,
    /// The text has more characters than the limit.
    #[expect(missing_docs, reason = "the other names say it all")]
    TooLong {
        characters: usize,
        limit: usize,
        /// How many segments the carrier would bill.
        segments: usize,
    },
}

/// The inbox a message is sent from.
#[derive(Debug, Clone, Copy)]
pub struct SendingInbox<'a> {
    /// The inbox itself.
    pub inbox: &'a Inbox,
    /// The status of its team's registration.
    pub registration: RegistrationStatus,
}

/// What a user presents with a reply.
#[derive(Debug, Clone, Copy)]
pub struct ReplyGuard<'a> {
    /// The user who replies.
    pub user: &'a UserId,
    /// The fencing token of the user's lock.
    pub token: Option<FencingToken>,
    /// The newest message on the user's screen. If absent, unseen messages are not checked.
    pub last_seen: Option<&'a MessageId>,
    /// Whether to send despite unseen messages.
    pub accept_unseen: bool,
}

/// All reasons against a reply, in the order of the checks. Empty if it may be sent.
pub fn reasons_against_reply(
    from: SendingInbox<'_>,
    conversation: &Conversation,
    guard: &ReplyGuard<'_>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let mut reasons = reasons_against_inbox(from);
    if from.inbox.kind == InboxKind::Shared {
        let held = lock::guard(&conversation.lock, guard.user, guard.token, now);
        reasons.extend(held.err().map(SendRefusal::Lock));
    }
    if !guard.accept_unseen {
        reasons.extend(conversation.unseen_by(guard.last_seen).cloned().map(SendRefusal::Unseen));
    }
    reasons.extend(reasons_against_contact(from.inbox, &conversation.contact));
    reasons
}

/// All reasons against composing a message to this contact. `conversation` is the existing one, if any;
/// `user` is `None` for a machine.
pub fn reasons_against_compose(
    from: SendingInbox<'_>,
    contact: &Contact,
    conversation: Option<&Conversation>,
    user: Option<&UserId>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let mut reasons = reasons_against_inbox(from);
    let held = conversation.and_then(|conversation| match user {
        Some(user) => lock::held_by_another(&conversation.lock, user, now),
        None => conversation
            .lock
            .live(now)
            .map(|lease| lock::Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() }),
    });
    reasons.extend(held.map(|denied| SendRefusal::Lock(LockViolation::HeldByOther(denied))));
    reasons.extend(reasons_against_contact(from.inbox, contact));
    reasons
}

/// The reasons against the inbox itself. Empty exactly if it [may send](Inbox::may_send).
pub fn reasons_against_inbox(from: SendingInbox<'_>) -> Vec<SendRefusal> {
    let SendingInbox { inbox, registration } = from;
    let retired = (inbox.stage != Stage::Active).then_some(SendRefusal::InboxRetired);
    let incomplete = SendRefusal::RegistrationIncomplete(registration);
    let incomplete = (!inbox.kind.is_covered_by(registration)).then_some(incomplete);
    retired.into_iter().chain(incomplete).collect()
}

fn reasons_against_contact(inbox: &Inbox, contact: &Contact) -> Vec<SendRefusal> {
    let reasons = [
        (!contact.number.can_receive(), SendRefusal::CannotReceive),
        (contact.number == inbox.number, SendRefusal::OwnNumber),
        (contact.blocked, SendRefusal::Blocked),
        (contact.opted_out, SendRefusal::OptedOut),
    ];
    reasons.into_iter().filter_map(|(applies, reason)| applies.then_some(reason)).collect()
}

/// The reason against the text of a message, if any. `limit` is in characters.
pub fn reason_against_text(text: &str, has_media: bool, limit: usize) -> Option<SendRefusal> {
    let characters = text.chars().count();
    if !text::is_visible(text) && !has_media {
        Some(SendRefusal::Empty)
    } else if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Some(SendRefusal::ControlCharacter)
    } else if characters > limit {
        Some(SendRefusal::TooLong { characters, limit, segments: Segments::of(text).count })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversation::{Folder, MessagePreview},
        ids::{ConversationId, InboxId, OrganizationId, TeamId},
        lock::{LockPolicy, LockState, acquire},
        message::Direction,
        phone::PhoneNumber,
        user::UserRef,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn inbox(kind: InboxKind) -> Inbox {
        Inbox {
            organization: OrganizationId::parse("org_1").unwrap(),
            id: InboxId::parse("inb_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            kind,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage: Stage::Active,
            segments_per_second: None,
        }
    }

    fn conversation() -> Conversation {
        let inbox = inbox(InboxKind::Shared);
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let id = ConversationId::of(&inbox.id, &number);
        let inbound = MessageId::in_conversation(&id, NOW, 0);
        Conversation {
            contact: Contact::provisional(&inbox.team, &number),
            inbox: inbox.id,
            folder: Folder::Inbox,
            read: false,
            last_message: MessagePreview {
                id: inbound.clone(),
                text: "hi".into(),
                direction: Direction::Inbound,
                media: 0,
                created_at: NOW,
                erased: false,
            },
            last_activity_at: NOW,
            last_inbound: Some(inbound),
            waiting_since: Some(NOW),
            delivery_failed: false,
            lock: LockState::default(),
            id,
        }
    }

    fn ada() -> UserRef {
        UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() }
    }

    fn guard<'a>(user: &'a UserId, token: Option<u64>, last_seen: Option<&'a MessageId>) -> ReplyGuard<'a> {
        ReplyGuard { user, token: token.map(FencingToken::new), last_seen, accept_unseen: false }
    }

    #[test]
    fn the_holder_of_the_lock_may_reply() {
        let (inbox, user) = (inbox(InboxKind::Shared), ada());
        let mut conversation = conversation();
        conversation.lock =
            LockState::held(acquire(&conversation.lock, &user, NOW, &LockPolicy::default()).unwrap());
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Approved };
        assert_eq!(reasons_against_reply(from, &conversation, &guard(&user.id, Some(1), None), NOW), vec![]);
    }

    #[test]
    fn every_reason_is_given_in_the_order_of_the_checks() {
        let mut inbox = inbox(InboxKind::Shared);
        inbox.stage = Stage::Retired;
        let mut conversation = conversation();
        conversation.contact.opted_out = true;
        conversation.contact.blocked = true;
        let seen = MessageId::in_conversation(&conversation.id, Timestamp::from_millis(1), 0);
        let user = ada().id;
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Pending };
        let reasons = reasons_against_reply(from, &conversation, &guard(&user, None, Some(&seen)), NOW);
        assert_eq!(
            reasons,
            vec![
                SendRefusal::InboxRetired,
                SendRefusal::RegistrationIncomplete(RegistrationStatus::Pending),
                SendRefusal::Lock(LockViolation::TokenRequired),
                SendRefusal::Unseen(conversation.last_inbound.clone().unwrap()),
                SendRefusal::Blocked,
                SendRefusal::OptedOut,
            ]
        );
    }

    #[test]
    fn a_personal_inbox_needs_neither_a_lock_nor_a_registration() {
        let inbox = inbox(InboxKind::Personal);
        let user = ada().id;
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::NotStarted };
        assert_eq!(reasons_against_reply(from, &conversation(), &guard(&user, None, None), NOW), vec![]);
    }

    #[test]
    fn compose_is_refused_only_while_another_user_holds_the_lock() {
        let inbox = inbox(InboxKind::Shared);
        let mut conversation = conversation();
        conversation.lock =
            LockState::held(acquire(&conversation.lock, &ada(), NOW, &LockPolicy::default()).unwrap());
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Approved };
        let ben = UserId::parse("ben").unwrap();
        let against = |user: &UserId| {
            reasons_against_compose(from, &conversation.contact, Some(&conversation), Some(user), NOW)
        };
        assert!(matches!(against(&ben)[..], [SendRefusal::Lock(LockViolation::HeldByOther(_))]));
        assert_eq!(against(&ada().id), vec![]);
    }

    #[test]
    fn a_text_is_limited_in_characters_and_its_segments_are_reported() {
        assert_eq!(reason_against_text("  ", false, 306), Some(SendRefusal::Empty));
        assert_eq!(reason_against_text("", true, 306), None);
        assert_eq!(reason_against_text(&"é".repeat(306), false, 306), None);
        assert_eq!(
            reason_against_text(&"a".repeat(307), false, 306),
            Some(SendRefusal::TooLong { characters: 307, limit: 306, segments: 3 })
        );
    }

    #[test]
    fn a_user_who_accepts_unseen_messages_may_reply() {
        let (inbox, user) = (inbox(InboxKind::Personal), ada().id);
        let conversation = conversation();
        let seen = MessageId::in_conversation(&conversation.id, Timestamp::from_millis(1), 0);
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Approved };
        let shown = guard(&user, None, Some(&seen));
        let unseen = SendRefusal::Unseen(conversation.last_inbound.clone().unwrap());
        assert_eq!(reasons_against_reply(from, &conversation, &shown, NOW), vec![unseen]);
        let accepting = ReplyGuard { accept_unseen: true, ..shown };
        assert_eq!(reasons_against_reply(from, &conversation, &accepting, NOW), vec![]);
    }

    #[test]
    fn a_machine_may_not_compose_while_any_user_holds_the_lock() {
        let inbox = inbox(InboxKind::Shared);
        let mut conversation = conversation();
        let lease = acquire(&conversation.lock, &ada(), NOW, &LockPolicy::default()).unwrap();
        let (end, denied) = (lease.ends_at(), lock::Denied { holder: ada(), expires_at: lease.ends_at() });
        conversation.lock = LockState::held(lease);
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Approved };
        let against =
            |now| reasons_against_compose(from, &conversation.contact, Some(&conversation), None, now);
        assert_eq!(against(NOW), vec![SendRefusal::Lock(LockViolation::HeldByOther(denied))]);
        assert_eq!(against(end), vec![]);
        assert_eq!(reasons_against_compose(from, &conversation.contact, None, None, NOW), vec![]);
    }

    #[test]
    fn a_composed_message_is_subject_to_the_opt_out_of_its_contact() {
        let inbox = inbox(InboxKind::Shared);
        let contact = Contact { opted_out: true, ..conversation().contact };
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::Suspended };
        let suspended = SendRefusal::RegistrationIncomplete(RegistrationStatus::Suspended);
        let reasons = reasons_against_compose(from, &contact, None, None, NOW);
        assert_eq!(reasons, vec![suspended, SendRefusal::OptedOut]);
    }

    #[test]
    fn short_codes_names_and_the_inbox_itself_get_no_message() {
        let inbox = inbox(InboxKind::Personal);
        let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::NotStarted };
        for (number, reason) in [
            ("72975", SendRefusal::CannotReceive),
            ("SUPPORT", SendRefusal::CannotReceive),
            (inbox.number.as_str(), SendRefusal::OwnNumber),
        ] {
            let number = PhoneNumber::from_stored(number).unwrap();
            let contact = Contact { number, ..conversation().contact };
            let blocked = Contact { blocked: true, ..contact.clone() };
            let against = |contact| reasons_against_compose(from, contact, None, None, NOW);
            assert_eq!(against(&contact), std::slice::from_ref(&reason), "{:?}", contact.number.as_str());
            assert_eq!(against(&blocked), [reason.clone(), SendRefusal::Blocked]);
            let conversation = Conversation { contact, ..conversation() };
            let guard = ReplyGuard { user: &ada().id, token: None, last_seen: None, accept_unseen: true };
            assert_eq!(reasons_against_reply(from, &conversation, &guard, NOW), [reason]);
        }
    }

    #[test]
    fn only_an_active_inbox_sends() {
        for (stage, reasons) in [
            (Stage::Creating, vec![SendRefusal::InboxRetired]),
            (Stage::Active, vec![]),
            (Stage::Retired, vec![SendRefusal::InboxRetired]),
        ] {
            let inbox = Inbox { stage, ..inbox(InboxKind::Personal) };
            let from = SendingInbox { inbox: &inbox, registration: RegistrationStatus::NotStarted };
            assert_eq!(reasons_against_inbox(from), reasons, "{stage:?}");
            assert_eq!(from.inbox.may_send(from.registration), reasons.is_empty(), "{stage:?}");
        }
    }

    #[test]
    fn a_text_with_control_characters_is_refused() {
        for text in ["bell\u{7}", "a\0b", "\u{1b}[31mred", "next\u{85}line"] {
            assert_eq!(reason_against_text(text, true, 160), Some(SendRefusal::ControlCharacter), "{text:?}");
        }
        assert_eq!(reason_against_text("a\tb\r\nc\n", false, 160), None);
    }

    #[test]
    fn a_text_of_invisible_characters_alone_is_empty() {
        for text in ["\u{200b}", " \u{feff}\u{200e} ", "\u{3164}"] {
            assert_eq!(reason_against_text(text, false, 160), Some(SendRefusal::Empty), "{text:?}");
            assert_eq!(reason_against_text(text, true, 160), None, "{text:?}");
        }
    }
}
