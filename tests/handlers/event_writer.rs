//! `event-writer`: the events of the changes that users make, records that come again, and a table that does
//! not answer.

use std::time::Duration;

use event_writer::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    conversation::{ConversationUpdate, Conversations, Locks},
    event::EventLog,
    inbox::{Inboxes, OutOfOffice, Saved},
    messaging::{Inbound, Messages, Receipt},
    restore::Restores,
    team::{AuditEvent, Erasure, ExpiringTeam, Members, Retentions},
};
use shared_domain::{
    event::{Event, EventScope, EventType},
    ids::MessageId,
    inbox::{Inbox, Stage},
    lock::{FencingToken, LockPolicy},
    membership::Role,
    message::{DeliveryState, Report},
    out_of_office::{Draft, Mode},
    registration::{Registration, RegistrationStatus},
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    build::{self, inbound_text},
    changes::Changes,
    lambda_event::{event, stream_record},
    topic::{FakeTopic, Publication},
};

/// An app, what its stream reports, and the writer behind the stream.
struct Stream {
    app: TestApp,
    changes: Changes,
    writer: App,
    topic: FakeTopic,
    published: Vec<Publication>,
    last: Vec<Value>,
}

impl Stream {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let changes = Changes::from_now(&app.engine).await;
        let topic = FakeTopic::start().await;
        let writer = App::new(&app.table(), topic.client());
        Self { app, changes, writer, topic, published: Vec::new(), last: Vec::new() }
    }

    /// Writes the events of what changed and returns `type` and `data` of those of the inbox.
    async fn events(&mut self) -> Vec<(&'static str, Value)> {
        let before = self.stored(&self.inbox_scope()).await.len();
        self.write().await;
        let events = self.stored(&self.inbox_scope()).await.into_iter().skip(before);
        events.map(parts).collect()
    }

    /// [`Stream::events`] of the team.
    async fn team_events(&mut self) -> Vec<(&'static str, Value)> {
        let before = self.stored(&self.team_scope()).await.len();
        self.write().await;
        self.stored(&self.team_scope()).await.into_iter().skip(before).map(parts).collect()
    }

    async fn write(&mut self) {
        self.last = self.changes.take(&self.app.engine).await;
        let response = handle(&self.writer, event(self.last.clone()), now()).await;
        assert!(response.batch_item_failures.is_empty());
        self.published = self.topic.drain();
        for Publication { body, .. } in &self.published {
            let body = body.to_string();
            let private = private_texts(self).into_iter().find(|text| body.contains(text));
            assert_eq!(private, None, "{body}");
        }
    }

    async fn stored(&self, scope: &EventScope) -> Vec<Event> {
        EventLog::new(self.app.table()).after(scope, 0, 100).await.unwrap()
    }

    fn inbox_scope(&self) -> EventScope {
        let inbox = self.app.inbox.id.clone();
        EventScope::Inbox { organization: self.app.organization().clone(), inbox }
    }

    fn team_scope(&self) -> EventScope {
        let team = self.app.team.id.clone();
        EventScope::Team { organization: self.app.organization().clone(), team }
    }

    async fn receive(&self, carrier_id: &str) -> MessageId {
        let text = inbound_text(&self.app.contact, carrier_id, "Is the office open?");
        match Inbound::new(self.app.table()).receive(&self.app.inbox, &text, now()).await.unwrap().0 {
            Receipt::Stored(id) | Receipt::Duplicate(id) => id,
            Receipt::Erased => panic!("the message was erased"),
        }
    }

    fn audit(&self) -> AuditEvent<'_> {
        AuditEvent { actor: &self.app.user.id, action: "test", target: "test", at: now(), entropy: 1 }
    }
}

fn parts(event: Event) -> (&'static str, Value) {
    (event.event.kind.as_str(), serde_json::from_str(&event.event.data).unwrap())
}

fn types(events: &[(&'static str, Value)]) -> Vec<&'static str> {
    let mut types: Vec<_> = events.iter().map(|(kind, _)| *kind).collect();
    types.sort_unstable();
    types
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_message_is_a_message_and_a_change_of_its_conversation() {
    let mut stream = Stream::start().await;
    let message = stream.receive("SM1").await;
    let events = stream.events().await;
    assert_eq!(types(&events), ["conversation.updated", "message.created"]);
    let (_, created) = events.iter().find(|(kind, _)| *kind == "message.created").unwrap();
    assert_eq!(created["messageId"], message.as_str());
    assert_eq!((&created["text"], &created["state"]), (&json!("Is the office open?"), &json!("received")));
    let (_, updated) = events.iter().find(|(kind, _)| *kind == "conversation.updated").unwrap();
    assert_eq!((&updated["read"], &updated["lock"]), (&json!(false), &Value::Null));

    let stored = stream.stored(&stream.inbox_scope()).await;
    for event in stored {
        assert_eq!(event.event.team, Some(stream.app.team.id.clone()));
        assert_eq!(event.event.conversation, Some(stream.app.conversation_id()));
    }
    let of_team = stream.stored(&stream.team_scope()).await;
    let of_team: Vec<_> = of_team.into_iter().map(parts).collect();
    assert_eq!(types(&of_team), ["contact.updated"], "the provisional contact");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_a_lock_but_its_renewal_is_an_event() {
    let mut stream = Stream::start().await;
    stream.receive("SM1").await;
    stream.events().await;
    let (locks, id, user) =
        (Locks::new(stream.app.table()), stream.app.conversation_id(), stream.app.user.clone());
    let inbox = stream.app.inbox.clone();
    let key = inbox.key().conversation(&id);

    let token = FencingToken::new(stream.app.acquire_lock().await);
    let events = stream.events().await;
    assert_eq!(types(&events), ["conversation.updated", "lock.acquired"], "acquiring marks as read");
    let (_, acquired) = &events[0];
    assert_eq!(acquired["holder"], json!({ "id": "ada", "name": "Ada" }));
    assert!(acquired["expiresAt"].is_string() && acquired["brokenBy"].is_null());
    assert!(!acquired.to_string().contains("token"), "a fencing token is the holder's alone");

    let later = now() + Duration::from_secs(1);
    locks.renew(key, &user.id, token, true, later, &LockPolicy::default()).await.unwrap();
    assert_eq!(types(&stream.events().await), [""; 0]);

    assert!(locks.release(key, &user.id, token).await.unwrap());
    let events = stream.events().await;
    assert_eq!(types(&events), ["lock.released"]);
    assert_eq!(
        events[0].1,
        json!({ "holder": { "id": "ada", "name": "Ada" }, "expiresAt": null, "brokenBy": null })
    );

    let token = FencingToken::new(stream.app.acquire_lock().await);
    assert_eq!(types(&stream.events().await), ["lock.acquired"]);
    assert!(locks.break_lock(key, &build::user_ref("bob", "Bob"), token).await.unwrap());
    let events = stream.events().await;
    assert_eq!(types(&events), ["lock.broken"]);
    assert_eq!(events[0].1["brokenBy"], json!({ "id": "bob", "name": "Bob" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_visible_change_of_a_conversation_and_a_message_is_one_event() {
    let mut stream = Stream::start().await;
    stream.receive("SM1").await;
    stream.events().await;
    let conversations = Conversations::new(stream.app.table());
    let seen = stream.app.conversation().await.unwrap();
    let read = ConversationUpdate { folder: None, read: Some(true) };
    conversations.change(stream.app.organization(), seen, read, now()).await.unwrap();
    let events = stream.events().await;
    assert_eq!(types(&events), ["conversation.updated"], "the inbox's count of unread ones is no event");
    assert_eq!(events[0].1["read"], true);

    let message = stream.app.accept_message("Until five.", now()).await;
    assert_eq!(types(&stream.events().await), ["conversation.updated", "message.created"]);
    let messages = Messages::new(stream.app.table());
    let report = Report::at(now());
    for expected in [&["message.updated"][..], &[]] {
        messages
            .report(stream.app.organization(), &message, DeliveryState::Sent, &report, Some("SM2"))
            .await
            .unwrap();
        assert_eq!(types(&stream.events().await), expected, "a repeated report changes nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_an_inbox_and_its_members_are_events_of_the_inbox() {
    let mut stream = Stream::start().await;
    let inbox = stream.app.inbox.clone();
    stream.app.add_inbox(&Inbox { name: "Admissions".into(), ..inbox.clone() }).await;
    let events = stream.events().await;
    assert_eq!(types(&events), ["inbox.changed"]);
    assert_eq!((&events[0].1["name"], &events[0].1["retired"]), (&json!("Admissions"), &json!(false)));

    let draft = Draft {
        mode: Mode::On,
        message: "We are closed.".into(),
        time_zone: "America/New_York".into(),
        hours: std::collections::BTreeMap::new(),
        holidays: Vec::new(),
    };
    for expected in [&["inbox.changed"][..], &[]] {
        let saved = Saved { draft: draft.clone(), saved_at: now() };
        let store = OutOfOffice::new(stream.app.table());
        store.put(inbox.team_key(), inbox.key(), &saved, &stream.audit()).await.unwrap();
        let events = stream.events().await;
        assert_eq!(types(&events), expected, "saving the same settings again changes nothing");
        if let [(_, data)] = &events[..] {
            assert_eq!(data["outOfOffice"]["message"], "We are closed.");
        }
    }

    let bob = build::user_ref("bob", "Bob");
    stream.app.add_member(&inbox, &bob).await;
    let events = stream.events().await;
    assert_eq!(types(&events), ["membership.changed"]);
    assert_eq!(events[0].1, json!({ "userId": "bob", "name": "Bob", "removed": false }));
    let members = Members::new(stream.app.table());
    members.remove(inbox.team_key(), inbox.key(), &bob.id, &stream.audit()).await.unwrap();
    assert_eq!(stream.events().await[0].1, json!({ "userId": "bob", "name": "Bob", "removed": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_being_created_has_no_events() {
    let mut stream = Stream::start().await;
    let creating = Inbox { stage: Stage::Creating, ..stream.app.inbox.clone() };
    Inboxes::new(stream.app.table()).put(&creating).await.unwrap();
    assert_eq!(types(&stream.events().await), [""; 0]);
    stream.app.add_inbox(&stream.app.inbox).await;
    assert_eq!(types(&stream.events().await), ["inbox.changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_members_and_the_registration_of_a_team_have_events_of_the_team() {
    let mut stream = Stream::start().await;
    stream.app.add_contact(&build::contact()).await;
    let events = stream.team_events().await;
    assert_eq!(types(&events), ["contact.updated"]);
    assert_eq!((&events[0].1["lastName"], &events[0].1["removed"]), (&json!("Featherstone"), &json!(false)));

    stream.app.add_user(stream.app.organization(), &build::user("bob"), &[("team_1", Role::Admin)]).await;
    let events = stream.team_events().await;
    assert_eq!(types(&events), ["membership.changed"]);
    assert_eq!(events[0].1, json!({ "userId": "bob", "name": "BOB", "role": "admin", "removed": false }));

    let pending = Registration { status: RegistrationStatus::Pending, ..Registration::default() };
    stream.app.registrations().put(stream.app.inbox.team_key(), &pending).await.unwrap();
    let events = stream.team_events().await;
    assert_eq!(types(&events), ["registration.changed"]);
    assert_eq!(events[0].1["status"], "pending");
}

fn opt_out(contact: &str, event_id: &str) -> Value {
    let mut record = stream_record(
        "INSERT",
        &json!({
            "pk": { "S": "org_1#team_1" }, "sk": { "S": format!("OUT#1795341600000#{contact}") },
            "at": { "N": "1795341600000" }, "contact": { "S": contact }, "number": { "S": "+12025550143" },
            "opted_out": { "BOOL": true }, "personal": { "BOOL": false }, "team": { "S": "team_1" },
            "source": { "S": "keyword" },
        }),
    );
    record["eventID"] = event_id.into();
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_is_an_event_of_the_team_and_an_unreadable_record_is_skipped() {
    let stream = Stream::start().await;
    let mut unreadable = opt_out("con_2", "2");
    unreadable["dynamodb"]["NewImage"]["at"] = json!({ "S": "none" });
    let records = vec![unreadable, opt_out("con_1", "1")];
    for _ in 0..2 {
        let response = handle(&stream.writer, event(records.clone()), now()).await;
        assert!(response.batch_item_failures.is_empty());
        let events: Vec<_> = stream.stored(&stream.team_scope()).await.into_iter().map(parts).collect();
        assert_eq!(types(&events), ["opt_out.changed"], "also if the records come again");
        assert_eq!(
            (&events[0].1["contactId"], &events[0].1["status"]),
            (&json!("con_1"), &json!("opted_out"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ttl_deletes_is_no_event() {
    let mut stream = Stream::start().await;
    stream.app.add_contact(&build::contact()).await;
    stream.team_events().await;
    let mut record = stream
        .last
        .iter()
        .find(|record| record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap().starts_with("con_"))
        .unwrap()
        .clone();
    record["eventID"] = "removal".into();
    record["eventName"] = "REMOVE".into();
    let image = record["dynamodb"]["NewImage"].take();
    record["dynamodb"]["OldImage"] = image;
    let count = async || stream.stored(&stream.team_scope()).await.len();
    let before = count().await;
    let mut expired = record.clone();
    expired["userIdentity"] = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
    handle(&stream.writer, event(vec![expired]), now()).await;
    assert_eq!(count().await, before);
    handle(&stream.writer, event(vec![record]), now()).await;
    assert_eq!(count().await, before + 1, "a contact that a user removes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_record_without_its_events_is_delivered_again() {
    let mut stream = Stream::start().await;
    stream.receive("SM1").await;
    let mut records = stream.changes.take(&stream.app.engine).await;
    records.retain(|record| !record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap().starts_with("con_"));
    let unreachable = App::new(&TestApp::unreachable_table(), stream.topic.client());
    let response = handle(&unreachable, event(records.clone()), now()).await;
    let reported = response.batch_item_failures[0].item_identifier.clone().unwrap();
    let visible = |record: &&Value| {
        let sort_key = record["dynamodb"]["Keys"]["sk"]["S"].as_str().unwrap();
        sort_key.starts_with("msg_") || sort_key.starts_with("cnv_")
    };
    let first = records.iter().find(visible).unwrap();
    assert_eq!(first["dynamodb"]["SequenceNumber"], reported);

    for requests in 0..8 {
        let host = App::new(&stream.app.engine.crashing_table(requests), stream.topic.client());
        handle(&host, event(records.clone()), now()).await;
    }
    handle(&stream.writer, event(records), now()).await;
    let events: Vec<_> = stream.stored(&stream.inbox_scope()).await.into_iter().map(parts).collect();
    assert_eq!(types(&events), ["conversation.updated", "message.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_with_its_ids_and_facts_and_without_texts_numbers_and_names() {
    let mut stream = Stream::start().await;
    let message = stream.receive("SM1").await;
    stream.events().await;
    let published = stream.published.clone();
    let created = published.iter().find(|one| one.attributes["type"] == "message.created").unwrap();
    let stored = stream.stored(&stream.inbox_scope()).await;
    let event = stored.iter().find(|event| event.event.kind == EventType::MessageCreated).unwrap();
    let conversation = stream.app.conversation_id();
    assert_eq!(created.group, conversation.as_str());
    assert_eq!(created.deduplication_id, event.event.id.as_str());
    assert_eq!(
        created.body,
        json!({
            "eventId": event.event.id, "type": "message.created", "at": event.event.at.to_string(),
            "organizationId": "org_1", "teamId": "team_1", "inboxId": stream.app.inbox.id,
            "sequence": event.sequence, "conversationId": conversation, "messageId": message,
            "data": { "direction": "inbound", "channel": "sms", "segments": 1, "state": "received",
                "createdAt": created.body["data"]["createdAt"] },
        })
    );
    let attributes = ["organizationId", "teamId", "inboxId"];
    assert!(attributes.iter().all(|name| created.body[*name] == created.attributes[*name]));
    let of_team = published.iter().find(|one| one.attributes["type"] == "contact.updated").unwrap();
    assert_eq!(of_team.body["data"]["contactId"], *of_team.group);
    assert_eq!(of_team.attributes.get("inboxId"), None);

    let event = shared_aws::event::PublishedEvent::parse(&created.body.to_string()).unwrap();
    let log = EventLog::new(stream.app.table());
    let read = log.get(&event.scope().unwrap(), event.sequence).await.unwrap().unwrap();
    assert_eq!((read.event.id, read.sequence), (event.event_id, event.sequence));
}

/// What a subscriber must not get.
fn private_texts(stream: &Stream) -> Vec<String> {
    let (contact, inbox) = (build::contact(), &stream.app.inbox);
    let texts = ["Is the office open?", "Until five.", "We are closed.", "Bob", "BOB", "Ada"];
    let names = [contact.first_name, contact.last_name, contact.external_id].into_iter().flatten();
    let numbers = [contact.number.as_str(), stream.app.contact.as_str(), inbox.number.as_str()];
    let of_inbox = [inbox.name.clone(), inbox.api_code.clone()];
    texts
        .map(str::to_owned)
        .into_iter()
        .chain(names)
        .chain(numbers.map(str::to_owned))
        .chain(of_inbox)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_stored_and_not_published_is_published_when_its_record_comes_again() {
    let mut stream = Stream::start().await;
    stream.receive("SM1").await;
    let records = stream.changes.take(&stream.app.engine).await;
    stream.topic.refuse(true);
    let response = handle(&stream.writer, event(records.clone()), now()).await;
    assert_eq!(response.batch_item_failures.len(), 1);
    let stored = stream.stored(&stream.inbox_scope()).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stream.topic.drain(), []);

    stream.topic.refuse(false);
    for _ in 0..2 {
        let response = handle(&stream.writer, event(records.clone()), now()).await;
        assert!(response.batch_item_failures.is_empty());
        let published = stream.topic.drain();
        let of_inbox = published.iter().filter(|one| one.attributes.contains_key("inboxId"));
        let ids: Vec<_> = of_inbox.map(|one| one.deduplication_id.as_str()).collect();
        assert_eq!(ids, stored.iter().map(|event| event.event.id.as_str()).collect::<Vec<_>>());
    }
    assert_eq!(stream.stored(&stream.inbox_scope()).await, stored);
}

/// Returns a member who is added to an inbox, as a record.
fn member(inbox: &str, user: &str) -> Value {
    let mut record = stream_record(
        "INSERT",
        &json!({
            "pk": { "S": format!("org_1#{inbox}") }, "sk": { "S": format!("MEMBER#{user}") },
            "inbox": { "S": inbox }, "kind": { "S": "shared" }, "team": { "S": "team_1" },
            "user": { "M": { "id": { "S": user }, "name": { "S": "A user" } } },
        }),
    );
    record["eventID"] = format!("{inbox} {user}").into();
    record["dynamodb"]["SequenceNumber"] = format!("{inbox} {user}").into();
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_inboxes_are_published_ten_at_a_time_and_those_of_one_in_their_order() {
    let stream = Stream::start().await;
    let inboxes = (0..25).map(|index| format!("inb_{index:02}"));
    let mut records: Vec<_> = inboxes.map(|inbox| member(&inbox, "ada")).collect();
    records.extend(["bob", "cleo"].map(|user| member("inb_03", user)));
    let response = handle(&stream.writer, event(records), now()).await;
    assert!(response.batch_item_failures.is_empty());
    let published = stream.topic.drain();
    assert_eq!(published.len(), 27);
    let of_one = published.iter().filter(|one| one.group == "inb_03");
    let users: Vec<_> = of_one.map(|one| one.body["data"]["userId"].as_str().unwrap()).collect();
    assert_eq!(users, ["ada", "bob", "cleo"]);
    assert!(stream.topic.requests() <= 4, "{} requests", stream.topic.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_topic_refuses_holds_those_of_its_group_and_no_others() {
    let stream = Stream::start().await;
    let records: Vec<_> =
        [("inb_1", "ada"), ("inb_2", "ada"), ("inb_2", "bob"), ("inb_3", "ada"), ("inb_2", "cleo")]
            .map(|(inbox, user)| member(inbox, user))
            .to_vec();
    let published = || -> Vec<_> {
        let published = stream.topic.drain().into_iter();
        published
            .map(|one| format!("{} {}", one.group, one.body["data"]["userId"].as_str().unwrap()))
            .collect()
    };
    stream.topic.refuse_next_of("inb_2");
    let response = handle(&stream.writer, event(records.clone()), now()).await;
    assert_eq!(response.batch_item_failures[0].item_identifier.as_deref(), Some("inb_2 ada"));
    assert_eq!(published(), ["inb_1 ada", "inb_3 ada"]);

    let response = handle(&stream.writer, event(records[1..].to_vec()), now()).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(published(), ["inb_2 ada", "inb_3 ada", "inb_2 bob", "inb_2 cleo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_changes_is_no_event_and_what_changes_after_it_is() {
    let mut stream = Stream::start().await;
    let restores = Restores::new(stream.app.table());
    let changed_at = Timestamp::from_millis(1_795_341_600_000); // the time of all records
    restores.begin(changed_at - Duration::from_secs(10)).await.unwrap();
    stream.receive("SM1").await;
    assert_eq!(stream.events().await, []);
    assert_eq!(stream.published.len(), 0);
    restores.end(changed_at - Duration::from_secs(5)).await.unwrap();
    stream.writer = App::new(&stream.app.table(), stream.topic.client()); // the other remembers the window
    stream.receive("SM2").await;
    assert!(types(&stream.events().await).contains(&"message.created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_expires_is_no_event() {
    let mut stream = Stream::start().await;
    let message = stream.receive("SM1").await;
    stream.events().await;
    let (table, id) = (stream.app.table(), stream.app.conversation_id());
    Retentions::new(table.clone())
        .add_missing(stream.app.inbox.team_key(), Timestamp::default())
        .await
        .unwrap();
    let due = Retentions::new(table.clone()).due(now()).await.unwrap();
    let [lease]: [ExpiringTeam; 1] = due.teams.try_into().unwrap();
    let old = stream.app.message(&message).await;
    assert_eq!(Messages::new(table.clone()).expire(&lease, &[&old], now()).await.unwrap(), Erasure::Done);
    let key = stream.app.conversation_key(&id);
    let expired = Conversations::new(table).expire_preview(&lease, key, &message).await.unwrap();
    assert_eq!(expired, Erasure::Done);
    assert_eq!(stream.events().await, []);
    stream.receive("SM2").await;
    assert_eq!(types(&stream.events().await), ["conversation.updated", "message.created"]);
}
