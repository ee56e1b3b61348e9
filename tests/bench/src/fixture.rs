//! A shared inbox with two members on an engine in this process. Ids and times are the same in every
//! fixture, so requests recorded on one can be replayed on another.

use aws_sdk_dynamodb::{Client, config::Intercept};
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared_app::carrier::{WebhookAccount, WebhookAccounts};
use shared_aws::{
    contact::Contacts,
    inbox::Inboxes,
    messaging::Inbound,
    table::Table,
    team::{Members, Teams},
};
use shared_carriers::twilio::{Verifier, signature};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, ConversationId, InboxId, MessageId, OrganizationId, TeamId},
    inbox::Inbox,
    phone::PhoneNumber,
    team::Team,
    time::Timestamp,
    user::UserRef,
};
use test_kit::{
    build,
    engine::{Engine, TABLE},
    gateway::Event,
};

/// The base URL of the webhooks.
pub const BASE: &str = "https://inbox.example";
/// The account at the carrier.
pub const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The token that signs webhooks.
pub const TOKEN: &str = "test-token";

/// The time of everything that the fixture stores.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// 160 characters: one segment, and longer than the excerpt in a list.
pub const TEXT: &str = "Hello, I sent my transcripts two weeks ago and the portal still says that they are missing. Could you \
                         please look whether they arrived? Thank you, Maximiliana F.";

/// The inbox and its table.
#[derive(Debug)]
pub struct Fixture {
    /// The engine of the table.
    pub engine: Engine,
    /// The shared inbox.
    pub inbox: Inbox,
    /// A member of the inbox.
    pub ada: UserRef,
    /// Another member of the inbox.
    pub ben: UserRef,
}

impl Fixture {
    /// Starts an engine with the inbox and its members, and without conversations.
    pub async fn start() -> Self {
        let engine = Engine::start().await;
        let inbox = Inbox {
            organization: OrganizationId::new(START, 1),
            id: InboxId::new(START, 2),
            team: TeamId::new(START, 3),
            ..build::inbox()
        };
        let team = Team { id: inbox.team.clone(), ..build::team() };
        let ada = build::user_ref("staff-1042", "Ada Oyelaran");
        let ben = build::user_ref("staff-1043", "Ben Featherstone");
        Teams::new(engine.table()).put(&inbox.organization, &team).await.unwrap();
        Inboxes::new(engine.table()).put(&inbox).await.unwrap();
        for user in [&ada, &ben] {
            let membership = build::membership(&inbox, user);
            Members::new(engine.table()).put(&inbox.organization, &membership).await.unwrap();
        }
        Self { engine, inbox, ada, ben }
    }

    /// Returns the table through a client with this interceptor. The client is patient, because a request
    /// that it sends again after a timeout would be counted twice.
    pub fn table_with(&self, interceptor: impl Intercept + 'static) -> Table {
        let config = self.engine.patient_config().interceptor(interceptor);
        Table::new(Client::from_conf(config.build()), TABLE)
    }

    /// Adds a contact to the team's list.
    pub async fn add_contact(&self, index: usize, assigned_to_ada: bool) {
        let contact = Contact {
            id: ContactId::new(START, index as u64),
            external_id: Some(format!("S-2026-{index:06}")),
            number: number(index),
            assigned: assigned_to_ada.then(|| self.ada.clone()),
            ..build::contact()
        };
        Contacts::new(self.engine.table()).put(self.inbox.team_key(), &contact).await.unwrap();
    }

    /// Receives a message, which starts an unread conversation. Returns the message's id.
    pub async fn receive_message(&self, index: usize) -> MessageId {
        let text = build::inbound_text(&number(index), &sid(index, 0), TEXT);
        let id = MessageId::of_inbound(&self.conversation(index), START, &text.carrier_id);
        Inbound::new(self.engine.table()).receive(&self.inbox, &text, START).await.unwrap();
        id
    }

    /// Returns the id of the conversation with a contact.
    pub fn conversation(&self, index: usize) -> ConversationId {
        ConversationId::of(&self.inbox.id, &number(index))
    }

    /// Returns a request to a route of a conversation.
    pub fn conversation_request(&self, route: &'static str, index: usize, user: &UserRef) -> Event {
        let conversation = self.conversation(index);
        let parameters = [("inboxId", self.inbox.id.as_str()), ("conversationId", conversation.as_str())];
        Event::new(route, &parameters).user(self.inbox.organization.as_str(), user.id.as_str())
    }

    /// Returns a request that acquires the lock.
    pub fn acquire(&self, index: usize, user: &UserRef) -> Event {
        self.conversation_request(
            "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock",
            index,
            user,
        )
    }

    /// Returns a request that renews the lock with activity.
    pub fn renew(&self, index: usize, user: &UserRef, token: u64) -> Event {
        let body = json!({ "token": token, "active": true });
        self.conversation_request(
            "PUT /v1/inboxes/{inboxId}/conversations/{conversationId}/lock",
            index,
            user,
        )
        .json(&body)
    }

    /// Returns a request that releases the lock.
    pub fn release(&self, index: usize, user: &UserRef, token: u64) -> Event {
        let route = "DELETE /v1/inboxes/{inboxId}/conversations/{conversationId}/lock";
        self.conversation_request(route, index, user).query(&format!("token={token}"))
    }

    /// Returns the webhook of an inbound message of a contact.
    pub fn inbound_webhook(&self, index: usize, nth: usize) -> Event {
        let sid = sid(index, nth);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("ToCountry", "US")
            .append_pair("SmsMessageSid", &sid)
            .append_pair("NumMedia", "0")
            .append_pair("FromState", "DC")
            .append_pair("SmsStatus", "received")
            .append_pair("Body", TEXT)
            .append_pair("To", self.inbox.number.as_str())
            .append_pair("NumSegments", "2")
            .append_pair("MessageSid", &sid)
            .append_pair("AccountSid", ACCOUNT)
            .append_pair("From", number(index).as_str())
            .append_pair("ApiVersion", "2010-04-01")
            .finish();
        signed("POST /webhooks/twilio/messages", "", &form)
    }
}

/// Returns the verifier of the webhooks.
pub fn verifier() -> Verifier {
    Verifier::new(BASE, vec![TOKEN.into()]).unwrap()
}

/// Returns the carrier's account of the webhooks.
pub fn webhook_accounts() -> WebhookAccounts {
    let (verifier, account_sid) = (verifier(), ACCOUNT.into());
    WebhookAccounts::fixed(WebhookAccount { verifier, account_sid, event_streams: None })
}

/// Returns a signed webhook of the carrier.
pub fn signed(route: &'static str, query: &str, form: &str) -> Event {
    let path = route.split(' ').nth(1).unwrap();
    let url = if query.is_empty() { format!("{BASE}{path}") } else { format!("{BASE}{path}?{query}") };
    let decoded: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let pairs: Vec<(&str, &str)> =
        decoded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = signature::sign(&url, &pairs, TOKEN);
    Event::new(route, &[]).query(query).form(form).header("x-twilio-signature", &signature)
}

/// Returns the number of a contact.
pub fn number(index: usize) -> PhoneNumber {
    build::number(&format!("+1202556{index:04}"))
}

/// Returns the carrier's id of the nth message of a contact.
pub fn sid(index: usize, nth: usize) -> String {
    format!("SM{index:016x}{nth:016x}")
}

/// Returns the JSON body of an answer with this status.
pub fn expect_status(answer: &Response<Body>, status: u16) -> Value {
    let body: &[u8] = answer.body();
    assert_eq!(answer.status(), status, "{}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).unwrap_or_default()
}
