//! Who may send what: every reason against a text, in the order in which they are told.
//!
//! inbox active → registered → (access is decided before) → lock held with the current token → nothing unseen → valid
//! number → not blocked → not opted out → length and encoding. The idempotency key comes last, at the write.

use crate::{
    contact::Contact,
    conversation::Conversation,
    ids::{MessageId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    lock::{self, FencingToken, LockViolation},
    registration::RegistrationStatus,
    segment::Segments,
    time::Timestamp,
};

/// A reason against sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendRefusal {
    /// The inbox is retired, or not made yet.
    InboxRetired,
    /// The team's campaign is not approved.
    RegistrationIncomplete(RegistrationStatus),
    /// No lock, somebody else's lock, or a lost one.
    Lock(LockViolation),
    /// A newer inbound text stands in the thread.
    Unseen(MessageId),
    /// The team blocked the number.
    Blocked,
    /// The contact wants no texts.
    OptedOut,
    /// Neither text nor media.
    Empty,
    /// More characters than the limit.
    TooLong {
        /// Characters in the text.
        characters: usize,
        /// Characters allowed.
        limit: usize,
        /// What it would cost.
        segments: usize,
    },
}

/// The account a text goes out from.
#[derive(Debug, Clone, Copy)]
pub struct SendingAccount<'a> {
    /// The inbox.
    pub inbox: &'a Inbox,
    /// Its team's campaign.
    pub registration: RegistrationStatus,
}

/// What the writer of a reply shows.
#[derive(Debug, Clone, Copy)]
pub struct ReplyGuard<'a> {
    /// Who writes.
    pub user: &'a UserId,
    /// The lock.
    pub token: Option<FencingToken>,
    /// The newest message on the writer's screen; nothing is guarded when absent.
    pub last_seen: Option<&'a MessageId>,
    /// Send although something newer came in.
    pub accept_unseen: bool,
}

/// All reasons against a reply, the first one first; empty when it may be sent.
pub fn reasons_against_reply(
    from: SendingAccount<'_>,
    conversation: &Conversation,
    guard: &ReplyGuard<'_>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let mut reasons = reasons_against_account(from);
    if from.inbox.kind == InboxKind::Shared {
        let held = lock::guard(&conversation.lock, guard.user, guard.token, now);
        reasons.extend(held.err().map(SendRefusal::Lock));
    }
    if !guard.accept_unseen {
        reasons.extend(conversation.unseen_by(guard.last_seen).cloned().map(SendRefusal::Unseen));
    }
    reasons.extend(reasons_against_contact(&conversation.contact));
    reasons
}

/// All reasons against a text composed to this contact; `conversation` where there is one already.
pub fn reasons_against_compose(
    from: SendingAccount<'_>,
    contact: &Contact,
    conversation: Option<&Conversation>,
    user: Option<&UserId>,
    now: Timestamp,
) -> Vec<SendRefusal> {
    let mut reasons = reasons_against_account(from);
    let held = conversation.and_then(|conversation| match user {
        Some(user) => lock::held_by_another(&conversation.lock, user, now),
        None => conversation
            .lock
            .live(now)
            .map(|lease| lock::Denied { holder: lease.holder.clone(), expires_at: lease.ends_at() }),
    });
    reasons.extend(held.map(|denied| SendRefusal::Lock(LockViolation::HeldByOther(denied))));
    reasons.extend(reasons_against_contact(contact));
    reasons
}

/// The reasons against the account itself, whoever is written to.
pub fn reasons_against_account(from: SendingAccount<'_>) -> Vec<SendRefusal> {
    let incomplete = from.inbox.kind == InboxKind::Shared && !from.registration.is_complete();
    let retired = (from.inbox.stage != Stage::Active).then_some(SendRefusal::InboxRetired);
    retired
        .into_iter()
        .chain(incomplete.then_some(SendRefusal::RegistrationIncomplete(from.registration)))
        .collect()
}

fn reasons_against_contact(contact: &Contact) -> Vec<SendRefusal> {
    let blocked = contact.blocked.then_some(SendRefusal::Blocked);
    blocked.into_iter().chain(contact.opted_out.then_some(SendRefusal::OptedOut)).collect()
}

/// The reason against this text itself. Length is counted in characters, as people count.
pub fn reason_against_text(text: &str, has_media: bool, limit: usize) -> Option<SendRefusal> {
    let characters = text.chars().count();
    if text.trim().is_empty() && !has_media {
        Some(SendRefusal::Empty)
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
        conversation::{Folder, LastMessage},
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
            last_message: LastMessage {
                id: inbound.clone(),
                text: "hi".into(),
                direction: Direction::Inbound,
                created_at: NOW,
            },
            last_activity_at: NOW,
            last_inbound: Some(inbound),
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
    fn the_holder_with_nothing_against_it_may_reply() {
        let (inbox, user) = (inbox(InboxKind::Shared), ada());
        let mut thread = conversation();
        thread.lock = LockState::held(acquire(&thread.lock, &user, NOW, &LockPolicy::default()).unwrap());
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Approved };
        assert_eq!(reasons_against_reply(from, &thread, &guard(&user.id, Some(1), None), NOW), vec![]);
    }

    #[test]
    fn every_reason_is_told_in_the_order_of_the_checks() {
        let mut inbox = inbox(InboxKind::Shared);
        inbox.stage = Stage::Retired;
        let mut thread = conversation();
        thread.contact.opted_out = true;
        thread.contact.blocked = true;
        let seen = MessageId::in_conversation(&thread.id, Timestamp::from_millis(1), 0);
        let user = ada().id;
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Pending };
        let reasons = reasons_against_reply(from, &thread, &guard(&user, None, Some(&seen)), NOW);
        assert_eq!(
            reasons,
            vec![
                SendRefusal::InboxRetired,
                SendRefusal::RegistrationIncomplete(RegistrationStatus::Pending),
                SendRefusal::Lock(LockViolation::TokenRequired),
                SendRefusal::Unseen(thread.last_inbound.clone().unwrap()),
                SendRefusal::Blocked,
                SendRefusal::OptedOut,
            ]
        );
    }

    #[test]
    fn a_personal_inbox_needs_neither_lock_nor_campaign() {
        let inbox = inbox(InboxKind::Personal);
        let user = ada().id;
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::NotStarted };
        assert_eq!(reasons_against_reply(from, &conversation(), &guard(&user, None, None), NOW), vec![]);
    }

    #[test]
    fn compose_is_refused_only_while_another_holds() {
        let inbox = inbox(InboxKind::Shared);
        let mut thread = conversation();
        thread.lock = LockState::held(acquire(&thread.lock, &ada(), NOW, &LockPolicy::default()).unwrap());
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Approved };
        let ben = UserId::parse("ben").unwrap();
        let against =
            |user: &UserId| reasons_against_compose(from, &thread.contact, Some(&thread), Some(user), NOW);
        assert!(matches!(against(&ben)[..], [SendRefusal::Lock(LockViolation::HeldByOther(_))]));
        assert_eq!(against(&ada().id), vec![]);
    }

    #[test]
    fn a_text_is_measured_in_characters_and_told_its_segments() {
        assert_eq!(reason_against_text("  ", false, 306), Some(SendRefusal::Empty));
        assert_eq!(reason_against_text("", true, 306), None);
        assert_eq!(reason_against_text(&"é".repeat(306), false, 306), None);
        assert_eq!(
            reason_against_text(&"a".repeat(307), false, 306),
            Some(SendRefusal::TooLong { characters: 307, limit: 306, segments: 3 })
        );
    }

    #[test]
    fn who_sends_although_something_newer_came_in_is_not_asked_again() {
        let (inbox, user) = (inbox(InboxKind::Personal), ada().id);
        let thread = conversation();
        let seen = MessageId::in_conversation(&thread.id, Timestamp::from_millis(1), 0);
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Approved };
        let shown = guard(&user, None, Some(&seen));
        let unseen = SendRefusal::Unseen(thread.last_inbound.clone().unwrap());
        assert_eq!(reasons_against_reply(from, &thread, &shown, NOW), vec![unseen]);
        let accepting = ReplyGuard { accept_unseen: true, ..shown };
        assert_eq!(reasons_against_reply(from, &thread, &accepting, NOW), vec![]);
    }

    #[test]
    fn a_machine_composes_nothing_while_anybody_holds() {
        let inbox = inbox(InboxKind::Shared);
        let mut thread = conversation();
        let lease = acquire(&thread.lock, &ada(), NOW, &LockPolicy::default()).unwrap();
        let (end, denied) = (lease.ends_at(), lock::Denied { holder: ada(), expires_at: lease.ends_at() });
        thread.lock = LockState::held(lease);
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Approved };
        let against = |now| reasons_against_compose(from, &thread.contact, Some(&thread), None, now);
        assert_eq!(against(NOW), vec![SendRefusal::Lock(LockViolation::HeldByOther(denied))]);
        assert_eq!(against(end), vec![]);
        assert_eq!(reasons_against_compose(from, &thread.contact, None, None, NOW), vec![]);
    }

    #[test]
    fn a_text_is_composed_under_the_rules_of_its_contact() {
        let inbox = inbox(InboxKind::Shared);
        let contact = Contact { opted_out: true, ..conversation().contact };
        let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::Suspended };
        let suspended = SendRefusal::RegistrationIncomplete(RegistrationStatus::Suspended);
        let reasons = reasons_against_compose(from, &contact, None, None, NOW);
        assert_eq!(reasons, vec![suspended, SendRefusal::OptedOut]);
    }

    #[test]
    fn only_an_active_inbox_sends() {
        for (stage, reasons) in [
            (Stage::Creating, vec![SendRefusal::InboxRetired]),
            (Stage::Active, vec![]),
            (Stage::Retired, vec![SendRefusal::InboxRetired]),
        ] {
            let inbox = Inbox { stage, ..inbox(InboxKind::Personal) };
            let from = SendingAccount { inbox: &inbox, registration: RegistrationStatus::NotStarted };
            assert_eq!(reasons_against_account(from), reasons, "{stage:?}");
        }
    }
}
