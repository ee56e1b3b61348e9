//! The services a function talks to, in the test process, with a team that can send.

use shared_aws::{
    clients::{Aws, Bucket},
    contact::Contacts,
    conversation::{Acquired, Conversations, Locks},
    inbox::Inboxes,
    messaging::{Acceptance, Accepted, Guard, Messages, Outbox, OutboxEntry, Sends},
    table::Table,
    team::{Members, Teams},
};
use shared_domain::{
    contact::Contact,
    conversation::Conversation,
    ids::{ConversationId, MessageId, OrganizationId},
    inbox::Inbox,
    keys::ConversationKey,
    lock::LockPolicy,
    membership::{Role, TeamRole},
    message::Message,
    phone::PhoneNumber,
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};

use crate::{build, carrier::FakeCarrier, clock::TestClock, engine::Engine, queue::FakeQueue, s3::FakeS3};

/// An address where no service listens.
pub const NO_SERVICE: &str = "http://127.0.0.1:9";

/// A table engine, a carrier simulator, an object store and a queue, and the entities that most tests use.
#[derive(Debug)]
pub struct TestApp {
    /// The table.
    pub engine: Engine,
    /// The carrier.
    pub carrier: FakeCarrier,
    /// The bucket.
    pub s3: FakeS3,
    /// Any queue.
    pub queue: FakeQueue,
    /// The time, where a test sets it.
    pub clock: TestClock,
    /// The team of [`TestApp::inbox`].
    pub team: Team,
    /// The inbox that the methods below use.
    pub inbox: Inbox,
    /// The member of [`TestApp::inbox`].
    pub user: UserRef,
    /// The number that the methods below exchange messages with.
    pub contact: PhoneNumber,
}

impl TestApp {
    /// Starts all services and stores the default team, its inbox and `ada`, the member of both.
    pub async fn start() -> Self {
        let app = Self::empty().await;
        app.add_team(&app.inbox.organization, &app.team).await;
        app.add_inbox(&app.inbox).await;
        app.add_member(&app.inbox, &app.user).await;
        app
    }

    /// Starts all services with an empty table. The fields describe entities that are not stored.
    pub async fn empty() -> Self {
        Self {
            engine: Engine::start().await,
            carrier: FakeCarrier::start().await,
            s3: FakeS3::start().await,
            queue: FakeQueue::start().await,
            clock: TestClock::default(),
            team: build::team(),
            inbox: build::inbox(),
            user: build::user_ref("ada", "Ada"),
            contact: build::number(build::CONTACT_NUMBER),
        }
    }

    /// Stores a team.
    pub async fn add_team(&self, organization: &OrganizationId, team: &Team) {
        Teams::new(self.table()).put(organization, team).await.unwrap();
    }

    /// Stores an inbox.
    pub async fn add_inbox(&self, inbox: &Inbox) {
        Inboxes::new(self.table()).put(inbox).await.unwrap();
    }

    /// Stores a user and their roles in teams.
    pub async fn add_user(&self, organization: &OrganizationId, user: &User, roles: &[(&str, Role)]) {
        let members = Members::new(self.table());
        members.put_user(organization, user).await.unwrap();
        for (team, role) in roles {
            let role = TeamRole { team: build::team_id(team), role: *role };
            members.put_role(organization, user, &role).await.unwrap();
        }
    }

    /// Makes a user a member of an inbox.
    pub async fn add_member(&self, inbox: &Inbox, user: &UserRef) {
        let membership = build::membership(inbox, user);
        Members::new(self.table()).add(&inbox.organization, &membership).await.unwrap();
    }

    /// Adds a contact to the team's list.
    pub async fn add_contact(&self, contact: &Contact) {
        Contacts::new(self.table()).put(self.organization(), &self.team.id, contact).await.unwrap();
    }

    /// Returns the table through a new client, as another host would have it.
    pub fn table(&self) -> Table {
        self.engine.table()
    }

    /// Returns a table that does not answer.
    pub fn unreachable_table() -> Table {
        Table::of(&Aws::loopback(NO_SERVICE), "none")
    }

    /// Returns a bucket that does not answer. It can still sign URLs.
    pub fn unreachable_bucket() -> Bucket {
        Bucket::new(&Aws::loopback(NO_SERVICE), "files")
    }

    /// Returns the organization of the inbox.
    pub fn organization(&self) -> &OrganizationId {
        &self.inbox.organization
    }

    /// Returns the id of the conversation with the contact.
    pub fn conversation_id(&self) -> ConversationId {
        ConversationId::of(&self.inbox.id, &self.contact)
    }

    /// Returns the key of a conversation of the inbox.
    pub fn conversation_key<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: self.organization(), inbox: &self.inbox.id, conversation }
    }

    /// Returns the stored conversation with the contact.
    pub async fn conversation(&self) -> Option<Conversation> {
        let id = self.conversation_id();
        Conversations::new(self.table()).get(self.conversation_key(&id)).await.unwrap()
    }

    /// Returns up to 100 messages of the conversation with the contact, newest first.
    pub async fn history(&self) -> Vec<Message> {
        let messages = Messages::new(self.table());
        messages.history(self.organization(), &self.conversation_id(), 100, None).await.unwrap().messages
    }

    /// Returns a stored message.
    pub async fn message(&self, id: &MessageId) -> Message {
        Messages::new(self.table()).get(self.organization(), id).await.unwrap().unwrap()
    }

    /// Accepts a message to the contact. It is then stored and waits in the outbox.
    pub async fn accept_message(&self, text: &str, at: Timestamp) -> MessageId {
        let message = Message {
            text: text.into(),
            ..build::message(&self.inbox, &self.contact, &self.user, at, shared_lambda::clock::entropy())
        };
        let acceptance = Acceptance {
            organization: self.organization(),
            message: &message,
            contact: &Contact::provisional(&self.team.id, &self.contact),
            guard: Guard::Compose { user: Some(&self.user.id) },
            idempotency: None,
        };
        assert_eq!(Sends::new(self.table()).accept(acceptance).await.unwrap(), Accepted::Stored);
        message.id
    }

    /// Acquires the lock on the conversation with the contact and returns its fencing token.
    pub async fn acquire_lock(&self) -> u64 {
        let (id, now) = (self.conversation_id(), shared_lambda::clock::now());
        let locks = Locks::new(self.table());
        match locks
            .acquire(self.conversation_key(&id), &self.user, now, &LockPolicy::default())
            .await
            .unwrap()
        {
            Acquired::Held(lease) => lease.token.get(),
            other => panic!("the lock was not acquired: {other:?}"),
        }
    }

    /// Returns the outbox entry of a message.
    pub fn outbox_entry(&self, message: &MessageId, at: Timestamp) -> OutboxEntry {
        OutboxEntry { organization: self.organization().clone(), message: message.clone(), at }
    }

    /// Returns the outbox.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.table())
    }
}
