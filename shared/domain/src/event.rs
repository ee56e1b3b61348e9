//! Events: every change that users can see. This file is the catalog of their types.
//!
//! An event belongs to an inbox, or to a team if no single inbox has what changed. Each inbox and each team
//! numbers its events from 1 without gaps. A reader who has applied number 7 therefore knows that number 9 is
//! not the next one.
//!
//! | type | belongs to | reported when | visible to |
//! |---|---|---|---|
//! | `conversation.updated` | inbox | anything but the lock changed on a conversation | members of the inbox |
//! | `message.created` | inbox | a message was received or accepted | members of the inbox |
//! | `message.updated` | inbox | a delivery state or a file changed | members of the inbox |
//! | `lock.acquired` | inbox | a user acquired a lock, also for a second time | members of the inbox |
//! | `lock.released` | inbox | the holder released a lock | members of the inbox |
//! | `lock.broken` | inbox | an admin broke a lock | members of the inbox |
//! | `inbox.changed` | inbox | the settings or Out of Office changed | members of the inbox |
//! | `membership.changed` | inbox or team | a member was added, changed or removed | members of both |
//! | `contact.updated` | team | a contact was added, changed or removed | members of the team |
//! | `opt_out.changed` | team | a contact opted out or in | members of the team |
//! | `registration.changed` | team | the registration changed | members of the team |
//! | `import.changed` | team | an import made progress | admins of the team, the owner |
//! | `broadcast.changed` | team | a broadcast changed or made progress | members of the team |
//!
//! A renewal of a lock is no event, and neither is its expiry, because nothing is written then: a reader
//! compares `expiresAt` with the time and then reads the conversation again.

use std::time::Duration;

use crate::{
    ids::{ConversationId, EventId, InboxId, MessageId, OrganizationId, TeamId},
    lock::LockState,
    time::Timestamp,
};

/// How long events are kept.
pub const EVENT_RETENTION: Duration = Duration::from_hours(3 * 24);

/// What an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the catalog above describes them")]
pub enum EventType {
    ConversationUpdated,
    MessageCreated,
    MessageUpdated,
    LockAcquired,
    LockReleased,
    LockBroken,
    InboxChanged,
    MembershipChanged,
    ContactUpdated,
    OptOutChanged,
    RegistrationChanged,
    ImportChanged,
    BroadcastChanged,
}

impl EventType {
    /// All types, in the order of the catalog.
    pub const ALL: [Self; 13] = [
        Self::ConversationUpdated,
        Self::MessageCreated,
        Self::MessageUpdated,
        Self::LockAcquired,
        Self::LockReleased,
        Self::LockBroken,
        Self::InboxChanged,
        Self::MembershipChanged,
        Self::ContactUpdated,
        Self::OptOutChanged,
        Self::RegistrationChanged,
        Self::ImportChanged,
        Self::BroadcastChanged,
    ];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConversationUpdated => "conversation.updated",
            Self::MessageCreated => "message.created",
            Self::MessageUpdated => "message.updated",
            Self::LockAcquired => "lock.acquired",
            Self::LockReleased => "lock.released",
            Self::LockBroken => "lock.broken",
            Self::InboxChanged => "inbox.changed",
            Self::MembershipChanged => "membership.changed",
            Self::ContactUpdated => "contact.updated",
            Self::OptOutChanged => "opt_out.changed",
            Self::RegistrationChanged => "registration.changed",
            Self::ImportChanged => "import.changed",
            Self::BroadcastChanged => "broadcast.changed",
        }
    }

    /// Parses the name in the API. Returns `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The fields of the data that the stack's topic has, as JSON pointers: ids and facts, and no text, phone
    /// number, e-mail address or name.
    pub fn public_fields(self) -> &'static [&'static str] {
        match self {
            Self::ConversationUpdated => &[
                "/contact/contactId",
                "/contact/provisional",
                "/contact/optedOut",
                "/contact/blocked",
                "/folder",
                "/read",
                "/lastMessage/messageId",
                "/lastMessage/direction",
                "/lastActivityAt",
                "/deliveryFailed",
            ],
            Self::MessageCreated | Self::MessageUpdated => {
                &["/direction", "/channel", "/segments", "/state", "/createdAt"]
            }
            Self::LockAcquired | Self::LockReleased | Self::LockBroken => {
                &["/holder/id", "/expiresAt", "/brokenBy/id"]
            }
            Self::InboxChanged => &["/kind", "/retired", "/outOfOffice/mode"],
            Self::MembershipChanged => &["/userId", "/role", "/removed"],
            Self::ContactUpdated => &["/contactId", "/assignedUserId", "/provisional", "/removed"],
            Self::OptOutChanged => &["/at", "/contactId", "/status", "/scope", "/source"],
            Self::RegistrationChanged => &["/status", "/submitted"],
            Self::ImportChanged => &[
                "/importId",
                "/status",
                "/dryRun",
                "/rows",
                "/created",
                "/updated",
                "/unchanged",
                "/refused",
                "/totalRows",
                "/finishedAt",
            ],
            Self::BroadcastChanged => {
                &["/broadcastId", "/inboxId", "/status", "/waitingFor", "/progress", "/removed"]
            }
        }
    }

    /// Whether only admins of the team and the owner see the event.
    pub fn is_for_managers(self) -> bool {
        self == Self::ImportChanged
    }
}

/// The inbox or team that an event belongs to and that numbers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum EventScope {
    Inbox { organization: OrganizationId, inbox: InboxId },
    Team { organization: OrganizationId, team: TeamId },
}

impl EventScope {
    /// The organization of the inbox or team.
    pub fn organization(&self) -> &OrganizationId {
        match self {
            Self::Inbox { organization, .. } | Self::Team { organization, .. } => organization,
        }
    }

    /// The id of the inbox or team.
    pub fn id(&self) -> &str {
        match self {
            Self::Inbox { inbox, .. } => inbox.as_str(),
            Self::Team { team, .. } => team.as_str(),
        }
    }
}

/// An event that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The same each time that the event is derived.
    pub id: EventId,
    /// What it reports.
    pub kind: EventType,
    /// When the change was stored. DynamoDB rounds it down to a second.
    pub at: Timestamp,
    /// The inbox or team that numbers it.
    pub scope: EventScope,
    /// The team of the inbox, or the team itself.
    pub team: Option<TeamId>,
    /// The conversation that changed.
    pub conversation: Option<ConversationId>,
    /// The message that changed.
    pub message: Option<MessageId>,
    /// JSON: what changed, as a member sees it.
    pub data: String,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The number in its inbox or team, from 1.
    pub sequence: u64,
    /// What happened.
    pub event: NewEvent,
}

/// Returns the event that a change of a lock is. `None` for a renewal and for no change.
pub fn lock_event(before: &LockState, after: &LockState) -> Option<EventType> {
    match (&before.lease, &after.lease) {
        (_, Some(lease)) if before.lease.as_ref().map(|old| old.token) != Some(lease.token) => {
            Some(EventType::LockAcquired)
        }
        (Some(_), None) if after.broken.is_some() && after.broken != before.broken => {
            Some(EventType::LockBroken)
        }
        (Some(_), None) => Some(EventType::LockReleased),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        ids::UserId,
        lock::{BrokenLock, LockPolicy, acquire, renew},
        user::UserRef,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn user(id: &str) -> UserRef {
        UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() }
    }

    #[test]
    fn a_type_is_parsed_from_its_name_and_from_nothing_else() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
        }
        let names: BTreeSet<_> = EventType::ALL.map(EventType::as_str).into();
        assert_eq!(names.len(), EventType::ALL.len());
        assert_eq!(EventType::parse("viewer.changed"), None);
    }

    #[test]
    fn only_events_of_imports_are_for_managers() {
        let of_managers: Vec<_> = EventType::ALL.into_iter().filter(|kind| kind.is_for_managers()).collect();
        assert_eq!(of_managers, [EventType::ImportChanged]);
    }

    #[test]
    fn the_scope_names_the_inbox_or_the_team() {
        let organization = OrganizationId::parse("org_1").unwrap();
        let inbox = InboxId::parse("inb_1").unwrap();
        let scope = EventScope::Inbox { organization: organization.clone(), inbox };
        assert_eq!((scope.organization(), scope.id()), (&organization, "inb_1"));
        let team = TeamId::parse("team_1").unwrap();
        assert_eq!(EventScope::Team { organization, team }.id(), "team_1");
    }

    #[test]
    fn each_acquisition_is_an_event_and_a_renewal_is_none() {
        let policy = LockPolicy::default();
        let free = LockState::default();
        let held = LockState::held(acquire(&free, &user("ada"), NOW, &policy).unwrap());
        assert_eq!(lock_event(&free, &held), Some(EventType::LockAcquired));
        assert_eq!(lock_event(&free, &free), None);

        let later = NOW + policy.renew_after;
        let renewed = renew(&held, &user("ada").id, held.fence, true, later, &policy).unwrap();
        assert_eq!(lock_event(&held, &LockState::held(renewed)), None);

        let again = LockState::held(acquire(&held, &user("ada"), later, &policy).unwrap());
        assert_eq!(lock_event(&held, &again), Some(EventType::LockAcquired));
    }

    #[test]
    fn the_end_of_a_lock_is_a_release_unless_an_admin_broke_it() {
        let policy = LockPolicy::default();
        let held = LockState::held(acquire(&LockState::default(), &user("ada"), NOW, &policy).unwrap());
        let free = LockState { lease: None, ..held.clone() };
        assert_eq!(lock_event(&held, &free), Some(EventType::LockReleased));

        let broken = Some(BrokenLock { token: held.fence, by: user("bob") });
        let broken_state = LockState { broken: broken.clone(), ..free.clone() };
        assert_eq!(lock_event(&held, &broken_state), Some(EventType::LockBroken));

        let held_after_a_break = LockState { broken: broken.clone(), ..held };
        let released = LockState { broken, ..free };
        assert_eq!(lock_event(&held_after_a_break, &released), Some(EventType::LockReleased));
    }
}
