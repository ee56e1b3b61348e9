//! The services a function talks to, in the test process, with a team that can send.

use shared_aws::{
    clients::{Aws, Bucket},
    contact::Contacts,
    conversation::{Acquired, Conversations, Locks},
    inbox::{Inboxes, NewInboxes},
    messaging::{Acceptance, Accepted, Guard, Messages, Outbox, OutboxEntry, Sends},
    registration::Registrations,
    table::Table,
    team::{Members, TeamMembers, Teams},
};
use shared_domain::{
    broadcast::Asked,
    contact::Contact,
    conversation::Conversation,
    ids::{ConversationId, MessageId, OrganizationId},
    inbox::{Inbox, InboxKind},
    keys::{ConversationKey, InboxKey, TeamKey},
    lock::LockPolicy,
    membership::{Role, TeamRole},
    message::Message,
    phone::PhoneNumber,
    registration::{Registration, RegistrationStatus},
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
    pub engine: Engine,
    pub carrier: FakeCarrier,
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

    /// [`TestApp::start`] with a personal inbox.
    pub async fn with_personal_inbox() -> Self {
        let mut app = Self::start().await;
        app.inbox.kind = InboxKind::Personal;
        app.add_inbox(&app.inbox).await;
        app
    }

    /// Starts all services and stores two organizations without inboxes.
    ///
    /// In `org_1`, owned by `olga`, `ada` is an admin and `bob` a member of `team_1`, whose registration
    /// has not started.
    /// `dan` is an admin, and `cyn` and `eve` are members of `team_2`, which is approved and has a messaging
    /// service at the carrier. In `org_2`, owned by `zoe`, the registration of `team_9` has not started.
    pub async fn with_two_teams() -> Self {
        let app = Self::empty().await;
        let organization = build::organization_id("org_1");
        let service = app.carrier.client().create_service("org_1 team_2").await.unwrap().sid;
        let front = Team { registration: RegistrationStatus::NotStarted, ..build::team() };
        let back = Team { id: build::team_id("team_2"), name: "Back".into(), ..build::team() };
        let other = Team { id: build::team_id("team_9"), name: "Elsewhere".into(), ..front.clone() };
        app.add_team(&organization, &front).await;
        app.add_team(&organization, &back).await;
        app.add_team(&build::organization_id("org_2"), &other).await;
        let approved = Registration {
            status: RegistrationStatus::Approved,
            messaging_service: Some(service),
            ..Registration::default()
        };
        app.registrations()
            .put(TeamKey { organization: &organization, team: &back.id }, &approved)
            .await
            .unwrap();
        app.add_user(&organization, &User { owner: true, ..build::user("olga") }, &[]).await;
        for (user, team, role) in [
            ("ada", "team_1", Role::Admin),
            ("bob", "team_1", Role::Member),
            ("dan", "team_2", Role::Admin),
            ("cyn", "team_2", Role::Member),
            ("eve", "team_2", Role::Member),
        ] {
            app.add_user(&organization, &build::user(user), &[(team, role)]).await;
        }
        let owner = User { owner: true, ..build::user("zoe") };
        app.add_user(&build::organization_id("org_2"), &owner, &[]).await;
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
            let role = TeamRole { team: build::team_id(team), role: *role, can_broadcast: false };
            TeamMembers::new(self.table()).put_role(organization, user, &role).await.unwrap();
        }
    }

    /// Makes a user a member of an inbox.
    pub async fn add_member(&self, inbox: &Inbox, user: &UserRef) {
        let membership = build::membership(inbox, user);
        Members::new(self.table()).put(&inbox.organization, &membership).await.unwrap();
    }

    /// Adds a contact to the team's list.
    pub async fn add_contact(&self, contact: &Contact) {
        Contacts::new(self.table())
            .put(TeamKey { organization: self.organization(), team: &self.team.id }, contact)
            .await
            .unwrap();
    }

    /// Returns the table through a new client, as another host would have it. Its requests have no
    /// time limit for each attempt, so that a busy machine causes no retries.
    pub fn table(&self) -> Table {
        self.engine.patient_table()
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
        self.history_of(&self.conversation_id()).await
    }

    /// Returns up to 100 messages of a conversation, newest first.
    pub async fn history_of(&self, conversation: &ConversationId) -> Vec<Message> {
        let messages = Messages::new(self.table());
        messages.history(self.organization(), conversation, 100, None).await.unwrap().items
    }

    /// Returns a stored message.
    pub async fn message(&self, id: &MessageId) -> Message {
        Messages::new(self.table()).get(self.organization(), id).await.unwrap().unwrap()
    }

    /// Accepts a message to the contact. It is then stored and waits in the outbox.
    pub async fn accept_message(&self, text: &str, at: Timestamp) -> MessageId {
        self.accept_message_until(text, at, None).await
    }

    /// As [`TestApp::accept_message`], for a contact whose sending hours end.
    pub async fn accept_message_until(
        &self,
        text: &str,
        at: Timestamp,
        send_until: Option<Timestamp>,
    ) -> MessageId {
        let message = Message {
            text: text.into(),
            send_until,
            ..build::message(&self.inbox, &self.contact, &self.user, at, shared_lambda::clock::entropy())
        };
        self.accept(message).await
    }

    /// As [`TestApp::accept_message`], for a message of the test, which may be the text of a broadcast.
    pub async fn accept(&self, message: Message) -> MessageId {
        let acceptance = Acceptance {
            organization: self.organization(),
            message: &message,
            contact: &Contact::provisional(&self.team.id, &message.contact_number),
            guard: Guard::Compose { user: Some(&self.user.id) },
            idempotency: None,
        };
        let asked = message.broadcast.clone().map(|of| Asked {
            of,
            at: message.created_at,
            window_hours: 72,
            question: false,
        });
        let accepted = Sends::new(self.table()).accept_retry(acceptance, asked.as_ref()).await.unwrap();
        assert_eq!(accepted, Accepted::Stored);
        message.id
    }

    /// Acquires the lock on the conversation with the contact and returns its fencing token.
    pub async fn acquire_lock(&self) -> u64 {
        let (id, now) = (self.conversation_id(), shared_lambda::clock::now());
        let locks = Locks::new(self.table());
        match locks
            .acquire(self.conversation_key(&id), &self.user, now, 1, &LockPolicy::default())
            .await
            .unwrap()
        {
            Acquired::Held(lease) => lease.token.get(),
            other => panic!("the lock was not acquired: {other:?}"),
        }
    }

    /// Returns an inbox of `org_1` by its id.
    pub async fn find_inbox(&self, id: &str) -> Option<Inbox> {
        let id = build::inbox_id(id);
        Inboxes::new(self.table())
            .get(InboxKey { organization: &build::organization_id("org_1"), inbox: &id })
            .await
            .unwrap()
    }

    /// Returns the registration status of a team of `org_1`.
    pub async fn registration_status(&self, team: &str) -> RegistrationStatus {
        let organization = build::organization_id("org_1");
        let team = Teams::new(self.table())
            .get(TeamKey { organization: &organization, team: &build::team_id(team) })
            .await
            .unwrap();
        team.unwrap().registration
    }

    /// Returns the messaging service of a team of `org_1` at the carrier.
    pub async fn messaging_service(&self, team: &str) -> String {
        let organization = build::organization_id("org_1");
        let registration = self
            .registrations()
            .get(TeamKey { organization: &organization, team: &build::team_id(team) })
            .await
            .unwrap();
        registration.messaging_service.unwrap()
    }

    pub fn registrations(&self) -> Registrations {
        Registrations::new(self.table())
    }

    /// Returns the inboxes whose creation has not finished.
    pub fn new_inboxes(&self) -> NewInboxes {
        NewInboxes::new(self.table())
    }

    /// Returns the outbox entry of a message.
    pub fn outbox_entry(&self, message: &MessageId, at: Timestamp) -> OutboxEntry {
        let organization = self.organization().clone();
        OutboxEntry { organization, message: message.clone(), at, of_broadcast: false }
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.table())
    }
}
