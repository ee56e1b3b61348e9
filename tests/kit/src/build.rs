//! Builders of domain values with defaults. A test changes only the fields that matter to it:
//! `Inbox { api_code: "BACK".into(), ..build::inbox() }`.

use shared_aws::messaging::InboundText;
use shared_domain::{
    broadcast::{Audience, Broadcast, BroadcastStatus, FailureWatch},
    contact::Contact,
    conversation::{Conversation, Folder, MessagePreview},
    ids::{BroadcastId, ContactId, ConversationId, InboxId, MessageId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    lock::LockState,
    membership::Membership,
    message::{Delivery, DeliveryState, Direction, Message},
    phone::{Channel, PhoneNumber},
    registration::RegistrationStatus,
    sending_hours::HoursMode,
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};

/// The number of [`inbox`].
pub const INBOX_NUMBER: &str = "+12025550100";
/// The number of [`contact`].
pub const CONTACT_NUMBER: &str = "+12025550143";
/// The rate of [`team`], so high that no test waits for a turn.
pub const SEGMENTS_PER_SECOND: u32 = 1_000;

/// Parses an organization id.
pub fn organization_id(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

/// Parses a team id.
pub fn team_id(id: &str) -> TeamId {
    TeamId::parse(id).unwrap()
}

/// Parses an inbox id.
pub fn inbox_id(id: &str) -> InboxId {
    InboxId::parse(id).unwrap()
}

/// Parses a user id.
pub fn user_id(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// Parses a number in any format that users enter.
pub fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

/// Returns the approved team `team_1`.
pub fn team() -> Team {
    Team {
        id: team_id("team_1"),
        name: "Front".into(),
        registration: RegistrationStatus::Approved,
        messaging_service: None,
        segments_per_second: Some(SEGMENTS_PER_SECOND),
        hold: false,
        retention: None,
    }
}

/// Returns the active shared inbox `inb_1` of [`team`] in the organization `org_1`.
pub fn inbox() -> Inbox {
    Inbox {
        organization: organization_id("org_1"),
        id: inbox_id("inb_1"),
        team: team_id("team_1"),
        kind: InboxKind::Shared,
        name: "Front desk".into(),
        color: "#336699".into(),
        api_code: "FRONT".into(),
        number: number(INBOX_NUMBER),
        number_sid: None,
        voice_forwarding: None,
        creator: None,
        stage: Stage::Active,
        segments_per_second: None,
    }
}

/// Returns a user who does not own the organization. The name is the id in capitals.
pub fn user(id: &str) -> User {
    User { id: user_id(id), name: id.to_uppercase(), email: format!("{id}@clinic.example"), owner: false }
}

/// Returns the id and display name of a user.
pub fn user_ref(id: &str, name: &str) -> UserRef {
    UserRef { id: user_id(id), name: name.into() }
}

/// Returns the membership of a user in an inbox.
pub fn membership(inbox: &Inbox, user: &UserRef) -> Membership {
    Membership { inbox: inbox.id.clone(), kind: inbox.kind, team: inbox.team.clone(), user: user.clone() }
}

/// Returns a contact of the team's list, without an assigned user.
pub fn contact() -> Contact {
    Contact {
        id: ContactId::new(Timestamp::from_millis(1_700_000_000_000), 1),
        external_id: Some("S-2026-000001".into()),
        first_name: Some("Maximiliana".into()),
        last_name: Some("Featherstone".into()),
        number: number(CONTACT_NUMBER),
        assigned: None,
        opted_out: false,
        blocked: false,
        provisional: false,
    }
}

/// Returns a queued message of `sender` from `inbox` to `contact`. `entropy` distinguishes messages created
/// at the same time.
pub fn message(
    inbox: &Inbox,
    contact: &PhoneNumber,
    sender: &UserRef,
    created_at: Timestamp,
    entropy: u64,
) -> Message {
    let conversation = ConversationId::of(&inbox.id, contact);
    Message {
        id: MessageId::in_conversation(&conversation, created_at, entropy),
        conversation,
        inbox: inbox.id.clone(),
        team: inbox.team.clone(),
        personal: inbox.kind == InboxKind::Personal,
        inbox_number: inbox.number.clone(),
        contact_number: contact.clone(),
        direction: Direction::Outbound,
        channel: Channel::Sms,
        text: "hello".into(),
        media: Vec::new(),
        sender: Some(sender.clone()),
        automatic: false,
        bypass_opt_out: false,
        created_at,
        messaging_service: None,
        carrier_id: None,
        retry_of: None,
        retried_by: None,
        broadcast: None,
        send_until: None,
        delivery: Delivery::starting(DeliveryState::Queued, created_at),
    }
}

/// Returns an inbound message as the carrier reports it.
pub fn inbound_text(from: &PhoneNumber, carrier_id: &str, text: &str) -> InboundText {
    InboundText {
        carrier: "twilio",
        carrier_id: carrier_id.into(),
        from: from.clone(),
        channel: Channel::Sms,
        text: text.into(),
        media: Vec::new(),
    }
}

/// Returns the unlocked, unread conversation that an inbound message starts.
pub fn conversation(inbox: &Inbox, contact: &Contact, at: Timestamp) -> Conversation {
    let id = ConversationId::of(&inbox.id, &contact.number);
    let message = MessageId::in_conversation(&id, at, 1);
    Conversation {
        id,
        inbox: inbox.id.clone(),
        contact: contact.clone(),
        folder: Folder::Inbox,
        read: false,
        last_message: MessagePreview {
            id: message.clone(),
            text: "hello".into(),
            direction: Direction::Inbound,
            media: 0,
            created_at: at,
            erased: false,
        },
        last_activity_at: at,
        last_inbound: Some(message),
        waiting_since: Some(at),
        delivery_failed: false,
        lock: LockState::default(),
    }
}

/// A draft of a user, to nobody, at any time.
pub fn broadcast(inbox: &Inbox, by: &UserRef) -> Broadcast {
    Broadcast {
        id: BroadcastId::parse("bct_1").unwrap(),
        organization: inbox.organization.clone(),
        team: inbox.team.clone(),
        inbox: inbox.id.clone(),
        name: "Closing".into(),
        audience: Audience::default(),
        text: "We close early.".into(),
        template: None,
        hours: HoursMode::Always,
        reply_window_hours: 72,
        scheduled_at: None,
        status: BroadcastStatus::Draft,
        waiting: None,
        reason: None,
        created_by: by.clone(),
        created_at: Timestamp::from_millis(1_763_805_600_000),
        confirmed_by: None,
        estimate: None,
        started_at: None,
        finished_at: None,
        preparation: 0,
        progress: None,
        question: None,
        series: None,
        watch: FailureWatch::default(),
    }
}
