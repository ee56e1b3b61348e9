//! All stores over a new table in this process that contains one inbox.

mod fixtures;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use proptest::test_runner::{Config, RngSeed};
use shared_aws::{
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
    keys::ConversationKey,
    lock::{Lease, LockPolicy},
    message::Message,
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

use test_kit::engine::{Engine, TABLE};
pub(crate) use test_kit::{
    build::{inbound_text, membership},
    meter::{Bill, Meter},
};

pub(crate) use self::fixtures::{
    START, ada, at_second, audit_event, ben, cleo, colleague, contact, number, other_inbox, outbound_message,
    shared_inbox, team_with_registration, user,
};

/// Returns the seed of randomized tests. `.cargo/config.toml` sets `PROPTEST_RNG_SEED`. `make properties`
/// sets others.
pub(crate) fn seed() -> u64 {
    match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => shared_lambda::clock::entropy(),
    }
}

/// A stored item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// All stores over one table, which contains the inbox. The requests of the stores are metered.
pub(crate) struct TestStores {
    pub(crate) inbox: Inbox,
    pub(crate) locks: Locks,
    pub(crate) inbound: Inbound,
    pub(crate) sends: Sends,
    pub(crate) used_keys: UsedKeys,
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
    pub(crate) notifications: Notifications,
    pub(crate) audit: Audit,
    pub(crate) opt_outs: OptOuts,
    pub(crate) reviews: OptOutReviews,
    pub(crate) out_of_office: OutOfOffice,
    pub(crate) templates: Templates,
    pub(crate) media_files: MediaFiles,
    meter: Meter,
    engine: Engine,
    /// Reads and writes items directly, without the meter.
    client: Client,
}

impl TestStores {
    pub(crate) async fn start() -> Self {
        let engine = Engine::start().await;
        let client = Client::from_conf(engine.patient_config().build());
        let meter = Meter::default();
        let metered = Client::from_conf(engine.patient_config().interceptor(meter.clone()).build());
        let table = Table::new(metered, TABLE);
        let inbox = shared_inbox();
        Inboxes::new(Table::new(client.clone(), TABLE)).put(&inbox).await.unwrap();
        Self {
            inbox,
            locks: Locks::new(table.clone()),
            inbound: Inbound::new(table.clone()),
            sends: Sends::new(table.clone()),
            used_keys: UsedKeys::new(table.clone()),
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
            notifications: Notifications::new(table.clone()),
            audit: Audit::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            reviews: OptOutReviews::new(table.clone()),
            out_of_office: OutOfOffice::new(table.clone()),
            media_files: MediaFiles::new(table.clone()),
            templates: Templates::new(table),
            meter,
            engine,
            client,
        }
    }

    /// Returns the table through a new client, as another host would have it.
    pub(crate) fn table(&self) -> Table {
        self.engine.patient_table()
    }

    /// Returns the table of a host that crashes after `requests` requests.
    pub(crate) fn crashing_table(&self, requests: usize) -> Table {
        self.engine.crashing_table(requests)
    }

    /// Returns the table of a host before whose request number `nth` another host does `work`. The first
    /// request has number 0.
    pub(crate) fn overtaken_table(
        &self,
        nth: usize,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Table {
        test_kit::contention::overtaken_table(&self.engine.aws, nth, work)
    }

    /// As [`TestStores::overtaken_table`], of a host that then crashes after `requests` requests.
    pub(crate) fn overtaken_and_crashing_table(
        &self,
        nth: usize,
        work: impl Future<Output = ()> + Send + 'static,
        requests: usize,
    ) -> Table {
        test_kit::contention::overtaken_and_crashing_table(&self.engine.aws, nth, work, requests)
    }

    /// Returns the table through the meter, for stores that are not fields.
    pub(crate) fn metered_table(&self) -> Table {
        let config = self.engine.patient_config().interceptor(self.meter.clone()).build();
        Table::new(Client::from_conf(config), TABLE)
    }

    pub(crate) fn organization(&self) -> &OrganizationId {
        &self.inbox.organization
    }

    /// Returns the id of the inbox's conversation with this number.
    pub(crate) fn conversation_id(&self, contact: &PhoneNumber) -> ConversationId {
        ConversationId::of(&self.inbox.id, contact)
    }

    pub(crate) fn conversation_key<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        self.inbox.key().conversation(conversation)
    }

    /// Returns the number of unread conversations of the inbox.
    pub(crate) async fn unread(&self) -> u64 {
        self.unread_in(&self.inbox.id).await
    }

    pub(crate) async fn unread_in(&self, inbox: &InboxId) -> u64 {
        self.counter_of(inbox).await.unread()
    }

    pub(crate) async fn counter_of(&self, inbox: &InboxId) -> Counter {
        let ids = [inbox.clone()];
        let (inboxes, _) = self.inboxes.with_teams(self.organization(), &ids, &[]).await.unwrap();
        inboxes[0].1
    }

    /// Returns the audit entries of the inbox's team, newest first.
    pub(crate) async fn audit_entries(&self) -> Vec<AuditEntry> {
        self.audit.page(self.inbox.team_key(), 100, None).await.unwrap().items
    }

    /// Receives an inbound message. Its carrier id consists of the time and the number.
    pub(crate) async fn receive(&self, from: &PhoneNumber, text: &str, at: Timestamp) -> MessageId {
        let carrier_id = format!("SM{}{}", at.millis(), from.as_str());
        let text = inbound_text(from, &carrier_id, text);
        match self.inbound.receive(&self.inbox, &text, at).await.unwrap().0 {
            Receipt::Stored(id) => id,
            Receipt::Duplicate(id) => panic!("{id} was received before"),
            Receipt::Erased => panic!("the message was erased"),
        }
    }

    /// Receives the first message of a conversation and returns the conversation's id.
    pub(crate) async fn start_conversation(&self, from: &PhoneNumber, at: Timestamp) -> ConversationId {
        self.receive(from, "Is the office open on Friday?", at).await;
        self.conversation_id(from)
    }

    /// Returns the stored conversation.
    pub(crate) async fn stored_conversation(&self, conversation: &ConversationId) -> Conversation {
        let found = self.conversations.get(self.conversation_key(conversation)).await.unwrap();
        found.expect("the conversation exists")
    }

    /// Changes a conversation's folder or read state. `None` if the conversation does not exist or has
    /// changed.
    pub(crate) async fn update_conversation(
        &self,
        conversation: &ConversationId,
        change: ConversationUpdate,
        at: Timestamp,
    ) -> Option<Conversation> {
        let seen = self.conversations.get(self.conversation_key(conversation)).await.unwrap()?;
        self.conversations.change(self.organization(), seen, change, at).await.unwrap()
    }

    /// Returns a page of a list of the inbox.
    pub(crate) async fn list(
        &self,
        folder: Folder,
        filter: &Filter,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        self.conversations.list(Listing { inbox: self.inbox.key(), folder, filter }, limit, after).await
    }

    /// Acquires the lock of a conversation, without the limit of locks per user.
    pub(crate) async fn acquire_lock(
        &self,
        conversation: &ConversationId,
        user: &UserRef,
        at: Timestamp,
    ) -> Lease {
        let policy = LockPolicy { per_user: 1_000, ..LockPolicy::default() };
        let acquired = self
            .locks
            .acquire(self.conversation_key(conversation), user, at, shared_lambda::clock::entropy(), &policy)
            .await;
        match acquired.unwrap() {
            Acquired::Held(lease) => lease,
            other => panic!("{} did not acquire the lock: {other:?}", user.id),
        }
    }

    /// Returns a queued outbound message of the inbox.
    pub(crate) fn outbound(&self, to: &PhoneNumber, text: &str, sender: &UserRef, at: Timestamp) -> Message {
        outbound_message(&self.inbox, to, text, sender, at)
    }

    /// Accepts a message to a provisional contact.
    pub(crate) async fn accept(
        &self,
        message: &Message,
        guard: Guard<'_>,
        idempotency: Option<Idempotency<'_>>,
    ) -> Accepted {
        let contact = Contact::provisional(&message.team, &message.contact_number);
        let organization = self.organization();
        let acceptance = Acceptance { organization, message, contact: &contact, guard, idempotency };
        self.sends.accept(acceptance).await.unwrap()
    }

    /// Returns the item with this key.
    pub(crate) async fn item(&self, key: Key) -> Option<Item> {
        let get = self.client.get_item().table_name(TABLE).set_key(Some(key_of(key)));
        let got = get.consistent_read(true).send().await;
        got.unwrap().item
    }

    /// Returns all items, by partition and sort key.
    pub(crate) async fn all_items(&self) -> BTreeMap<(String, String), Item> {
        let scanned = self.client.scan().table_name(TABLE).into_paginator().items().send();
        let items = scanned.collect::<Result<Vec<Item>, _>>().await.unwrap();
        let key = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        items.into_iter().map(|item| ((key(&item, "pk"), key(&item, "sk")), item)).collect()
    }

    /// Returns all items except those of the inbox itself, which exist from the start.
    pub(crate) async fn items(&self) -> BTreeMap<(String, String), Item> {
        let of_inbox = ["INBOX", "NUMBER", "API", self.inbox.id.as_str()];
        let items = self.all_items().await.into_iter();
        items.filter(|((_, sk), _)| !of_inbox.contains(&sk.as_str())).collect()
    }

    /// Writes an item directly.
    pub(crate) async fn put_item(&self, item: Item) {
        self.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }

    /// Writes items directly, in batches.
    pub(crate) async fn put_items(&self, items: Vec<Item>) {
        for batch in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
            let writes = batch.iter().map(|item| WriteRequest::builder().put_request(put(item)).build());
            let written = self.client.batch_write_item().request_items(TABLE, writes.collect()).send().await;
            assert!(written.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
        }
    }

    /// Deletes an item directly.
    pub(crate) async fn delete_item(&self, key: Key) {
        let delete = self.client.delete_item().table_name(TABLE).set_key(Some(key_of(key)));
        delete.send().await.unwrap();
    }

    /// Returns the result of some requests and their cost.
    pub(crate) async fn cost<T>(&self, work: impl Future<Output = T>) -> (T, Bill) {
        let before = self.meter.bill();
        let done = work.await;
        (done, self.meter.bill() - before)
    }
}

fn key_of(key: Key) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(key.pk)), ("sk".to_owned(), AttributeValue::S(key.sk))])
}
