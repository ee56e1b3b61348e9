//! A shared inbox with one member and one conversation, on an engine in this process.

use serde_json::Value;
use shared_aws::{
    inbound::{Inbound, InboundText},
    inboxes::Inboxes,
    members::Members,
    teams::Teams,
};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganisationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    lock::Person,
    membership::Membership,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
};
use test_kit::{engine::Engine, gateway::Event};

pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) organisation: OrganisationId,
    pub(crate) inbox: InboxId,
    pub(crate) conversation: ConversationId,
    pub(crate) user: UserId,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let engine = Engine::start().await;
        let (table, now) = (engine.table(), shared_aws::clock::now());
        let inbox = Inbox {
            organisation: OrganisationId::new(now, 1),
            id: InboxId::new(now, 2),
            team: TeamId::new(now, 3),
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
        let team = Team {
            id: inbox.team.clone(),
            name: "Front".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: None,
        };
        let user = Person { id: UserId::parse("staff-1042").unwrap(), name: "Ada Oyelaran".into() };
        let inboxes = Inboxes::new(table.clone());
        Teams::new(engine.table()).put(&inbox.organisation, &team).await.unwrap();
        inboxes.put(&inbox).await.unwrap();
        let member = Membership {
            inbox: inbox.id.clone(),
            kind: inbox.kind,
            team: inbox.team.clone(),
            user: user.clone(),
        };
        Members::new(table.clone()).add(&inbox.organisation, &member).await.unwrap();
        let from = PhoneNumber::from_carrier("+12025550143").unwrap();
        let text = InboundText {
            carrier: "twilio",
            carrier_id: "SM1".into(),
            from: from.clone(),
            text: "Is the office open on Friday?".into(),
            media: Vec::new(),
        };
        Inbound::new(table).receive(&inbox, &text, now).await.unwrap();
        let conversation = ConversationId::of(&inbox.id, &from);
        Self { engine, organisation: inbox.organisation, inbox: inbox.id, conversation, user: user.id }
    }

    /// The request that acquires the lock.
    pub(crate) fn acquire(&self) -> Event {
        let route = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock";
        let parameters = [("inboxId", self.inbox.as_str()), ("conversationId", self.conversation.as_str())];
        Event::new(route, &parameters).user(self.organisation.as_str(), self.user.as_str())
    }

    pub(crate) fn acquire_event(&self) -> Value {
        self.acquire().event()
    }
}
