//! One inbox at work, on a fresh table of an engine in this process.

mod cast;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use proptest::test_runner::{Config, RngSeed};
use shared_aws::{
    clients::Aws,
    contact::Contacts,
    conversation::{Acquired, ConversationUpdate, Conversations, Counter, Listing, Locks, Unread},
    inbox::{Inboxes, NewInboxes, OutOfOffice},
    messaging::{Acceptance, Accepted, Guard, Inbound, MediaFiles, Messages, Outbox, Receipt, Sends},
    notification::Notifications,
    opt_out::{OptOutReviews, OptOuts},
    registration::Registrations,
    table::{Idempotency, Page, StoreError, Table, UsedKeys, keys::Key},
    team::{Audit, AuditEntry, Members, TeamMembers, Teams},
    template::Templates,
};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Filter, Folder},
    ids::{ConversationId, InboxId, MessageId, OrganizationId},
    inbox::Inbox,
    keys::{ConversationKey, TeamKey},
    lock::{Lease, LockPolicy},
    message::Message,
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

use test_kit::engine::{Engine, TABLE};
pub(crate) use test_kit::meter::{Bill, Meter};

pub(crate) use self::cast::{
    START, ada, another_inbox, audit_event, ben, cleo, colleague, contact, draft, incoming, membership,
    number, seconds, shared_inbox, team_that_is, user,
};

/// The seed of random walks. `.cargo/config.toml` sets `PROPTEST_RNG_SEED`, and `make properties` draws others.
pub(crate) fn seed() -> u64 {
    match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => shared_lambda::clock::entropy(),
    }
}

/// A row as it is stored.
pub(crate) type Row = HashMap<String, AttributeValue>;

/// A shared inbox and all stores over its table. Every request through it is metered.
pub(crate) struct Desk {
    pub(crate) inbox: Inbox,
    pub(crate) locks: Locks,
    pub(crate) inbound: Inbound,
    pub(crate) sends: Sends,
    pub(crate) keys: UsedKeys,
    pub(crate) teams: Teams,
    pub(crate) unread: Unread,
    pub(crate) messages: Messages,
    pub(crate) conversations: Conversations,
    pub(crate) contacts: Contacts,
    pub(crate) inboxes: Inboxes,
    pub(crate) members: Members,
    pub(crate) outbox: Outbox,
    pub(crate) team_members: TeamMembers,
    pub(crate) registrations: Registrations,
    pub(crate) new_inboxes: NewInboxes,
    pub(crate) notices: Notifications,
    pub(crate) audit: Audit,
    pub(crate) opt_outs: OptOuts,
    pub(crate) reviews: OptOutReviews,
    pub(crate) out_of_office: OutOfOffice,
    pub(crate) templates: Templates,
    pub(crate) files: MediaFiles,
    meter: Meter,
    aws: Aws,
    /// Looks at the rows themselves, unmetered.
    client: Client,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let Engine { aws, .. } = Engine::start().await;
        let client = Client::from_conf(aws.dynamodb_config().build());
        let meter = Meter::default();
        let metered = Client::from_conf(aws.dynamodb_config().interceptor(meter.clone()).build());
        let table = Table::new(metered, TABLE);
        let inbox = shared_inbox();
        Inboxes::new(Table::new(client.clone(), TABLE)).put(&inbox).await.unwrap();
        Self {
            inbox,
            locks: Locks::new(table.clone()),
            inbound: Inbound::new(table.clone()),
            sends: Sends::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
            teams: Teams::new(table.clone()),
            unread: Unread::new(table.clone()),
            messages: Messages::new(table.clone()),
            conversations: Conversations::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            members: Members::new(table.clone()),
            outbox: Outbox::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            registrations: Registrations::new(table.clone()),
            new_inboxes: NewInboxes::new(table.clone()),
            notices: Notifications::new(table.clone()),
            audit: Audit::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
            files: MediaFiles::new(table.clone()),
            templates: Templates::new(table),
            meter,
            aws,
            client,
        }
    }

    /// The table as another host sees it: over a client of its own.
    pub(crate) fn other_host(&self) -> Table {
        Table::of(&self.aws, TABLE)
    }

    /// The table as a host sees it that dies once it has sent so many requests.
    pub(crate) fn mortal_host(&self, requests: usize) -> Table {
        test_kit::crash::crashing_table(&self.aws, requests)
    }

    /// The table through the meter, for stores that a desk does not have.
    pub(crate) fn metered(&self) -> Table {
        let config = self.aws.dynamodb_config().interceptor(self.meter.clone()).build();
        Table::new(Client::from_conf(config), TABLE)
    }

    pub(crate) fn organization(&self) -> &OrganizationId {
        &self.inbox.organization
    }

    pub(crate) fn conversation_with(&self, number: &PhoneNumber) -> ConversationId {
        ConversationId::of(&self.inbox.id, number)
    }

    pub(crate) fn thread<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: &self.inbox.organization, inbox: &self.inbox.id, conversation }
    }

    /// What the inbox's counter says.
    pub(crate) async fn unread(&self) -> u64 {
        self.unread_in(&self.inbox.id).await
    }

    /// What another inbox's counter says.
    pub(crate) async fn unread_in(&self, inbox: &InboxId) -> u64 {
        self.counter_of(inbox).await.unread()
    }

    /// An inbox's counter.
    pub(crate) async fn counter_of(&self, inbox: &InboxId) -> Counter {
        let wanted = [inbox.clone()];
        let (inboxes, _) = self.inboxes.with_teams(self.organization(), &wanted, &[]).await.unwrap();
        inboxes[0].1
    }

    /// What was done in the team, newest first.
    pub(crate) async fn trail(&self) -> Vec<AuditEntry> {
        self.audit
            .page(TeamKey { organization: self.organization(), team: &self.inbox.team }, 100, None)
            .await
            .unwrap()
            .items
    }

    /// A text comes in; its carrier id is made of sender and time.
    pub(crate) async fn hear(&self, from: &PhoneNumber, words: &str, at: Timestamp) -> MessageId {
        let carrier_id = format!("SM{}{}", at.millis(), from.as_str());
        let text = incoming(from, &carrier_id, words);
        match self.inbound.receive(&self.inbox, &text, at).await.unwrap() {
            Receipt::Stored(id) => id,
            Receipt::Duplicate(id) => panic!("{id} came in before"),
        }
    }

    /// A conversation that a text from this number began.
    pub(crate) async fn conversation_begun_by(&self, from: &PhoneNumber, at: Timestamp) -> ConversationId {
        self.hear(from, "Is the office open on Friday?", at).await;
        self.conversation_with(from)
    }

    /// The conversation as it is stored now.
    pub(crate) async fn look_at(&self, conversation: &ConversationId) -> Conversation {
        let found = self.conversations.get(self.thread(conversation)).await.unwrap();
        found.expect("the conversation is there")
    }

    /// Moves or marks a conversation by hand.
    pub(crate) async fn change(
        &self,
        conversation: &ConversationId,
        change: ConversationUpdate,
        at: Timestamp,
    ) -> Option<Conversation> {
        let seen = self.conversations.get(self.thread(conversation)).await.unwrap()?;
        self.conversations.change(self.organization(), seen, change, at).await.unwrap()
    }

    /// A page of a list of the inbox.
    pub(crate) async fn list(
        &self,
        folder: Folder,
        filter: &Filter,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        self.conversations.list(Listing { inbox: self.inbox.key(), folder, filter }, limit, after).await
    }

    /// This user opens the conversation to answer, however many others are open.
    pub(crate) async fn open_to_answer(
        &self,
        conversation: &ConversationId,
        user: &UserRef,
        at: Timestamp,
    ) -> Lease {
        let policy = LockPolicy { per_user: 1_000, ..LockPolicy::default() };
        let acquired = self.locks.acquire(self.thread(conversation), user, at, &policy).await;
        match acquired.unwrap() {
            Acquired::Held(lease) => lease,
            other => panic!("{} did not get the lock: {other:?}", user.id),
        }
    }

    /// A text of ours, queued.
    pub(crate) fn draft(&self, to: &PhoneNumber, words: &str, by: &UserRef, at: Timestamp) -> Message {
        draft(&self.inbox, to, words, by, at)
    }

    /// Asks for a text to be accepted; its recipient is known by number only.
    pub(crate) async fn accept(
        &self,
        message: &Message,
        guard: Guard<'_>,
        idempotency: Option<Idempotency<'_>>,
    ) -> Accepted {
        let contact = Contact::provisional(&message.team, &message.contact_number);
        let organization = self.organization();
        let wanted = Acceptance { organization, message, contact: &contact, guard, idempotency };
        self.sends.accept(wanted).await.unwrap()
    }

    /// The row under a key.
    pub(crate) async fn row(&self, key: Key) -> Option<Row> {
        let get = self.client.get_item().table_name(TABLE).set_key(Some(key_of(key)));
        let got = get.consistent_read(true).send().await;
        got.unwrap().item
    }

    /// All rows of the table, to tell that nothing was written.
    pub(crate) async fn all_rows(&self) -> BTreeMap<(String, String), Row> {
        let scanned = self.client.scan().table_name(TABLE).into_paginator().items().send();
        let items = scanned.collect::<Result<Vec<Row>, _>>().await.unwrap();
        let key = |item: &Row, name: &str| item[name].as_s().unwrap().clone();
        items.into_iter().map(|item| ((key(&item, "pk"), key(&item, "sk")), item)).collect()
    }

    /// All rows but those of the inbox itself, which stood there from the beginning.
    pub(crate) async fn rows(&self) -> BTreeMap<(String, String), Row> {
        let of_inbox = ["INBOX", "NUMBER", "API", self.inbox.id.as_str()];
        let rows = self.all_rows().await.into_iter();
        rows.filter(|((_, place), _)| !of_inbox.contains(&place.as_str())).collect()
    }

    /// Puts a row behind the stores' backs.
    pub(crate) async fn put(&self, row: Row) {
        self.client.put_item().table_name(TABLE).set_item(Some(row)).send().await.unwrap();
    }

    /// Puts many rows behind the stores' backs.
    pub(crate) async fn put_all(&self, rows: Vec<Row>) {
        for some in rows.chunks(25) {
            let put = |row: &Row| PutRequest::builder().set_item(Some(row.clone())).build().unwrap();
            let writes = some.iter().map(|row| WriteRequest::builder().put_request(put(row)).build());
            let batch = self.client.batch_write_item().request_items(TABLE, writes.collect());
            assert!(batch.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
        }
    }

    /// Takes a row away, as if it had never been written.
    pub(crate) async fn forget(&self, key: Key) {
        let delete = self.client.delete_item().table_name(TABLE).set_key(Some(key_of(key)));
        delete.send().await.unwrap();
    }

    /// What some work costs.
    pub(crate) async fn cost<T>(&self, work: impl Future<Output = T>) -> (T, Bill) {
        let before = self.meter.bill();
        let done = work.await;
        (done, self.meter.bill() - before)
    }
}

fn key_of(key: Key) -> Row {
    Row::from([("pk".to_owned(), AttributeValue::S(key.pk)), ("sk".to_owned(), AttributeValue::S(key.sk))])
}
