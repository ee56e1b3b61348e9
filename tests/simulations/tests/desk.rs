//! One inbox on a real engine.

use shared_aws::{
    conversation::Locks,
    inbox::Inboxes,
    messaging::{Inbound, InboundText, Sends},
    table::Table,
    team::Teams,
};
use shared_domain::{
    ids::{ConversationId, InboxId, MessageId, OrganizationId, TeamId},
    inbox::{Inbox, InboxKind, Stage},
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::UserRef,
};
use test_kit::engine::Engine;

/// Before anything happens.
pub(crate) const BEFORE: Timestamp = Timestamp::from_millis(1_799_990_000_000);

pub(crate) struct Desk {
    pub(crate) inbox: Inbox,
    pub(crate) numbers: Vec<PhoneNumber>,
    pub(crate) locks: Locks,
    pub(crate) sends: Sends,
    pub(crate) engine: Engine,
}

impl Desk {
    /// An inbox of a registered team, and the numbers of so many contacts.
    pub(crate) async fn open(contacts: usize) -> Self {
        let engine = Engine::start().await;
        let team = Team {
            id: TeamId::parse("team_1").unwrap(),
            name: "Front".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: None,
        };
        let inbox = Inbox {
            organization: OrganizationId::parse("org_1").unwrap(),
            id: InboxId::parse("inb_1").unwrap(),
            team: team.id.clone(),
            kind: InboxKind::Shared,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage: Stage::Active,
        };
        let table = engine.table();
        Teams::new(table.clone()).put(&inbox.organization, &team).await.unwrap();
        Inboxes::new(table.clone()).put(&inbox).await.unwrap();
        let numbers = (0..contacts)
            .map(|place| {
                PhoneNumber::from_carrier(&format!("+1303{:03}{:04}", 200 + place / 10_000, place % 10_000))
                    .unwrap()
            })
            .collect();
        Self { inbox, numbers, locks: Locks::new(table.clone()), sends: Sends::new(table), engine }
    }

    /// Another host's table.
    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    pub(crate) fn conversation(&self, contact: usize) -> ConversationId {
        ConversationId::of(&self.inbox.id, &self.numbers[contact])
    }

    /// Each contact has texted once.
    pub(crate) async fn hears_from_all(&self) {
        let inbound = Inbound::new(self.table());
        for (place, from) in self.numbers.iter().enumerate() {
            let carrier_id = format!("SM{place:032}");
            let (from, text) = (from.clone(), "Anybody there?".into());
            let text = InboundText { carrier: "twilio", carrier_id, from, text, media: Vec::new() };
            inbound.receive(&self.inbox, &text, BEFORE).await.unwrap();
        }
    }

    /// A text of ours, not accepted yet.
    pub(crate) fn message(&self, contact: usize, user: &UserRef, at: Timestamp, entropy: u64) -> Message {
        let conversation = self.conversation(contact);
        Message {
            id: MessageId::in_conversation(&conversation, at, entropy),
            conversation,
            inbox: self.inbox.id.clone(),
            team: self.inbox.team.clone(),
            personal: false,
            inbox_number: self.inbox.number.clone(),
            contact_number: self.numbers[contact].clone(),
            direction: Direction::Outbound,
            text: "Yes.".into(),
            media: Vec::new(),
            sender: Some(user.clone()),
            automatic: false,
            bypass_opt_out: false,
            created_at: at,
            messaging_service: None,
            carrier_id: None,
            delivery: Delivery::beginning(DeliveryState::Queued, at),
        }
    }
}
