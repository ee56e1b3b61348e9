//! Which events a change is. A pure function: the same change always gives the same events.
//!
//! A change is visible if the view of the item differs from the view before. Writes that change nothing that
//! a member sees, such as a count of unread conversations, are no events.

use serde::Serialize;
use serde_json::Value;
use shared_aws::event::{Change, Images, Subject};
use shared_domain::{
    conversation::Conversation,
    event::{EventScope, EventType, lock_event},
    ids::{ConversationId, InboxId, MessageId, OrganizationId, TeamId},
    inbox::Stage,
    lock::LockState,
    message::Message,
    time::Timestamp,
};
use shared_http::wire::{
    broadcast::BroadcastData,
    contact::OptOutEntryView,
    conversation::ConversationView,
    event::{
        ContactData, ImportData, InboxData, LockData, MembershipData, OutOfOfficeData, RegistrationData,
    },
    message::MessageView,
};

/// An event without id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Draft {
    pub kind: EventType,
    pub scope: EventScope,
    /// `None` if the changed item does not have it.
    pub team: Option<TeamId>,
    pub conversation: Option<ConversationId>,
    pub message: Option<MessageId>,
    pub data: Value,
}

/// Returns the events of a change that was made at `at`, at most two.
pub fn derive(change: Change, at: Timestamp) -> Vec<Draft> {
    let Change { organization, subject } = change;
    let in_inbox = |inbox: InboxId| EventScope::Inbox { organization: organization.clone(), inbox };
    let in_team = |kind: EventType, team: TeamId, data: Option<Value>| {
        let scope = EventScope::Team { organization: organization.clone(), team: team.clone() };
        data.map(|data| Draft { team: Some(team), ..Draft::new(kind, scope, data) }).into_iter().collect()
    };
    match subject {
        Subject::Conversation(inbox, images) => of_conversation(&in_inbox(inbox), images, at),
        Subject::Message(images) => of_message(organization, images),
        Subject::Inbox(inbox, Images { before, after }) => {
            let Some(after) = after.filter(|inbox| inbox.stage != Stage::Creating) else {
                return Vec::new();
            };
            let before = before.filter(|inbox| inbox.stage != Stage::Creating);
            let data = changed(before.map(|before| view(InboxData::of(&before))), InboxData::of(&after));
            let draft = |data| Draft::new(EventType::InboxChanged, in_inbox(inbox.clone()), data);
            data.map(|data| Draft { team: Some(after.team), ..draft(data) }).into_iter().collect()
        }
        Subject::OutOfOffice(inbox, Images { before, after }) => {
            let Some(after) = after else { return Vec::new() };
            let before = before.map(|before| view(OutOfOfficeData::from(before.draft)));
            let data = changed(before, OutOfOfficeData::from(after.draft));
            let draft = |data| Draft::new(EventType::InboxChanged, in_inbox(inbox), data);
            data.map(draft).into_iter().collect()
        }
        Subject::InboxMember(inbox, images) => {
            let team = images.after.as_ref().or(images.before.as_ref()).map(|member| member.team.clone());
            let data = changed_or_removed(images, |member, removed| {
                view(MembershipData::in_inbox(&member.user, removed))
            });
            let draft = |data| Draft::new(EventType::MembershipChanged, in_inbox(inbox), data);
            data.map(|data| Draft { team, ..draft(data) }).into_iter().collect()
        }
        Subject::TeamMember(team, images) => {
            let data =
                changed_or_removed(images, |member, removed| view(MembershipData::in_team(member, removed)));
            in_team(EventType::MembershipChanged, team, data)
        }
        Subject::Contact(team, images) => {
            let data = changed_or_removed(images, |entry, removed| view(ContactData::of(entry, removed)));
            in_team(EventType::ContactUpdated, team, data)
        }
        Subject::OptOut(team, Images { before, after }) => {
            let data = after.filter(|_| before.is_none()).map(|entry| view(OptOutEntryView::of(&entry)));
            in_team(EventType::OptOutChanged, team, data)
        }
        Subject::Registration(team, Images { before, after }) => {
            let before = before.map(|before| view(RegistrationData::of(&before)));
            let data = after.and_then(|after| changed(before, RegistrationData::of(&after)));
            in_team(EventType::RegistrationChanged, team, data)
        }
        Subject::Import(team, Images { before, after }) => {
            let before = before.map(|before| view(ImportData::of(&before)));
            let data = after.and_then(|after| changed(before, ImportData::of(&after)));
            in_team(EventType::ImportChanged, team, data)
        }
        Subject::Broadcast(team, images) => {
            let data =
                changed_or_removed(images, |broadcast, removed| view(BroadcastData::of(broadcast, removed)));
            in_team(EventType::BroadcastChanged, team, data)
        }
    }
}

fn of_conversation(scope: &EventScope, images: Images<Box<Conversation>>, at: Timestamp) -> Vec<Draft> {
    let Images { before, after: Some(after) } = images else { return Vec::new() };
    let mut drafts = Vec::new();
    let mut add = |kind, data| {
        let conversation = Some(after.id.clone());
        drafts.push(Draft { conversation, ..Draft::new(kind, scope.clone(), data) });
    };
    let lock_before = before.as_ref().map(|before| before.lock.clone()).unwrap_or_default();
    if let Some(kind) = lock_event(&lock_before, &after.lock) {
        let broken = after.lock.broken.as_ref().filter(|_| kind == EventType::LockBroken);
        let acquired = after.lock.lease.as_ref().map(LockData::acquired);
        let ended = || lock_before.lease.as_ref().map(|lease| LockData::ended(lease, broken));
        if let Some(data) = acquired.or_else(ended) {
            add(kind, view(data));
        }
    }
    let before = before.map(|before| without_lock(with_expiry(*before, &after), at));
    if before.as_ref() != Some(&without_lock((*after).clone(), at)) {
        add(EventType::ConversationUpdated, view(ConversationView::of(&after, at)));
    }
    drafts
}

/// A message that expires is no event: a sweep would write one for each conversation of a team.
fn with_expiry(before: Conversation, after: &Conversation) -> Conversation {
    if after.last_message.erased && after.last_message.id == before.last_message.id {
        let (last_message, delivery_failed) = (after.last_message.clone(), after.delivery_failed);
        return Conversation { last_message, delivery_failed, ..before };
    }
    before
}

fn without_lock(conversation: Conversation, at: Timestamp) -> Value {
    view(ConversationView::of(&Conversation { lock: LockState::default(), ..conversation }, at))
}

fn of_message(organization: OrganizationId, images: Images<Box<Message>>) -> Vec<Draft> {
    let Images { before, after: Some(after) } = images else { return Vec::new() };
    let kind = if before.is_some() { EventType::MessageUpdated } else { EventType::MessageCreated };
    let before = before.map(|before| view(MessageView::without_links(&before)));
    let Some(data) = changed(before, MessageView::without_links(&after)) else { return Vec::new() };
    let scope = EventScope::Inbox { organization, inbox: after.inbox };
    let (conversation, message) = (Some(after.conversation), Some(after.id));
    vec![Draft { team: Some(after.team), conversation, message, ..Draft::new(kind, scope, data) }]
}

impl Draft {
    fn new(kind: EventType, scope: EventScope, data: Value) -> Self {
        Self { kind, scope, team: None, conversation: None, message: None, data }
    }
}

/// Returns the view of an item, unless it is the same as before.
fn changed(before: Option<Value>, after: impl Serialize) -> Option<Value> {
    Some(view(after)).filter(|after| before.as_ref() != Some(after))
}

/// As [`changed`], for items that can be removed.
fn changed_or_removed<T>(images: Images<T>, view: impl Fn(&T, bool) -> Value) -> Option<Value> {
    let before = images.before.as_ref().map(|before| view(before, false));
    match (&images.before, &images.after) {
        (_, Some(after)) => Some(view(after, false)).filter(|after| before.as_ref() != Some(after)),
        (Some(before), None) => Some(view(before, true)),
        (None, None) => None,
    }
}

fn view(of: impl Serialize) -> Value {
    serde_json::to_value(of).expect("a view has only texts, numbers and lists as values")
}
