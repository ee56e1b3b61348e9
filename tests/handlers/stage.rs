//! A registered team with one shared inbox, one member and a contact, and the carrier simulator.

use lambda_http::{Body, Response};
use serde_json::Value;
use shared_aws::{
    clients::Bucket,
    contact::Contacts,
    conversation::{Acquired, Conversations, Locks},
    inbox::{Account, Inboxes},
    messaging::{Acceptance, Accepted, Guard, Messages, Outbox, OutboxEntry, Sends},
    table::Table,
    team::{Members, Teams},
};
use shared_carriers::{
    callback::StatusCallbacks,
    twilio::{Verifier, signature},
};
use shared_domain::{
    contact::Contact,
    conversation::Conversation,
    ids::{ConversationId, InboxId, MessageId, OrganizationId, TeamId, UserId},
    inbox::{self, Inbox, InboxKind},
    keys::ConversationKey,
    lock::LockPolicy,
    membership::Membership,
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::UserRef,
};
pub(crate) use test_kit::carrier::{ACCOUNT, FakeCarrier as Carrier, TOKEN};
use test_kit::{engine::Engine, gateway::Event};

pub(crate) const BASE: &str = "https://inbox.example";
pub(crate) const SIGNING: &str = "signing-secret";

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) account: Account,
    pub(crate) user: UserRef,
    pub(crate) contact: PhoneNumber,
}

pub(crate) fn now() -> Timestamp {
    shared_lambda::clock::now()
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let engine = Engine::start().await;
        let organization = OrganizationId::parse("org_1").unwrap();
        let team = Team {
            id: TeamId::parse("team_1").unwrap(),
            name: "Front".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: None,
        };
        let inbox = Inbox {
            organization: organization.clone(),
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
            stage: inbox::Stage::Active,
        };
        let user = UserRef { id: UserId::parse("ada").unwrap(), name: "Ada".into() };
        let inboxes = Inboxes::new(engine.table());
        Teams::new(engine.table()).put(&organization, &team).await.unwrap();
        inboxes.put(&inbox).await.unwrap();
        let member = Membership {
            inbox: inbox.id.clone(),
            kind: inbox.kind,
            team: team.id.clone(),
            user: user.clone(),
        };
        Members::new(engine.table()).add(&organization, &member).await.unwrap();
        let contact = PhoneNumber::from_carrier("+12025550143").unwrap();
        Self { engine, account: Account { inbox, team }, user, contact }
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    /// The same stage for a host whose table does not answer.
    pub(crate) fn dead_table() -> Table {
        Table::of(&shared_aws::clients::Aws::loopback("http://127.0.0.1:9"), "none")
    }

    pub(crate) fn organization(&self) -> &OrganizationId {
        &self.account.inbox.organization
    }

    pub(crate) fn conversation_id(&self) -> ConversationId {
        ConversationId::of(&self.account.inbox.id, &self.contact)
    }

    pub(crate) async fn conversation(&self) -> Option<Conversation> {
        let id = self.conversation_id();
        Conversations::new(self.table()).get(self.thread(&id)).await.unwrap()
    }

    pub(crate) fn thread<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: self.organization(), inbox: &self.account.inbox.id, conversation }
    }

    pub(crate) async fn history(&self) -> Vec<Message> {
        let messages = Messages::new(self.table());
        messages.history(self.organization(), &self.conversation_id(), 100, None).await.unwrap().messages
    }

    pub(crate) async fn message(&self, id: &MessageId) -> Message {
        Messages::new(self.table()).get(self.organization(), id).await.unwrap().unwrap()
    }

    /// Puts the contact on the team's list.
    pub(crate) async fn know(&self, change: impl FnOnce(&mut Contact)) {
        let mut contact = Contact::provisional(&self.account.team.id, &self.contact);
        change(&mut contact);
        Contacts::new(self.table()).put(self.organization(), &self.account.team.id, &contact).await.unwrap();
    }

    /// A text of ours, accepted: message, conversation and outbox row.
    pub(crate) async fn accepted(&self, text: &str, at: Timestamp) -> MessageId {
        let conversation = self.conversation_id();
        let message = Message {
            id: MessageId::in_conversation(&conversation, at, shared_lambda::clock::entropy()),
            conversation,
            inbox: self.account.inbox.id.clone(),
            team: self.account.team.id.clone(),
            personal: false,
            inbox_number: self.account.inbox.number.clone(),
            contact_number: self.contact.clone(),
            direction: Direction::Outbound,
            text: text.to_owned(),
            media: Vec::new(),
            sender: Some(self.user.clone()),
            automatic: false,
            bypass_opt_out: false,
            created_at: at,
            messaging_service: None,
            carrier_id: None,
            delivery: Delivery::beginning(DeliveryState::Queued, at),
        };
        let contact = Contact::provisional(&self.account.team.id, &self.contact);
        let wanted = Acceptance {
            organization: self.organization(),
            message: &message,
            contact: &contact,
            guard: Guard::Compose { user: Some(&self.user.id) },
            idempotency: None,
        };
        assert_eq!(Sends::new(self.table()).accept(wanted).await.unwrap(), Accepted::Stored);
        message.id
    }

    pub(crate) async fn lock_token(&self) -> u64 {
        let id = self.conversation_id();
        let locks = Locks::new(self.table());
        let policy = LockPolicy::default();
        match locks.acquire(self.thread(&id), &self.user, now(), &policy).await.unwrap() {
            Acquired::Held(lease) => lease.token.get(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn entry(&self, message: &MessageId, at: Timestamp) -> OutboxEntry {
        OutboxEntry { organization: self.organization().clone(), message: message.clone(), at }
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(self.table())
    }
}

/// A bucket that does not answer; addresses are signed without it.
pub(crate) fn no_bucket() -> Bucket {
    Bucket::new(&shared_aws::clients::Aws::loopback("http://127.0.0.1:9"), "files")
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(BASE, vec![TOKEN.into(), "previous-token".into()]).unwrap()
}

pub(crate) fn callbacks() -> StatusCallbacks {
    StatusCallbacks::new(BASE, SIGNING)
}

/// A form webhook signed over the public address, path and query.
pub(crate) fn signed(route: &'static str, query: &str, form: &str, token: &str) -> Event {
    let path = route.split(' ').nth(1).unwrap();
    let url = if query.is_empty() { format!("{BASE}{path}") } else { format!("{BASE}{path}?{query}") };
    let decoded: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let pairs: Vec<(&str, &str)> =
        decoded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = signature::sign(&url, &pairs, token);
    Event::new(route, &[]).query(query).form(form).header("x-twilio-signature", &signature)
}

pub(crate) fn json(answer: &Response<Body>) -> Value {
    let body: &[u8] = answer.body();
    serde_json::from_slice(body).unwrap_or(Value::Null)
}
