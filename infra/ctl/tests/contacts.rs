//! Export and erasure of one contact, against a table and a bucket in this process.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use inboxctl::{
    Error, Operator,
    contact::{self, ContactSelection, ErasedContact, ErasureRequest},
    dead_letters::{NamedQueue, QueueName},
    organization::{self, NewOrganization},
    team::{self, Hold, HoldChange, HoldView},
};
use serde_json::{Value, json};
use shared_app::{
    contact_erasure::{ContactErasure, Erased},
    inbound::InboundWorkflow,
};
use shared_aws::{
    broadcast::{Broadcasts, NewRecipient, PreparedCounts, Recipients, reference},
    contact::{ContactEntry, Contacts},
    event::EventLog,
    inbox::Inboxes,
    messaging::{Inbound, InboundText, Receipt, stored_at},
    opt_out::OptOuts,
    segment::Segments,
    table::Table,
    team::{AuditEvent, Teams},
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    audience::{AudienceSegment, SegmentKind},
    broadcast::{Audience, Broadcast, BroadcastStatus, RecipientState},
    contact::Contact,
    event::{EventScope, EventType, NewEvent},
    ids::{
        BroadcastId, ContactId, ConversationId, EventId, InboxId, MediaId, OrganizationId, SegmentId, TeamId,
        WebhookEndpointId,
    },
    inbox::{Inbox, InboxKind},
    media::{Media, MediaState},
    opt_out::{KeywordReplies, OptOutSubject},
    phone::PhoneNumber,
    team::Team,
    time::Timestamp,
    webhook::{
        delivery::Delivery,
        endpoint::{EndpointScope, TypePattern, WebhookEndpoint},
        health::Health,
        signature::{EndpointSecrets, Secret},
    },
};
use test_kit::{build, dead_letter_queues::FakeDeadLetterQueues, engine::Engine, s3::FakeS3};

/// What identifies the contacts with the number, and what they wrote.
const SECRETS: [&str; 8] = [
    "2025550143",
    "Maximiliana",
    "Featherstone",
    "maximiliana",
    "S-2026-000001",
    "Ravenna",
    "purple umbrella",
    "stop texting me",
];
const STRANGER: &str = "+12025550199";

struct TestStack {
    engine: Engine,
    s3: FakeS3,
    queues: FakeDeadLetterQueues,
}

impl TestStack {
    /// Creates an organization with a shared and a personal inbox, in which a contact left everything that a
    /// contact can leave, and another contact wrote one message.
    async fn start() -> Self {
        let (engine, s3) = (Engine::start().await, FakeS3::start().await);
        let stack = Self { engine, s3, queues: FakeDeadLetterQueues::start().await };
        let new = NewOrganization {
            name: "Clinic".into(),
            owner_name: "Olivia Owens".into(),
            owner_email: "olivia@clinic.example".into(),
            owner_id: None,
            id: Some("org_1".into()),
            no_invitation: true,
        };
        organization::create(&stack.operator(1), &new).await.unwrap();
        Teams::new(stack.table()).put(&organization_id(), &build::team()).await.unwrap();
        for inbox in inboxes() {
            Inboxes::new(stack.table()).put(&inbox).await.unwrap();
        }
        stack.fill().await;
        stack
    }

    fn table(&self) -> Table {
        self.engine.table()
    }

    fn operator(&self, entropy: u64) -> Operator {
        Operator::new(self.table(), None, now(), entropy)
    }

    fn named_queues(&self) -> Vec<NamedQueue> {
        vec![NamedQueue { name: QueueName::Send, queue: self.queues.client("send"), texts: None }]
    }

    async fn fill(&self) {
        let contacts = Contacts::new(self.table());
        let second = Contact {
            id: ContactId::new(now(), 2),
            external_id: None,
            first_name: Some("Ravenna".into()),
            ..build::contact()
        };
        let ids = [build::contact().id, second.id.clone(), ContactId::new(now(), 3)];
        for contact in [build::contact(), second] {
            let entry = ContactEntry { version: 0, ..ContactEntry::new(contact) };
            contacts.write(build::inbox().team_key(), None, &entry, None).await.unwrap();
        }
        let segment = AudienceSegment {
            id: segment_id(),
            name: "Regulars".into(),
            kind: SegmentKind::Static,
            count: 3,
            complete: true,
            counted_at: now(),
        };
        let segments = Segments::new(self.table());
        let _ = segments.write(build::inbox().team_key(), None, &segment, None).await.unwrap();
        segments.add_contacts(&organization_id(), &segment.id, &ids).await.unwrap();
        let [shared, personal] = inboxes();
        self.add_broadcasts(&shared, &ids[0]).await;
        self.take_in(&shared, &text("SM1", "I lost my purple umbrella")).await;
        self.take_in(&shared, &text("SM2", "Could you stop texting me please")).await;
        self.take_in(&personal, &text("SM3", "The purple umbrella, again")).await;
        let media = Media {
            id: MediaId::of_inbound("SM4", 0),
            copy: None,
            content_type: Some("image/png".into()),
            state: MediaState::Pending { source: "https://carrier.example/SM4".into() },
        };
        self.s3.put(&stored_at(shared.key(), &media), "image/png", b"a purple umbrella");
        self.take_in(&shared, &InboundText { media: vec![media], ..text("SM4", "purple umbrella") }).await;
        self.s3.put("imports/org_1/team_1/imp_1.csv", "text/csv", b"Maximiliana,(202) 555-0143");
        self.take_in(&shared, &text("SM5", "STOP")).await;
        let stranger = build::inbound_text(&build::number(STRANGER), "SM9", "Hello");
        self.take_in(&shared, &stranger).await;
        self.append_events(&shared).await;
        self.add_deliveries(&shared).await;
        let about = ConversationId::of(&shared.id, &number());
        let job = json!({ "organizationId": "org_1", "messageId": message_id_in(&about) });
        self.queues.push("dead-send", "s-1", &job.to_string());
        self.queues.push("dead-send", "s-2", r#"{"organizationId":"org_1","messageId":"msg_1"}"#);
    }

    /// Adds a draft that names the contact and the number, and a running broadcast to the number and a
    /// stranger.
    async fn add_broadcasts(&self, inbox: &Inbox, contact: &ContactId) {
        let (broadcasts, recipients) = (Broadcasts::new(self.table()), Recipients::new(self.table()));
        let ada = build::user_ref("ada", "Ada");
        let audience =
            Audience { contacts: vec![contact.clone()], numbers: vec![number()], ..Audience::default() };
        let draft = Broadcast { audience, ..build::broadcast(inbox, &ada) };
        let running = Broadcast { id: running_id(), ..build::broadcast(inbox, &ada) };
        for (entropy, broadcast) in (0..).zip([&draft, &running]) {
            let (actor, action, target) = (&ada.id, "broadcast.create", broadcast.id.as_str());
            let event = AuditEvent { actor, action, target, at: now(), entropy };
            let _ = broadcasts.create(broadcast, &event, None).await.unwrap();
        }
        let before = broadcasts.find(&organization_id(), &running.id).await.unwrap().unwrap();
        let running = Broadcast { status: BroadcastStatus::Running, preparation: 1, ..running };
        let new = |number, text: Option<&str>| NewRecipient {
            number,
            contact: None,
            text: text.map(str::to_owned),
            outcome: Ok(now()),
        };
        let all = [new(number(), Some("Hi Ravenna Featherstone")), new(build::number(STRANGER), None)];
        let mut counts = PreparedCounts::default();
        for recipient in &all {
            counts.add(recipient, now());
        }
        recipients.put_many(&organization_id(), &reference(&running), &all, now()).await.unwrap();
        let _ = recipients.start(&before, &running, &counts, Some(now())).await.unwrap();
    }

    async fn append_events(&self, inbox: &Inbox) {
        let log = EventLog::new(self.table());
        let of_inbox =
            EventScope::Inbox { organization: inbox.organization.clone(), inbox: inbox.id.clone() };
        let of_team = EventScope::Team { organization: inbox.organization.clone(), team: inbox.team.clone() };
        let event = |record: &str, scope: &EventScope, conversation, data: Value| NewEvent {
            id: EventId::of_record(record, 0),
            kind: EventType::MessageCreated,
            at: now(),
            scope: scope.clone(),
            team: None,
            conversation,
            message: None,
            data: data.to_string(),
        };
        let about = |from: &PhoneNumber| Some(ConversationId::of(&inbox.id, from));
        let events = [
            event("1", &of_inbox, about(&number()), json!({ "text": "purple umbrella" })),
            event("2", &of_inbox, about(&build::number(STRANGER)), json!({ "text": "Hello" })),
        ];
        assert!(log.append(&of_inbox, &events, now()).await.failure.is_none());
        let data = json!({ "mobileNumber": number().as_str(), "firstName": "Maximiliana" });
        let events = [event("3", &of_team, None, data)];
        assert!(log.append(&of_team, &events, now()).await.failure.is_none());
    }

    /// Adds a webhook endpoint with a delivery about each of the two contacts.
    async fn add_deliveries(&self, inbox: &Inbox) {
        let endpoint = WebhookEndpoint {
            id: WebhookEndpointId::parse("wep_1").unwrap(),
            url: "https://receiver.example/hook".into(),
            types: vec![TypePattern::parse("message.*").unwrap()],
            scope: EndpointScope::Organization,
            inboxes: Vec::new(),
            description: None,
            disabled: None,
            secrets: EndpointSecrets::single(Secret::new([1; 32])),
            health: Health::default(),
            created_by: build::user_id("olivia"),
            created_at: now(),
        };
        let (endpoints, deliveries) =
            (WebhookEndpoints::new(self.table()), WebhookDeliveries::new(self.table()));
        let actor = build::user_id("olivia");
        let event =
            AuditEvent { actor: &actor, action: "webhook.create", target: "wep_1", at: now(), entropy: 9 };
        endpoints.create(&organization_id(), &endpoint, &event, None).await.unwrap();
        for (record, from, text) in
            [("1", number(), "purple umbrella"), ("2", build::number(STRANGER), "Hello")]
        {
            let conversation = ConversationId::of(&inbox.id, &from);
            let body = json!({ "conversationId": conversation.as_str(), "text": text }).to_string();
            let event = EventId::of_record(record, 0);
            let delivery =
                Delivery::new(&endpoint.id, &organization_id(), event, "message.created", body, now());
            assert!(deliveries.create(&delivery).await.unwrap());
        }
    }

    async fn take_in(&self, inbox: &Inbox, text: &InboundText) {
        let workflow = InboundWorkflow::new(&self.table(), KeywordReplies::Product);
        workflow.take_in(now(), 7, now(), inbox, text, None).await.unwrap();
    }

    async fn erase(&self) -> Result<ErasedContact, Error> {
        let request = ErasureRequest { contact: selection(), yes: true };
        let bucket = self.s3.bucket();
        contact::erase(&self.operator(2), &bucket, &self.named_queues(), &request, now, || false, async || {})
            .await
    }

    async fn hold(&self, change: HoldChange) -> Result<HoldView, Error> {
        let team = build::team().id.to_string();
        team::hold(&self.operator(3), &Hold { change, organization: "org_1".into(), team }).await
    }

    /// Returns all items and files, as text.
    async fn content(&self) -> Vec<String> {
        let items = self.engine.items().await.into_iter().map(|(key, item)| format!("{key} {item}"));
        let file = |(key, (_, content)): (String, (String, _))| format!("{key} {content:?}");
        items.chain(self.s3.objects().into_iter().map(file)).collect()
    }

    /// Returns what still identifies the contact.
    async fn remains(&self) -> Vec<String> {
        let mut content = self.content().await;
        content.retain(|text| SECRETS.iter().any(|secret| text.contains(secret)));
        content
    }

    async fn is_opted_out(&self) -> bool {
        let subject = OptOutSubject::of(&build::inbox(), &number());
        OptOuts::new(self.table()).get(&subject).await.unwrap().state.is_out()
    }
}

fn running_id() -> BroadcastId {
    BroadcastId::parse("bct_2").unwrap()
}

fn segment_id() -> SegmentId {
    SegmentId::parse("seg_1").unwrap()
}

fn organization_id() -> OrganizationId {
    build::organization_id("org_1")
}

fn number() -> PhoneNumber {
    build::number(build::CONTACT_NUMBER)
}

fn inboxes() -> [Inbox; 2] {
    let personal = Inbox {
        id: build::inbox_id("inb_2"),
        kind: InboxKind::Personal,
        number: build::number("+12025550101"),
        api_code: "OLIVIA".into(),
        ..build::inbox()
    };
    [build::inbox(), personal]
}

fn text(carrier_id: &str, text: &str) -> InboundText {
    build::inbound_text(&number(), carrier_id, text)
}

fn message_id_in(conversation: &ConversationId) -> String {
    shared_domain::ids::MessageId::in_conversation(conversation, now(), 5).to_string()
}

fn selection() -> ContactSelection {
    ContactSelection { organization: "org_1".into(), number: "(202) 555-0143".into() }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_leaves_nothing_of_the_contact_but_a_hashed_opt_out() {
    let stack = TestStack::start().await;
    for secret in SECRETS {
        assert!(stack.content().await.iter().any(|text| text.contains(secret)), "{secret} is not stored");
    }
    let erased = stack.erase().await.unwrap();
    let expected = ErasedContact {
        organization_id: "org_1".into(),
        contacts: 2,
        conversations: 2,
        messages: 6,
        files: 2,
        reviews: 1,
        opt_out_changes: 1,
        events: 2,
        webhook_deliveries: 1,
        broadcasts: 2,
        dead_letters: 1,
        opted_out: true,
    };
    assert_eq!(erased, expected);
    assert_eq!(stack.remains().await, [""; 0]);
    let segments = Segments::new(stack.table());
    let left = segments.contacts(&organization_id(), &segment_id(), None).await.unwrap().items;
    assert_eq!(left, [ContactId::new(now(), 3)], "other contacts stay");
    let running =
        Broadcasts::new(stack.table()).find(&organization_id(), &running_id()).await.unwrap().unwrap();
    let recipients = Recipients::new(stack.table());
    let progress = recipients.progress(&organization_id(), &reference(&running.value)).await.unwrap();
    let (pending, skipped) = (RecipientState::Pending, RecipientState::Skipped);
    assert_eq!([progress.count(pending), progress.count(skipped), progress.total()], [1, 1, 2]);
    assert!(stack.is_opted_out().await);
    assert_eq!(stack.queues.bodies("dead-send").len(), 1, "other queue messages stay");
    let audited = stack.content().await.into_iter().filter(|item| item.contains("contact.erase")).count();
    assert_eq!(audited, 1);
}

/// A FIFO queue returns ten messages of a group at a time.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_discards_all_queue_messages_of_a_conversation() {
    let stack = TestStack::start().await;
    let about = ConversationId::of(&build::inbox().id, &number());
    let job = json!({ "organizationId": "org_1", "messageId": message_id_in(&about) }).to_string();
    for place in 10..22 {
        stack.queues.push_to_group("dead-send", about.as_str(), &format!("s-{place}"), &job);
    }
    assert_eq!(stack.erase().await.unwrap().dead_letters, 13);
    assert_eq!(stack.queues.bodies("dead-send").len(), 1, "other queue messages stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_erasure_changes_nothing() {
    let stack = TestStack::start().await;
    stack.erase().await.unwrap();
    let content = stack.content().await;
    let again = stack.erase().await.unwrap();
    assert_eq!((again.messages, again.contacts, again.events, again.opted_out), (0, 0, 0, true));
    assert_eq!(stack.content().await, content);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_contacts_keep_everything() {
    let stack = TestStack::start().await;
    stack.erase().await.unwrap();
    let stranger = ContactSelection { number: STRANGER.into(), ..selection() };
    let exported = contact::export(&stack.operator(3), &stack.s3.bucket(), &stranger).await.unwrap();
    let exported = json!(exported);
    let conversation = &exported["teams"][0]["conversations"][0];
    assert_eq!(conversation["messages"][0]["text"], "Hello");
    assert_eq!(conversation["conversation"]["contact"]["phoneNumber"], STRANGER);
    let page = EventLog::new(stack.table());
    let scope = EventScope::Inbox { organization: organization_id(), inbox: build::inbox().id };
    let events = page.after(&scope, 0, 10).await.unwrap();
    let data: Vec<_> = events.iter().map(|event| event.event.data.as_str()).collect();
    assert_eq!(data, ["{}", r#"{"text":"Hello"}"#], "erased events keep their numbers");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_message_is_not_stored_again_and_a_new_message_begins_a_new_conversation() {
    let stack = TestStack::start().await;
    stack.erase().await.unwrap();
    let (inbound, inbox) = (Inbound::new(stack.table()), build::inbox());
    let erased = text("SM1", "I lost my purple umbrella");
    assert_eq!(inbound.complete(&inbox, &[&erased]).await.unwrap(), [true], "the sweep skips it");
    assert_eq!(inbound.receive(&inbox, &erased, now()).await.unwrap().0, Receipt::Erased);
    stack.take_in(&inbox, &text("SM5", "STOP")).await;
    assert_eq!(stack.remains().await, [""; 0]);

    stack.take_in(&inbox, &text("SM6", "It is me")).await;
    let shown = Contacts::new(stack.table()).by_number(inbox.team_key(), &number()).await.unwrap().unwrap();
    assert!(shown.provisional && shown.opted_out, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_after_the_erasure_ends_the_opt_out() {
    let stack = TestStack::start().await;
    stack.erase().await.unwrap();
    stack.take_in(&build::inbox(), &text("SM7", "START")).await;
    assert!(!stack.is_opted_out().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_killed_after_any_request_is_completed_by_the_next_one() {
    let mut requests = 0;
    loop {
        let stack = TestStack::start().await;
        let erasure = ContactErasure::new(&stack.engine.crashing_table(requests), stack.s3.bucket());
        let killed = erasure.erase(&organization_id(), &number(), now, async || {}).await;
        let is_over = killed.is_ok();
        stack.erase().await.unwrap();
        assert_eq!(stack.remains().await, [""; 0], "killed after {requests} requests");
        assert!(stack.is_opted_out().await, "killed after {requests} requests");
        if is_over {
            assert!(requests > 40, "{requests}");
            break;
        }
        requests += 1 + requests / 12;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_stored_during_the_erasure_are_found_by_its_next_pass() {
    let stack = TestStack::start().await;
    let erasure = ContactErasure::new(&stack.table(), stack.s3.bucket());
    let stored = std::cell::Cell::new(false);
    let late = async || {
        if !stored.replace(true) {
            let data = json!({ "mobileNumber": number().as_str(), "removed": true }).to_string();
            let scope = EventScope::Team { organization: organization_id(), team: build::team().id };
            let event = NewEvent {
                id: EventId::of_record("late", 0),
                kind: EventType::ContactUpdated,
                at: now(),
                scope: scope.clone(),
                team: None,
                conversation: None,
                message: None,
                data,
            };
            assert!(EventLog::new(stack.table()).append(&scope, &[event], now()).await.failure.is_none());
        }
    };
    let erased: Erased = erasure.erase(&organization_id(), &number(), now, late).await.unwrap();
    assert_eq!(erased.events, 3);
    assert_eq!(stack.remains().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_team_under_a_legal_hold_has_is_erased_until_the_hold_ends() {
    let stack = TestStack::start().await;
    assert!(stack.hold(HoldChange::Begin).await.unwrap().changed);
    assert!(!stack.hold(HoldChange::Begin).await.unwrap().changed, "a repetition changes nothing");
    let content = stack.content().await;
    let refused = stack.erase().await.unwrap_err().to_string();
    assert!(refused.contains("under a legal hold") && refused.contains("hold end"), "{refused}");
    assert_eq!(stack.content().await, content);
    assert!(stack.hold(HoldChange::End).await.unwrap().changed);
    assert!(!stack.hold(HoldChange::End).await.unwrap().changed);
    stack.erase().await.unwrap();
    assert_eq!(stack.remains().await, [""; 0]);
    assert!(stack.is_opted_out().await);
}

/// What an interrupted erasure left belongs to the team as well, without a contact.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_begins_after_an_interrupted_erasure_keeps_what_is_left() {
    let stack = TestStack::start().await;
    let mut left = stack.remains().await.len();
    let all = left;
    for requests in (20..).step_by(10) {
        let erasure = ContactErasure::new(&stack.engine.crashing_table(requests), stack.s3.bucket());
        assert!(erasure.erase(&organization_id(), &number(), now, async || {}).await.is_err());
        left = stack.remains().await.len();
        if left < all {
            break;
        }
    }
    assert!(left > 0);
    stack.hold(HoldChange::Begin).await.unwrap();
    assert!(stack.erase().await.is_err());
    assert_eq!(stack.remains().await.len(), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_a_team_that_does_not_know_the_number_stops_nothing() {
    let stack = TestStack::start().await;
    let other = Team { id: TeamId::parse("team_9").unwrap(), ..build::team() };
    Teams::new(stack.table()).put(&organization_id(), &other).await.unwrap();
    let request =
        |team: &str| Hold { change: HoldChange::Begin, organization: "org_1".into(), team: team.into() };
    assert!(team::hold(&stack.operator(3), &request("team_9")).await.unwrap().changed);
    assert!(team::hold(&stack.operator(3), &request("team_8")).await.is_err(), "an unknown team");
    let (file, has) =
        ("imports/org_1/team_9/imp_9.csv", |key: &str| stack.s3.objects().iter().any(|(one, ..)| one == key));
    stack.s3.put(file, "text/csv", b"Somebody else");
    stack.erase().await.unwrap();
    assert_eq!(stack.remains().await, [""; 0]);
    assert!(has(file) && !has("imports/org_1/team_1/imp_1.csv"), "files of the team under the hold stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_only_a_broadcast_of_a_team_under_a_legal_hold_names_is_not_erased() {
    let stack = TestStack::start().await;
    let named = |text: &str| ContactSelection { number: text.into(), ..selection() };
    stack.hold(HoldChange::Begin).await.unwrap();
    let inbox = Inbox { id: InboxId::new(now(), 77), ..build::inbox() };
    let ada = build::user_ref("ada", "Ada");
    let audience = Audience { numbers: vec![build::number("+12025550188")], ..Audience::default() };
    let draft = Broadcast { id: BroadcastId::new(now(), 78), audience, ..build::broadcast(&inbox, &ada) };
    let event =
        AuditEvent { actor: &ada.id, action: "broadcast.create", target: "x", at: now(), entropy: 77 };
    let _ = Broadcasts::new(stack.table()).create(&draft, &event, None).await.unwrap();
    let erase = async |text: &str| {
        let request = ErasureRequest { contact: named(text), yes: true };
        let (operator, bucket, queues) = (stack.operator(9), stack.s3.bucket(), stack.named_queues());
        contact::erase(&operator, &bucket, &queues, &request, now, || true, async || {}).await
    };
    assert!(erase("+12025550188").await.is_err());
    assert!(erase("+12025550187").await.is_ok(), "nobody knows this number");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_without_a_confirmation_or_for_an_unknown_organization() {
    let stack = TestStack::start().await;
    let content = stack.content().await;
    let request = ErasureRequest { contact: selection(), yes: false };
    let queues = stack.named_queues();
    let bucket = stack.s3.bucket();
    let refused = contact::erase(&stack.operator(2), &bucket, &queues, &request, now, || false, async || {})
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "Nothing was erased. Confirm, or pass --yes.");
    let unknown = ContactSelection { organization: "org_9".into(), ..selection() };
    let request = ErasureRequest { contact: unknown, yes: true };
    assert!(
        contact::erase(&stack.operator(2), &bucket, &queues, &request, now, || true, async || {})
            .await
            .is_err()
    );
    let malformed = ContactSelection { number: "12".into(), ..selection() };
    let refused = contact::export(&stack.operator(2), &bucket, &malformed).await.unwrap_err();
    assert_eq!(refused.to_string(), "--number must be a phone number, such as +12025550143.");
    assert_eq!(stack.content().await, content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_everything_about_the_contact_in_one_document() {
    let stack = TestStack::start().await;
    let exported = contact::export(&stack.operator(2), &stack.s3.bucket(), &selection()).await.unwrap();
    let document = json!(exported);
    let text = document.to_string();
    for secret in SECRETS.iter().filter(|secret| **secret != "maximiliana") {
        assert!(text.contains(secret), "{secret} is missing in {document:#}");
    }
    assert!(!text.contains("5550199"), "another contact is exported");
    let team = &document["teams"][0];
    assert_eq!(team["contacts"].as_array().unwrap().len(), 2);
    assert_eq!(team["optOuts"][0]["source"], "keyword");
    assert_eq!(team["conversations"].as_array().unwrap().len(), 2);
    assert_eq!(team["conversations"][0]["messages"].as_array().unwrap().len(), 5);
    assert_eq!(team["conversations"][0]["reviews"].as_array().unwrap().len(), 1);
    assert_eq!(document["optedOutOfPersonalInboxes"], false);
    assert_eq!(team["segments"], json!([{ "segmentId": "seg_1", "name": team["segments"][0]["name"] }]));
    let broadcasts = team["broadcasts"].as_array().unwrap();
    let named: Vec<_> = broadcasts.iter().map(|one| one["isNamed"].clone()).collect();
    assert!(broadcasts.len() == 2 && named.contains(&json!(true)), "{broadcasts:?}");
    let recipient = broadcasts.iter().find_map(|one| one["recipient"].as_object()).unwrap();
    assert_eq!(recipient["phoneNumber"], number().as_str());
}
