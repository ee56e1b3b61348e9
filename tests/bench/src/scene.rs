//! A shared inbox with two members and the conversations that a measurement asks for, on an engine in this process. Ids and
//! times of two scenes are the same, so that what was asked of one can be asked of another.

use aws_sdk_dynamodb::{Client, config::Intercept};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared_aws::{
    contact::Contacts,
    inbox::Inboxes,
    messaging::{Inbound, InboundText},
    table::Table,
    team::{Members, Teams},
};
use shared_carriers::twilio::{Verifier, signature};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, ConversationId, InboxId, MessageId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    membership::Membership,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::UserRef,
};
use test_kit::{
    engine::{Engine, TABLE},
    gateway::Event,
};

/// The address that the carrier is told.
pub const BASE: &str = "https://inbox.example";
/// Our account at the carrier.
pub const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// What the carrier signs with.
pub const TOKEN: &str = "test-token";

/// Before everything that happens in a scene.
const LONG_AGO: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// 160 characters: one segment, and more than a list shows.
pub const WORDS: &str = "Hello, I sent my transcripts two weeks ago and the portal still says that they are missing. Could you \
                         please look whether they arrived? Thank you, Maximiliana F.";

/// The scene.
#[derive(Debug)]
pub struct Scene {
    /// Where its table is.
    pub engine: Engine,
    /// The shared inbox.
    pub inbox: Inbox,
    /// Who answers in it.
    pub ada: UserRef,
    /// A colleague.
    pub ben: UserRef,
}

impl Scene {
    /// An inbox without conversations.
    pub async fn set() -> Self {
        let engine = Engine::start().await;
        let inbox = Inbox {
            organization: OrganizationId::new(LONG_AGO, 1),
            id: InboxId::new(LONG_AGO, 2),
            team: TeamId::new(LONG_AGO, 3),
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
        let person = |id, name: &str| UserRef { id: UserId::parse(id).unwrap(), name: name.into() };
        let (ada, ben) = (person("staff-1042", "Ada Oyelaran"), person("staff-1043", "Ben Featherstone"));
        Teams::new(engine.table()).put(&inbox.organization, &team).await.unwrap();
        Inboxes::new(engine.table()).put(&inbox).await.unwrap();
        for user in [&ada, &ben] {
            let member = Membership {
                inbox: inbox.id.clone(),
                kind: inbox.kind,
                team: inbox.team.clone(),
                user: user.clone(),
            };
            Members::new(engine.table()).put(&inbox.organization, &member).await.unwrap();
        }
        Self { engine, inbox, ada, ben }
    }

    /// The table, over a client that this looks into.
    pub fn watched(&self, by: impl Intercept + 'static) -> Table {
        Table::new(Client::from_conf(self.engine.aws.dynamodb_config().interceptor(by).build()), TABLE)
    }

    /// Enters a contact of the team, assigned to Ada where that is said.
    pub async fn know(&self, place: usize, assigned: bool) {
        let contact = Contact {
            id: ContactId::new(LONG_AGO, place as u64),
            external_id: Some(format!("S-2026-{place:06}")),
            first_name: Some("Maximiliana".into()),
            last_name: Some("Featherstone".into()),
            number: number(place),
            assigned: assigned.then(|| self.ada.clone()),
            opted_out: false,
            blocked: false,
            provisional: false,
        };
        Contacts::new(self.engine.table()).put(self.inbox.team_key(), &contact).await.unwrap();
    }

    /// A text came in long ago: its conversation is unread. Gives the text's id.
    pub async fn heard(&self, place: usize) -> MessageId {
        let text = InboundText {
            carrier: "twilio",
            carrier_id: sid(place, 0),
            from: number(place),
            text: WORDS.into(),
            media: Vec::new(),
        };
        let id = MessageId::of_inbound(&self.conversation(place), LONG_AGO, &text.carrier_id);
        Inbound::new(self.engine.table()).receive(&self.inbox, &text, LONG_AGO).await.unwrap();
        id
    }

    /// The conversation with a contact.
    pub fn conversation(&self, place: usize) -> ConversationId {
        ConversationId::of(&self.inbox.id, &number(place))
    }

    /// Calls a route below a conversation.
    pub fn call(&self, route: &'static str, place: usize, user: &UserRef) -> Event {
        let conversation = self.conversation(place);
        let parameters = [("inboxId", self.inbox.id.as_str()), ("conversationId", conversation.as_str())];
        Event::new(route, &parameters).user(self.inbox.organization.as_str(), user.id.as_str())
    }

    /// Acquires the lock.
    pub fn acquire(&self, place: usize, user: &UserRef) -> Event {
        self.call("POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock", place, user)
    }

    /// Renews it, as somebody who is at work.
    pub fn renew(&self, place: usize, user: &UserRef, token: u64) -> Event {
        let body = json!({ "token": token, "active": true });
        self.call("PUT /v1/inboxes/{inboxId}/conversations/{conversationId}/lock", place, user).json(&body)
    }

    /// Gives it back.
    pub fn release(&self, place: usize, user: &UserRef, token: u64) -> Event {
        let route = "DELETE /v1/inboxes/{inboxId}/conversations/{conversationId}/lock";
        self.call(route, place, user).query(&format!("token={token}"))
    }

    /// The webhook of a text of a contact.
    pub fn text(&self, place: usize, nth: usize) -> Event {
        let sid = sid(place, nth);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("ToCountry", "US")
            .append_pair("SmsMessageSid", &sid)
            .append_pair("NumMedia", "0")
            .append_pair("FromState", "DC")
            .append_pair("SmsStatus", "received")
            .append_pair("Body", WORDS)
            .append_pair("To", self.inbox.number.as_str())
            .append_pair("NumSegments", "2")
            .append_pair("MessageSid", &sid)
            .append_pair("AccountSid", ACCOUNT)
            .append_pair("From", number(place).as_str())
            .append_pair("ApiVersion", "2010-04-01")
            .finish();
        signed("POST /webhooks/twilio/messages", "", &form)
    }
}

/// What checks webhooks of a scene.
pub fn verifier() -> Verifier {
    Verifier::new(BASE, vec![TOKEN.into()]).unwrap()
}

/// A form that the carrier posts to a route, signed.
pub fn signed(route: &'static str, query: &str, form: &str) -> Event {
    let path = route.split(' ').nth(1).unwrap();
    let url = if query.is_empty() { format!("{BASE}{path}") } else { format!("{BASE}{path}?{query}") };
    let decoded: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let pairs: Vec<(&str, &str)> =
        decoded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = signature::sign(&url, &pairs, TOKEN);
    Event::new(route, &[]).query(query).form(form).header("x-twilio-signature", &signature)
}

/// The number of a contact.
pub fn number(place: usize) -> PhoneNumber {
    PhoneNumber::from_carrier(&format!("+1202556{place:04}")).unwrap()
}

/// The carrier's id of a contact's text.
pub fn sid(place: usize, nth: usize) -> String {
    format!("SM{place:016x}{nth:016x}")
}

/// What a handler answered, which must be what it should.
pub fn answered(answer: &Response<Body>, status: u16) -> Value {
    let body: &[u8] = answer.body();
    assert_eq!(answer.status(), status, "{}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).unwrap_or_default()
}
