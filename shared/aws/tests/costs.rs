//! What each operation costs, exactly, on items of realistic size. The test also compares the table in ARCHITECTURE.md;
//! `UPDATE_DOCS=1 cargo test --workspace --test contract -- costs` writes it.

mod sizes;

use std::collections::BTreeMap;

use shared_aws::{
    contact::{ContactEntry, ContactWrite, Contacts},
    conversation::{Acquired, ConversationUpdate},
    import::{ImportTurn, Imports},
    inbox::{Completed, Reserved},
    messaging::{Acceptance, Accepted, Guard, InboundText, PendingMedia, Receipt},
    opt_out::OptOutWrite,
    registration::Transition,
    table::{Idempotency, Versioned},
    team::UserProfile,
    template,
};
use shared_domain::{
    contact::Contact,
    conversation::{Conversation, Filter, Folder},
    ids::{ConversationId, InboxId, MediaId, MessageId, ReviewId, TeamId, TemplateId},
    inbox::{Inbox, InboxKind, Stage},
    keys::{InboxKey, TeamInboxKey, TeamKey},
    lock::{FencingToken, Lease, LockPolicy},
    media::{Media, MediaState},
    membership::{Membership, Role, TeamRole},
    message::{DeliveryState, Message, Report},
    notification::{MailingPreference, NotificationSettings},
    opt_out::{
        self, Keyword, KeywordDecision, KeywordReplies, OptOutSubject, ReviewOutcome, ReviewResolution, Scope,
    },
    out_of_office::ClosedPeriod,
    registration::{CarrierReason, RegistrationStatus},
    team::Team,
    template::Template,
    user::UserRef,
};
use test_kit::docs::assert_block;

use crate::{
    imports, registrations,
    support::{
        Bill, TestStores, ada, at_second, audit_event, ben, cleo, contact, inbound_text, membership, number,
        other_inbox, team_with_registration, user,
    },
};

/// Operation, requests, read units, write units. A refusal's write unit is what DynamoDB charges for the condition.
const BUDGET: &[(&str, u32, f64, f64)] = &[
    ("access check", 1, 0.5, 0.0),
    ("acquire, unread conversation", 3, 0.0, 6.0),
    ("acquire a free lock", 2, 0.0, 4.0),
    ("acquire, refused", 1, 0.0, 1.0),
    ("acquire again as the holder", 1, 0.0, 1.0),
    ("renew", 1, 0.0, 1.0),
    ("take over an expired lock", 2, 0.0, 4.0),
    ("renew, lost", 1, 0.0, 1.0),
    ("release", 2, 0.0, 4.0),
    ("release, already released", 1, 0.0, 1.0),
    ("break", 2, 0.0, 4.0),
    ("find the inbox of a number", 2, 1.0, 0.0),
    ("inbound message, unread conversation", 3, 0.0, 9.0),
    ("inbound message, read conversation", 4, 0.0, 9.0),
    ("inbound message, read and archived conversation", 4, 0.0, 9.0),
    ("inbound message, first of a known contact", 7, 1.0, 8.0),
    ("inbound message, first of an unknown number", 9, 1.5, 8.0),
    ("inbound message, redelivered", 2, 2.0, 1.0),
    ("reply", 1, 0.0, 10.0),
    ("reply with idempotency key", 1, 0.0, 12.0),
    ("reply of 1,500 characters", 1, 0.0, 12.0),
    ("reply, refused", 1, 0.0, 6.0),
    ("reply, no assigned user", 1, 0.0, 8.0),
    ("look up an idempotency key", 1, 1.0, 0.0),
    ("compose, new conversation", 1, 0.0, 8.0),
    ("delete an outbox item", 1, 0.0, 1.0),
    ("claim a message to send", 1, 0.0, 1.0),
    ("record the outcome of a send", 1, 0.0, 1.0),
    ("delivery report", 1, 0.0, 1.0),
    ("delivery report, repeated", 1, 0.0, 1.0),
    ("show a failure in the lists", 1, 0.0, 3.0),
    ("read a conversation", 1, 1.0, 0.0),
    ("list page of 50", 1, 3.0, 0.0),
    ("recount 50 unread conversations", 2, 3.0, 1.0),
    ("list page of 50, five locked", 2, 5.5, 0.0),
    ("history page of 25", 1, 1.5, 0.0),
    ("mark read", 2, 0.0, 5.0),
    ("archive", 1, 0.0, 5.0),
    ("inbound message, unread conversation without assigned user", 3, 0.0, 7.0),
    ("list page of 50, unread", 1, 3.0, 0.0),
    ("list page of 50, assigned", 1, 3.0, 0.0),
    ("list page of 50, assigned and unread", 1, 3.0, 0.0),
    ("list page of 50, read", 1, 3.0, 0.0),
    ("read a user with 3 inboxes", 1, 1.0, 0.0),
    ("read 3 inboxes and 3 teams", 1, 3.0, 0.0),
    ("read a user with 30 inboxes", 1, 1.0, 0.0),
    ("read 30 inboxes and 3 teams", 1, 16.5, 0.0),
    ("check a role in a team", 1, 1.5, 0.0),
    ("reserve an inbox", 1, 0.0, 8.0),
    ("reserve an inbox, with idempotency key", 1, 0.0, 10.0),
    ("complete an inbox and start the registration", 1, 0.0, 18.0),
    ("complete an inbox", 1, 0.0, 12.0),
    ("approve a registration", 1, 0.0, 10.0),
    ("suspend a registration", 1, 0.0, 10.0),
    ("create a contact", 1, 0.0, 10.0),
    ("rename a contact", 1, 0.0, 12.0),
    ("update a contact's copies, 3 inboxes and 2 conversations", 5, 5.5, 8.0),
    ("out-of-office message", 1, 0.0, 8.0),
    ("opt-out by keyword with confirmation", 1, 0.0, 12.0),
    ("keyword without effect", 1, 0.0, 2.0),
    ("check the opt-out before a send", 1, 1.0, 0.0),
    ("check the opt-outs before a send, personal inbox", 1, 2.0, 0.0),
    ("inbound message, first of an unknown number, with notification", 9, 1.5, 11.0),
    ("open a review", 1, 0.0, 4.0),
    ("open a review, repeated", 1, 0.0, 4.0),
    ("open reviews, page of 25", 2, 13.5, 0.0),
    ("read a review and its contact", 1, 3.0, 0.0),
    ("dismiss a review", 1, 0.0, 4.0),
    ("resolve a review with an opt-out", 1, 0.0, 12.0),
    ("queue the media of a message", 1, 0.0, 1.0),
    ("record the outcome of a media file", 1, 0.0, 1.0),
    ("create a template", 1, 0.0, 4.0),
    ("read a template", 1, 1.0, 0.0),
    ("change a template", 1, 0.0, 2.0),
    ("rename a template", 1, 0.0, 6.0),
    ("create an import", 1, 0.0, 4.0),
    ("claim an import", 1, 0.0, 1.0),
    ("look up 100 rows, all new", 3, 300.0, 0.0),
    ("begin a chunk", 1, 0.0, 2.0),
    ("create 100 contacts", 20, 0.0, 500.0),
    ("look up 100 rows, all known", 5, 500.0, 0.0),
];

/// An inbox with a list of contacts, and what was metered there.
struct Ledger {
    stores: TestStores,
    lines: Vec<(&'static str, Bill)>,
}

impl Ledger {
    async fn open() -> Self {
        let stores = TestStores::start().await;
        for place in 0..60 {
            stores.contacts.put(stores.inbox.team_key(), &contact(place)).await.unwrap();
        }
        Self { stores, lines: Vec::new() }
    }

    async fn note<T>(&mut self, operation: &'static str, work: impl AsyncFnOnce(&TestStores) -> T) -> T {
        let (done, bill) = self.stores.cost(Box::pin(work(&self.stores))).await;
        self.lines.push((operation, bill));
        done
    }

    /// A conversation of a known contact, unread.
    async fn conversation(&self, place: usize) -> ConversationId {
        self.stores.receive(&number(place), WORDS, at_second(place as u64)).await;
        self.stores.conversation_id(&number(place))
    }
}

/// 160 characters: one segment, and more than a list shows.
const WORDS: &str = "Hello, I sent my transcripts two weeks ago and the portal still says that they are missing. Could you \
                     please look whether they arrived? Thank you, Maximiliana F.";

async fn access_check(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let (inbox, team) = (stores.inbox.id.clone(), stores.inbox.team.clone());
    let member = Membership { inbox, kind: InboxKind::Shared, team, user: ada() };
    stores.members.put(stores.organization(), &member).await.unwrap();
    let found = ledger
        .note("access check", async |stores| {
            stores.members.membership(stores.inbox.key(), &ada().id).await.unwrap()
        })
        .await;
    assert_eq!(found, Some(member));
}

async fn locks(ledger: &mut Ledger) {
    let conversation = ledger.conversation(0).await;
    let policy = LockPolicy::default();
    let acquire = async |stores: &TestStores, user: UserRef, at| {
        stores
            .locks
            .acquire(stores.conversation_key(&conversation), &user, at_second(at), &policy)
            .await
            .unwrap()
    };
    let renew = async |stores: &TestStores, user: UserRef, token: FencingToken, at| {
        let thread = stores.conversation_key(&conversation);
        stores.locks.renew(thread, &user.id, token, true, at_second(at), &policy).await.unwrap()
    };
    let release = async |stores: &TestStores, lease: &Lease| {
        stores
            .locks
            .release(stores.conversation_key(&conversation), &lease.holder.id, lease.token)
            .await
            .unwrap()
    };
    let held = |acquired| match acquired {
        Acquired::Held(lease) => lease,
        other => panic!("not acquired: {other:?}"),
    };
    let operation = "acquire, unread conversation";
    let first = held(ledger.note(operation, async |stores| acquire(stores, ada(), 0).await).await);
    release(&ledger.stores, &first).await;
    held(ledger.note("acquire a free lock", async |stores| acquire(stores, ada(), 0).await).await);
    ledger.note("acquire, refused", async |stores| acquire(stores, ben(), 1).await).await;
    let again =
        ledger.note("acquire again as the holder", async |stores| acquire(stores, ada(), 2).await).await;
    let old = held(again).token;
    ledger.note("renew", async |stores| renew(stores, ada(), old, 3).await).await;
    let taken = held(
        ledger.note("take over an expired lock", async |stores| acquire(stores, ben(), 100).await).await,
    );
    ledger.note("renew, lost", async |stores| renew(stores, ada(), old, 101).await).await;
    ledger.note("release", async |stores| release(stores, &taken).await).await;
    ledger.note("release, already released", async |stores| release(stores, &taken).await).await;
    let lease = held(acquire(&ledger.stores, ada(), 102).await);
    let broken = async |stores: &TestStores| {
        stores.locks.break_lock(stores.conversation_key(&conversation), &cleo(), lease.token).await.unwrap()
    };
    ledger.note("break", broken).await;
}

async fn hear(stores: &TestStores, place: usize, at: u64) {
    stores.receive(&number(place), WORDS, at_second(at)).await;
}

async fn inbound(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    stores.inboxes.put(&stores.inbox).await.unwrap();
    let find = async |stores: &TestStores| stores.inboxes.by_number(&stores.inbox.number).await.unwrap();
    ledger.note("find the inbox of a number", find).await;
    let conversation = ledger.conversation(1).await;
    let change = async |stores: &TestStores, folder, read| {
        let change = ConversationUpdate { folder, read: Some(read) };
        stores.update_conversation(&conversation, change, at_second(900)).await;
    };
    ledger.note("inbound message, unread conversation", async |stores| hear(stores, 1, 10).await).await;
    change(&ledger.stores, None, true).await;
    ledger.note("inbound message, read conversation", async |stores| hear(stores, 1, 20).await).await;
    change(&ledger.stores, Some(Folder::Archived), true).await;
    let operation = "inbound message, read and archived conversation";
    ledger.note(operation, async |stores| hear(stores, 1, 30).await).await;
}

async fn inbound_first_and_again(ledger: &mut Ledger) {
    ledger.note("inbound message, first of a known contact", async |stores| hear(stores, 2, 40).await).await;
    ledger
        .note("inbound message, first of an unknown number", async |stores| hear(stores, 999, 50).await)
        .await;
    let text = inbound_text(&number(1), "SM0123456789abcdef0123456789abcdef", WORDS);
    let receive = async |stores: &TestStores| {
        stores.inbound.receive(&stores.inbox, &text, at_second(60)).await.unwrap()
    };
    receive(&ledger.stores).await;
    let again = ledger.note("inbound message, redelivered", receive).await;
    assert!(matches!(again, Receipt::Duplicate(_)));
}

async fn sends(ledger: &mut Ledger) -> MessageId {
    let conversation = ledger.conversation(3).await;
    let ada = ada();
    let token = ledger.stores.acquire_lock(&conversation, &ada, at_second(5)).await.token;
    let given = Idempotency {
        principal: "staff-104217",
        route: "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages",
        key: "0d9c7f3e-5d6c-4f0a-9b7e-2f1d8c3b4a59",
        body: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };
    let reply = async |stores: &TestStores, words: &str, at, idempotency| {
        let message = stores.outbound(&number(3), words, &ada, at_second(at));
        // It comes in again between two replies, so that each reply moves the conversation to Archived.
        stores
            .update_conversation(
                &conversation,
                ConversationUpdate { folder: Some(Folder::Inbox), read: None },
                at_second(900),
            )
            .await;
        let guard = Guard::Reply { lock: Some((&ada.id, token)), seen: Some(&message.id) };
        let (answer, bill) = stores.cost(stores.accept(&message, guard, idempotency)).await;
        (answer, bill, message.id)
    };
    let long = "a".repeat(1500);
    for (operation, words, at, idempotency) in [
        ("reply", WORDS, 10, None),
        ("reply with idempotency key", WORDS, 11, Some(given)),
        ("reply of 1,500 characters", long.as_str(), 12, None),
    ] {
        let (answer, bill, _) = reply(&ledger.stores, words, at, idempotency).await;
        assert_eq!(answer, Accepted::Stored);
        ledger.lines.push((operation, bill));
    }
    let (answer, bill, _) = reply(&ledger.stores, WORDS, 600, None).await;
    assert!(matches!(answer, Accepted::Refused(_)));
    ledger.lines.push(("reply, refused", bill));
    let alone = Contact { assigned: None, ..contact(58) };
    ledger.stores.contacts.put(ledger.stores.inbox.team_key(), &alone).await.unwrap();
    let unassigned = ledger.conversation(58).await;
    let token = ledger.stores.acquire_lock(&unassigned, &ada, at_second(60)).await.token;
    let message = ledger.stores.outbound(&number(58), WORDS, &ada, at_second(61));
    let guard = Guard::Reply { lock: Some((&ada.id, token)), seen: Some(&message.id) };
    let alone =
        ledger.note("reply, no assigned user", async |stores| stores.accept(&message, guard, None).await);
    assert_eq!(alone.await, Accepted::Stored);
    let recall = async |stores: &TestStores| {
        stores.used_keys.get(stores.organization(), given, at_second(13)).await.unwrap()
    };
    ledger.note("look up an idempotency key", recall).await;
    let message = ledger.stores.outbound(&number(4), WORDS, &ada, at_second(14));
    let compose = async |stores: &TestStores| {
        let organization = stores.organization();
        let (known, guard): (Contact, _) = (contact(4), Guard::Compose { user: Some(&ada.id) });
        let wanted =
            Acceptance { organization, message: &message, contact: &known, guard, idempotency: None };
        stores.sends.accept(wanted).await.unwrap()
    };
    assert_eq!(ledger.note("compose, new conversation", compose).await, Accepted::Stored);
    message.id
}

async fn way_to_the_phone(ledger: &mut Ledger, message: &MessageId) {
    let entry = ledger.stores.outbox.overdue(at_second(600)).await.unwrap().pop().unwrap();
    ledger.note("delete an outbox item", async |stores| stores.outbox.remove(&entry).await.unwrap()).await;
    let claim = async |stores: &TestStores| {
        stores.messages.claim(stores.organization(), message, 1, at_second(15)).await.unwrap()
    };
    ledger.note("claim a message to send", claim).await;
    let report = async |stores: &TestStores, state, code: Option<&str>| {
        let detail =
            code.map(|_| "The number cannot receive texts: it is a landline or out of service.".to_owned());
        let report = Report { at: at_second(16), code: code.map(str::to_owned), detail };
        let carrier_id = Some("SM0123456789abcdef0123456789abcdef");
        stores.messages.report(stores.organization(), message, state, &report, carrier_id).await.unwrap()
    };
    ledger
        .note("record the outcome of a send", async |stores| report(stores, DeliveryState::Sent, None).await)
        .await;
    let failed = async |stores: &TestStores| report(stores, DeliveryState::Undelivered, Some("30006")).await;
    ledger.note("delivery report", failed).await;
    ledger.note("delivery report, repeated", failed).await;
    let conversation = message.conversation().unwrap();
    let mark = async |stores: &TestStores| {
        stores
            .conversations
            .mark_delivery(stores.conversation_key(&conversation), message, true)
            .await
            .unwrap();
    };
    ledger.note("show a failure in the lists", mark).await;
}

async fn reads(ledger: &mut Ledger) {
    let mut conversations = Vec::new();
    for place in 0..50 {
        conversations.push(ledger.conversation(place).await);
    }
    let first = conversations[0].clone();
    let get =
        async |stores: &TestStores| stores.conversations.get(stores.conversation_key(&first)).await.unwrap();
    ledger.note("read a conversation", get).await;
    let list =
        async |stores: &TestStores| stores.list(Folder::Inbox, &Filter::default(), 50, None).await.unwrap();
    assert_eq!(ledger.note("list page of 50", list).await.items.len(), 50);
    let wanted = [ledger.stores.inbox.id.clone()];
    let counted = ledger.stores.inboxes.with_teams(ledger.stores.organization(), &wanted, &[]).await.unwrap();
    let (inbox, counter) = counted.0[0].clone();
    let recount = async |stores: &TestStores| {
        stores
            .unread
            .recount(
                InboxKey { organization: stores.organization(), inbox: &inbox.id },
                counter,
                at_second(900),
            )
            .await
            .unwrap()
    };
    assert_eq!(ledger.note("recount 50 unread conversations", recount).await, 50);
    for conversation in &conversations[..5] {
        ledger.stores.acquire_lock(conversation, &ben(), at_second(100)).await;
    }
    ledger.note("list page of 50, five locked", list).await;
    for at in 101..125 {
        ledger.stores.receive(&number(0), WORDS, at_second(at)).await;
    }
    let history = async |stores: &TestStores| {
        stores.messages.history(stores.organization(), &first, 25, None).await.unwrap()
    };
    assert_eq!(ledger.note("history page of 25", history).await.items.len(), 25);
    let change = async |stores: &TestStores, seen: Conversation, change| {
        stores.conversations.change(stores.organization(), seen, change, at_second(900)).await.unwrap()
    };
    let seen = ledger.stores.stored_conversation(&first).await;
    let read = ConversationUpdate { folder: None, read: Some(true) };
    ledger.note("mark read", async |stores| change(stores, seen.clone(), read).await).await;
    let archived = ConversationUpdate { folder: Some(Folder::Archived), read: None };
    ledger.note("archive", async |stores| change(stores, seen.clone(), archived).await).await;
}

/// The same page through each filter, of contacts that are all assigned to one user.
async fn filtered_lists(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let team = &stores.inbox.team;
    let unassigned = Contact { assigned: None, ..contact(59) };
    stores.contacts.put(TeamKey { organization: stores.organization(), team }, &unassigned).await.unwrap();
    hear(stores, 59, 300).await;
    ledger
        .note("inbound message, unread conversation without assigned user", async |stores| {
            hear(stores, 59, 301).await;
        })
        .await;
    for place in 0..50 {
        let stores = &ledger.stores;
        let known = Contact { assigned: Some(ada()), ..contact(place) };
        stores.contacts.put(stores.inbox.team_key(), &known).await.unwrap();
        hear(stores, place, 400 + place as u64).await;
    }
    let page = async |stores: &TestStores, assigned: Option<UserRef>, read| {
        let filter = Filter { assigned: assigned.map(|user| user.id), read };
        stores.list(Folder::Inbox, &filter, 50, None).await.unwrap().items.len()
    };
    let lists = [
        ("list page of 50, unread", None, Some(false)),
        ("list page of 50, assigned", Some(ada()), None),
        ("list page of 50, assigned and unread", Some(ada()), Some(false)),
    ];
    for (operation, user, read) in lists {
        assert_eq!(ledger.note(operation, async |stores| page(stores, user.clone(), read).await).await, 50);
    }
    let all: Vec<_> = (0..50).map(|place| ledger.stores.conversation_id(&number(place))).collect();
    let read = ConversationUpdate { folder: None, read: Some(true) };
    let stores = &ledger.stores;
    stores.conversations.change_many(stores.inbox.key(), &all, read, at_second(900)).await.unwrap();
    let operation = "list page of 50, read";
    assert_eq!(ledger.note(operation, async |stores| page(stores, None, Some(true)).await).await, 50);
}

/// A user of three teams who is a member of so many inboxes, read as `GET /v1/me` reads.
async fn home(ledger: &mut Ledger, inboxes: usize, [query, batch]: [&'static str; 2]) {
    let stores = &ledger.stores;
    let organization = stores.organization();
    stores.members.put_user(organization, &user(&cleo())).await.unwrap();
    for place in 0..3 {
        let team = Team {
            id: TeamId::new(at_second(0), 33 + place),
            ..team_with_registration(RegistrationStatus::Approved)
        };
        stores.teams.put(organization, &team).await.unwrap();
        let role = TeamRole { team: team.id, role: Role::Member };
        stores.team_members.put_role(organization, &user(&cleo()), &role).await.unwrap();
    }
    for place in 0..inboxes {
        let inbox = Inbox { team: TeamId::new(at_second(0), 33 + place as u64 % 3), ..other_inbox(place) };
        stores.inboxes.put(&inbox).await.unwrap();
        stores.members.put(organization, &membership(&inbox, &cleo())).await.unwrap();
    }
    let read =
        async |stores: &TestStores| stores.members.profile(stores.organization(), &cleo().id).await.unwrap();
    let home: UserProfile = ledger.note(query, read).await.unwrap();
    assert_eq!((home.teams.len(), home.inboxes.len()), (3, inboxes));
    let wanted: Vec<InboxId> = home.inboxes.into_iter().map(|of_user| of_user.inbox).collect();
    let teams: Vec<TeamId> = home.teams.into_iter().map(|role| role.team).collect();
    let read = async |stores: &TestStores| {
        stores.inboxes.with_teams(stores.organization(), &wanted, &teams).await.unwrap()
    };
    let (found, teams) = ledger.note(batch, read).await;
    assert_eq!((found.len(), teams.len()), (inboxes, 3));
}

async fn new_inbox(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let (organization, team) =
        (stores.organization(), team_with_registration(RegistrationStatus::NotStarted));
    stores.teams.put(organization, &team).await.unwrap();
    stores.members.put_user(organization, &user(&ada())).await.unwrap();
    let role = TeamRole { team: team.id.clone(), role: Role::Admin };
    stores.team_members.put_role(organization, &user(&ada()), &role).await.unwrap();
    let standing = async |stores: &TestStores| {
        stores
            .members
            .user_in_team(TeamKey { organization: stores.organization(), team: &team.id }, &ada().id)
            .await
            .unwrap()
    };
    assert!(ledger.note("check a role in a team", standing).await.unwrap().manages());
    let key = Idempotency {
        principal: "staff-104217",
        route: "inbox",
        key: "0d9c7f3e-5d6c-4f0a-9b7e-2f1d8c3b4a59",
        body: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };
    for (operation, place, key) in
        [("reserve an inbox", 100, None), ("reserve an inbox, with idempotency key", 101, Some(key))]
    {
        let reserve = async |stores: &TestStores| {
            stores.new_inboxes.reserve(&new(place), key, at_second(0)).await.unwrap()
        };
        assert_eq!(ledger.note(operation, reserve).await, Reserved::Done);
    }
    let opening = registrations::step("begun", RegistrationStatus::Pending, at_second(1));
    for (operation, place, opening) in [
        ("complete an inbox and start the registration", 100, Some(&opening)),
        ("complete an inbox", 101, None),
    ] {
        let inbox = new(place);
        let complete = async |stores: &TestStores| {
            let (ada, sid) = (ada(), "PN0123456789abcdef0123456789abcdef");
            let audit_event = audit_event(&ada, "inbox.create", inbox.id.as_str(), at_second(1));
            let first = [membership(&inbox, &ada)];
            stores.new_inboxes.complete(&inbox, sid, &first, opening, &audit_event).await.unwrap()
        };
        assert_eq!(ledger.note(operation, complete).await, Completed::Done);
    }
}

/// An inbox whose number is to be bought.
fn new(place: usize) -> Inbox {
    Inbox { stage: Stage::Creating, creator: Some(ada().id), ..other_inbox(place) }
}

async fn contacts(ledger: &mut Ledger) {
    let new = ContactEntry { contact: contact(70), custom: BTreeMap::new(), version: 1 };
    let mut renamed = ContactEntry { version: 2, ..new.clone() };
    renamed.contact.last_name = Some("Featherstonehaugh".into());
    for (operation, before, after) in
        [("create a contact", None, &new), ("rename a contact", Some(&new), &renamed)]
    {
        let write = async |stores: &TestStores| {
            stores.contacts.write(stores.inbox.team_key(), before, after, None).await.unwrap()
        };
        assert_eq!(ledger.note(operation, write).await, ContactWrite::Done);
    }
    for place in [200, 201] {
        ledger.stores.inboxes.put(&other_inbox(place)).await.unwrap();
    }
    hear(&ledger.stores, 5, 60).await;
    let text = inbound_text(&number(5), "SM5", WORDS);
    ledger.stores.inbound.receive(&other_inbox(200), &text, at_second(61)).await.unwrap();
    let renamed = Contact { last_name: Some("Featherstonehaugh".into()), ..contact(5) };
    let spread = async |stores: &TestStores| {
        stores.contacts.sync_copies(stores.inbox.team_key(), &renamed).await.unwrap()
    };
    assert_eq!(ledger.note("update a contact's copies, 3 inboxes and 2 conversations", spread).await, 2);
}

async fn opt_outs(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let (known, inbox) = (contact(5), stores.inbox.clone());
    let subject = OptOutSubject::of(&inbox, &known.number);
    let answer = |at| {
        let text = stores.outbound(&known.number, WORDS, &ada(), at_second(at));
        Message { sender: None, automatic: true, bypass_opt_out: true, ..text }
    };
    let (away, confirmation) = (answer(62), answer(64));
    let stop = stores.receive(&known.number, "STOP", at_second(63)).await;
    let period = ClosedPeriod { id: "auto-1800000000000".into(), since: at_second(0), until: None };
    let given = async |stores: &TestStores| {
        stores.out_of_office.answer(stores.organization(), &period, &away).await.unwrap()
    };
    assert!(ledger.note("out-of-office message", given).await);
    let before = ledger.stores.opt_outs.get(&subject).await.unwrap();
    let KeywordDecision::Keyword { change: Some(change), .. } =
        opt_out::after_keyword(&before.state, Keyword::Stop, false, KeywordReplies::Product, false)
    else {
        panic!("STOP changes nothing")
    };
    let entry = change.entry(&subject, known.id.clone(), Some(stop.clone()), None, at_second(63));
    let recorded = OptOutWrite {
        team: &inbox.team,
        contact: &known,
        entry: &entry,
        inbox: Some(&inbox.id),
        confirmation: Some(&confirmation),
        notify: false,
    };
    let record = async |stores: &TestStores| {
        stores.opt_outs.record(&subject, &before, &change, recorded).await.unwrap()
    };
    assert!(ledger.note("opt-out by keyword with confirmation", record).await);
    let out = ledger.stores.opt_outs.get(&subject).await.unwrap();
    let note = async |stores: &TestStores| {
        stores.opt_outs.record_message(&subject, &out, &confirmation.id).await.unwrap()
    };
    assert!(ledger.note("keyword without effect", note).await);
    let personal = OptOutSubject { scope: Scope::Personal, ..subject.clone() };
    for (operation, subjects) in [
        ("check the opt-out before a send", &[subject.clone()][..]),
        ("check the opt-outs before a send, personal inbox", &[subject.clone(), personal][..]),
    ] {
        let ask = async |stores: &TestStores| stores.opt_outs.any_out(subjects).await.unwrap();
        assert!(ledger.note(operation, ask).await);
    }
}

async fn reviews(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let (organization, inbox) = (stores.organization().clone(), stores.inbox.clone());
    let unknown_contact =
        MailingPreference { enabled: true, recipients: vec!["desk@college.example".into()] };
    let settings = NotificationSettings { unknown_contact, ..NotificationSettings::default() };
    let ada = ada();
    let audit_event = audit_event(&ada, "notifications.edit", "team", at_second(0));
    stores
        .teams
        .put_notification_settings(
            TeamKey { organization: &organization, team: &inbox.team },
            &settings,
            &audit_event,
        )
        .await
        .unwrap();
    let operation = "inbound message, first of an unknown number, with notification";
    ledger.note(operation, async |stores| hear(stores, 998, 70).await).await;
    let place = TeamInboxKey { organization: &organization, team: &inbox.team, inbox: &inbox.id };
    let mut texts = Vec::new();
    for who in 20..45 {
        let text = ledger.stores.receive(&number(who), WORDS, at_second(100 + who as u64)).await;
        let open_review = async |stores: &TestStores| {
            stores.reviews.open_review(place, &text, &number(who), WORDS).await.unwrap()
        };
        if who == 20 {
            assert!(ledger.note("open a review", open_review).await);
            assert!(!ledger.note("open a review, repeated", open_review).await);
        } else {
            assert!(open_review(&ledger.stores).await);
        }
        texts.push(text);
    }
    let open = async |stores: &TestStores| stores.reviews.open(place, 25, None).await.unwrap();
    assert_eq!(ledger.note("open reviews, page of 25", open).await.items.len(), 25);
    let get = async |stores: &TestStores, place: TeamInboxKey<'_>, text: &MessageId| {
        stores.reviews.get(place, &ReviewId::of(text)).await.unwrap().unwrap().review
    };
    let review = ledger
        .note("read a review and its contact", async |stores| get(stores, place, &texts[0]).await)
        .await;
    let decided = ReviewResolution { verdict: ReviewOutcome::Dismissed, by: ada.clone(), at: at_second(200) };
    let end = async |stores: &TestStores| stores.reviews.resolve(place, &review, &decided).await.unwrap();
    assert!(ledger.note("dismiss a review", end).await);
    let (review, known) = (get(&ledger.stores, place, &texts[1]).await, contact(21));
    let subject = OptOutSubject::of_team(&organization, &inbox.team, &known.number);
    let before = ledger.stores.opt_outs.get(&subject).await.unwrap();
    let change = opt_out::after_user(&before.state, true).unwrap();
    let (text, by) = (Some(texts[1].clone()), Some(ada.id.clone()));
    let entry = change.entry(&subject, known.id.clone(), text, by, at_second(200));
    let with = OptOutWrite {
        team: &inbox.team,
        contact: &known,
        entry: &entry,
        inbox: None,
        confirmation: None,
        notify: false,
    };
    let decided = ReviewResolution { verdict: ReviewOutcome::OptedOut, ..decided };
    let opt_out = async |stores: &TestStores| {
        let (decision, state) = ((&review, &decided), (&before, &change));
        stores.reviews.resolve_with_opt_out(place, decision, &subject, state, with).await.unwrap()
    };
    assert!(ledger.note("resolve a review with an opt-out", opt_out).await);
}

async fn files(ledger: &mut Ledger) {
    let address = "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages/\
         MM0123456789abcdef0123456789abcdef/Media/ME0123456789abcdef0123456789abcdef";
    let file = |state: MediaState| {
        let (id, content_type) = (MediaId::of_inbound("MM1", 0), Some("image/jpeg".into()));
        Media { id, content_type, state }
    };
    let pending = file(MediaState::Pending { source: address.into() });
    let text = InboundText { media: vec![pending], ..inbound_text(&number(7), "MM1", "Look") };
    let received = ledger.stores.inbound.receive(&ledger.stores.inbox, &text, at_second(900)).await;
    let Receipt::Stored(message) = received.unwrap() else { panic!("it came in before") };
    let organization = ledger.stores.organization().clone();
    let waiting = PendingMedia { organization: organization.clone(), message, files: 1, at: at_second(900) };
    let files = |stores: &TestStores| stores.media_files.clone();
    let leave = async |stores: &TestStores| files(stores).enqueue(&waiting).await.unwrap();
    ledger.note("queue the media of a message", leave).await;
    let (job, stored) = (waiting.jobs().remove(0), file(MediaState::Stored { size: 123_456 }));
    let settle = async |stores: &TestStores| files(stores).resolve(&job, &stored).await.unwrap();
    assert!(ledger.note("record the outcome of a media file", settle).await);
}

async fn templates(ledger: &mut Ledger) {
    let templates = |stores: &TestStores| stores.templates.clone();
    let response = |name: &str| {
        let text = "Hi {{firstName|there}}, the office is open from nine to five. {{senderName}}";
        Template::parse(TemplateId::parse("tpl_01KB5Q8Z7M4T9XRA").unwrap(), name, text).unwrap()
    };
    let write = async |stores: &TestStores, before: Option<&Versioned<Template>>, name: &str| {
        let wanted = response(name);
        let done = templates(stores).write(stores.inbox.team_key(), before, &wanted, None).await;
        assert_eq!(done.unwrap(), template::TemplateWrite::Done);
    };
    let read = async |stores: &TestStores| {
        let id = response("x").id;
        templates(stores).get(stores.inbox.team_key(), &id).await.unwrap().unwrap()
    };
    ledger.note("create a template", async |stores| write(stores, None, "Office hours").await).await;
    let made = ledger.note("read a template", async |stores| read(stores).await).await;
    ledger.note("change a template", async |stores| write(stores, Some(&made), "Office hours").await).await;
    let made = read(&ledger.stores).await;
    ledger.note("rename a template", async |stores| write(stores, Some(&made), "Opening times").await).await;
}

async fn registration(ledger: &mut Ledger) {
    let stores = &ledger.stores;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let service = "MG0123456789abcdef0123456789abcdef";
    stores.registrations.remember_service(TeamKey { organization, team }, service).await.unwrap();
    registrations::submit(stores, at_second(2)).await;
    let reasons = [CarrierReason {
        code: 30_909,
        detail: "The campaign's call to action does not say how people agree to be texted.".into(),
    }];
    for (operation, to, reasons, at) in [
        ("approve a registration", RegistrationStatus::Approved, &[][..], 3),
        ("suspend a registration", RegistrationStatus::Suspended, &reasons[..], 4),
    ] {
        let step = registrations::step("EZ0123456789abcdef0123456789abcdef", to, at_second(at));
        let from = ledger.stores.registrations.get(ledger.stores.inbox.team_key()).await;
        let from = from.unwrap();
        let turn = async |stores: &TestStores| {
            let turn =
                Transition { to, as_of: step.at, reasons, step: &step, admins: vec![ada().id, cleo().id] };
            stores.registrations.transition(stores.inbox.team_key(), &from, turn).await.unwrap()
        };
        assert!(ledger.note(operation, turn).await);
    }
}

async fn imports(ledger: &mut Ledger) {
    let store = |stores: &TestStores| Imports::new(stores.metered_table());
    let batches = |stores: &TestStores| Contacts::new(stores.metered_table());
    let mut import = imports::asked(&ledger.stores, "imp_01KB5Q8Z7M4T9XRA");
    let (person, id) = (ada(), import.id.to_string());
    let audit_event = audit_event(&person, "contacts.import", &id, at_second(70));
    let ask = async |stores: &TestStores| store(stores).create(&import, &audit_event, None).await.unwrap();
    assert!(ledger.note("create an import", ask).await);
    let turn = async |stores: &TestStores| {
        store(stores).take_turn(&import, 1, at_second(70), at_second(200)).await.unwrap()
    };
    assert_eq!(ledger.note("claim an import", turn).await, ImportTurn::Mine);
    let new: Vec<ContactEntry> = (300..400)
        .map(|place| ContactEntry { contact: contact(place), custom: BTreeMap::new(), version: 1 })
        .collect();
    let ids = new.iter().filter_map(|entry| entry.contact.external_id.as_deref()).collect();
    let numbers = new.iter().map(|entry| &entry.contact.number).collect();
    let look_up = async |stores: &TestStores| {
        let of = stores.inbox.team_key();
        batches(stores).look_up(of, &ids, &numbers).await.unwrap()
    };
    assert!(ledger.note("look up 100 rows, all new", look_up).await.contacts.is_empty());
    imports::begin(&mut import);
    let begun = ledger.stores.metered_table();
    let (advanced, bill) = ledger.stores.cost(Imports::new(begun).advance(&mut import, &[])).await;
    assert!(advanced.unwrap());
    ledger.lines.push(("begin a chunk", bill));
    let create = async |stores: &TestStores| {
        let of = stores.inbox.team_key();
        batches(stores).create_many(of, &new.iter().collect::<Vec<_>>()).await.unwrap();
    };
    ledger.note("create 100 contacts", create).await;
    assert_eq!(ledger.note("look up 100 rows, all known", look_up).await.contacts.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_costs_what_the_budget_says() {
    let mut ledger = Ledger::open().await;
    access_check(&mut ledger).await;
    locks(&mut ledger).await;
    inbound(&mut ledger).await;
    inbound_first_and_again(&mut ledger).await;
    let message = sends(&mut ledger).await;
    way_to_the_phone(&mut ledger, &message).await;
    let mut list = Ledger { lines: ledger.lines, ..Ledger::open().await };
    reads(&mut list).await;
    let mut list = Ledger { lines: list.lines, ..Ledger::open().await };
    filtered_lists(&mut list).await;
    home(&mut list, 3, ["read a user with 3 inboxes", "read 3 inboxes and 3 teams"]).await;
    home(&mut list, 30, ["read a user with 30 inboxes", "read 30 inboxes and 3 teams"]).await;
    new_inbox(&mut list).await;
    registration(&mut list).await;
    let mut people = Ledger { lines: list.lines, ..Ledger::open().await };
    contacts(&mut people).await;
    opt_outs(&mut people).await;
    reviews(&mut people).await;
    files(&mut people).await;
    templates(&mut people).await;
    imports(&mut people).await;
    let list = people;
    let bill = |&(operation, requests, read, write): &_| (operation, Bill::new(requests, read, write));
    let budget: Vec<(&str, Bill)> = BUDGET.iter().map(bill).collect();
    assert_eq!(list.lines, budget);
    assert_block("ARCHITECTURE.md", "operations", &table(&list.lines));
}

fn table(lines: &[(&str, Bill)]) -> String {
    let head = "| Operation | Requests | Read units | Write units |\n|---|---|---|---|\n".to_owned();
    lines.iter().fold(head, |table, (operation, bill)| table + &format!("| {operation} {bill}\n"))
}
