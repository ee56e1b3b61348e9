//! `realtime`: handshakes with tickets, frames, the places of a user, and events that reach the members of
//! now.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client as Dynamo,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
};
use events::RealtimeUrl;
use realtime::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, RealtimeQueue, SignOut},
    event::{EventLog, PublishedEvent},
    messaging::{Inbound, Receipt},
    realtime::Sockets,
    table::Table,
    team::{AuditEvent, Members, TeamMembers},
};
use shared_domain::{
    event::{EventScope, EventType, NewEvent},
    ids::EventId,
    keys::TeamKey,
    membership::Role,
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    connections::FakeConnections,
    engine::TABLE,
    gateway::{Event, status_and_json},
    lambda_event::sqs_record,
    queue::FakeQueue,
};

const SECOND: Duration = Duration::from_secs(1);

/// `ada`, a member of `inb_1`, and `bob`, who is not, both in its team.
struct Fixture {
    app: TestApp,
    queue: FakeQueue,
    connections: FakeConnections,
    realtime: App,
    entropy: Cell<u64>,
}

impl Fixture {
    async fn start() -> Self {
        let app = TestApp::start().await;
        for (user, role) in [("ada", Role::Member), ("bob", Role::Admin)] {
            app.add_user(app.organization(), &build::user(user), &[("team_1", role)]).await;
        }
        app.add_inbox(&app.inbox).await;
        app.add_member(&app.inbox, &app.user).await;
        let (queue, connections) = (FakeQueue::start().await, FakeConnections::start().await);
        let client =
            RealtimeQueue::new(&Aws::loopback(queue.url.as_str()), format!("{}/realtime", queue.url));
        let realtime = App::new(&app.table(), client, connections.pusher());
        Self { app, queue, connections, realtime, entropy: Cell::new(1) }
    }

    async fn ticket_until(&self, user: &str, token_expires_at: Timestamp) -> (u16, Value) {
        self.entropy.set(self.entropy.get() + 1);
        let url = RealtimeUrl("wss://realtime.example/live".into());
        let app = events::App::new(&self.app.table(), Claims::standard(), Cursors::fixed("secret"), url);
        let claims = json!({ "sub": user, "custom:organization_id": "org_1", "custom:user_id": user,
            "token_use": "id", "exp": token_expires_at.seconds().to_string() });
        let request = Event::new("POST /v1/realtime-tickets", &[]).claims(claims).request();
        status_and_json(&serve::answer(&events::router(app), now(), self.entropy.get(), request).await)
    }

    async fn ticket(&self, user: &str) -> String {
        let (status, ticket) = self.ticket_until(user, now() + Duration::from_hours(1)).await;
        assert_eq!(status, 201, "{ticket}");
        ticket["ticket"].as_str().unwrap().to_owned()
    }

    async fn call(&self, event: Value, at: Timestamp) -> Value {
        handle(&self.realtime, serde_json::from_value(event).unwrap(), at).await.unwrap()
    }

    /// Returns the context of an accepted handshake, or `None` for a refused one.
    async fn authorize(&self, connection: &str, ticket: &str, at: Timestamp) -> Option<Value> {
        let event = json!({ "type": "REQUEST", "methodArn": "arn:aws:execute-api:::api/live/$connect",
            "queryStringParameters": { "ticket": ticket },
            "requestContext": { "connectionId": connection, "eventType": "CONNECT", "routeKey": "$connect" } });
        let mut answer = self.call(event, at).await;
        let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
        (effect == "Allow").then(|| answer["context"].take())
    }

    async fn open(&self, connection: &str, user: &str) -> Socket<'_> {
        self.open_at(connection, user, now()).await
    }

    async fn connect(&self, connection: &str, user: &str, at: Timestamp) -> Socket<'_> {
        let ticket = self.ticket(user).await;
        let context = self.authorize(connection, &ticket, at).await.expect("the ticket is valid");
        let socket = Socket { fixture: self, connection: connection.into(), context };
        assert_eq!(socket.route("CONNECT", "", at).await, json!({ "statusCode": 200 }));
        socket
    }

    async fn open_at(&self, connection: &str, user: &str, at: Timestamp) -> Socket<'_> {
        let socket = self.connect(connection, user, at).await;
        self.deliver(self.queue.drain(), at).await;
        assert_eq!(socket.frames()[0]["type"], "ready");
        socket
    }

    async fn deliver(&self, bodies: Vec<String>, at: Timestamp) -> Value {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| sqs_record(&index.to_string(), None, body, 1))
            .collect();
        self.call(json!({ "Records": records }), at).await
    }

    /// Stores an event and returns what the topic publishes.
    async fn event(&self, scope: EventScope, kind: EventType, data: Value) -> String {
        self.entropy.set(self.entropy.get() + 1);
        let event = NewEvent {
            id: EventId::of_record(&self.entropy.get().to_string(), 0),
            kind,
            at: now(),
            scope: scope.clone(),
            team: Some(self.app.team.id.clone()),
            conversation: None,
            message: None,
            data: data.to_string(),
        };
        let appended = EventLog::new(self.app.table()).append(&scope, &[event], now()).await;
        serde_json::to_string(&PublishedEvent::of(&appended.stored[0])).unwrap()
    }

    async fn inbox_event(&self) -> String {
        self.event(self.inbox_scope(), EventType::InboxChanged, json!({ "name": "Admissions" })).await
    }

    fn inbox_scope(&self) -> EventScope {
        EventScope::Inbox { organization: self.app.organization().clone(), inbox: self.app.inbox.id.clone() }
    }

    fn team_scope(&self) -> EventScope {
        EventScope::Team { organization: self.app.organization().clone(), team: self.app.team.id.clone() }
    }

    fn audit(&self) -> AuditEvent<'_> {
        AuditEvent { actor: &self.app.user.id, action: "test", target: "test", at: now(), entropy: 1 }
    }

    async fn stored(&self) -> usize {
        Sockets::new(self.app.table()).list(self.app.organization()).await.unwrap().len()
    }
}

/// An open connection.
struct Socket<'a> {
    fixture: &'a Fixture,
    connection: String,
    context: Value,
}

impl Socket<'_> {
    async fn route(&self, event_type: &str, body: &str, at: Timestamp) -> Value {
        let context =
            json!({ "connectionId": self.connection, "eventType": event_type, "authorizer": self.context });
        self.fixture.call(json!({ "requestContext": context, "body": body }), at).await
    }

    async fn send(&self, frame: Value, at: Timestamp) {
        self.route("MESSAGE", &frame.to_string(), at).await;
    }

    fn frames(&self) -> Vec<Value> {
        self.fixture.connections.take(&self.connection)
    }

    /// Requires that the connection was closed with this code.
    fn assert_closed(&self, code: u16) {
        assert_eq!(self.frames().last(), Some(&json!({ "type": "close", "code": code })));
        assert!(self.fixture.connections.is_gone(&self.connection));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_ready_and_then_each_event_with_its_data() {
    let fixture = Fixture::start().await;
    let (ada, bob) = (fixture.open("a", "ada").await, fixture.open("b", "bob").await);
    let answer = fixture.deliver(vec![fixture.inbox_event().await], now()).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let frames = ada.frames();
    assert_eq!((frames.len(), &frames[0]["type"]), (1, &json!("event")));
    let event = &frames[0]["event"];
    assert_eq!((&event["type"], &event["data"]["name"]), (&json!("inbox.changed"), &json!("Admissions")));
    assert_eq!((&event["inboxId"], &event["sequence"]), (&json!("inb_1"), &json!(1)));
    assert_eq!(bob.frames(), [] as [Value; 0], "not a member of the inbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_comes_before_ready() {
    let fixture = Fixture::start().await;
    let types = |socket: &Socket<'_>| -> Vec<_> {
        socket.frames().iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
    };
    let (by_event, by_ping) =
        (fixture.connect("a", "ada", now()).await, fixture.connect("b", "ada", now()).await);
    by_ping.send(json!({ "type": "ping" }), now()).await;
    assert_eq!(types(&by_ping), ["ready", "pong"]);
    fixture.deliver(vec![fixture.inbox_event().await], now()).await;
    assert_eq!(
        (types(&by_event), types(&by_ping)),
        (vec!["ready".into(), "event".into()], vec!["event".into()])
    );
    fixture.deliver(fixture.queue.drain(), now()).await;
    assert_eq!((types(&by_event).len(), types(&by_ping).len()), (0, 0), "ready was sent before");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_batch_come_in_the_order_of_their_numbers() {
    let fixture = Fixture::start().await;
    let ada = fixture.open("a", "ada").await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(fixture.inbox_event().await);
    }
    bodies.reverse();
    fixture.deliver(bodies, now()).await;
    let sequences: Vec<_> = ada.frames().iter().map(|frame| frame["event"]["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2, 3]);
}

/// Counts the requests that run at the same time.
#[derive(Debug, Clone, Default)]
struct InFlight {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Intercept for InFlight {
    fn name(&self) -> &'static str {
        "in flight"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Ok(())
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_batch_are_read_at_the_same_time() {
    let mut fixture = Fixture::start().await;
    let in_flight = InFlight::default();
    let config = fixture.app.engine.aws.dynamodb_config().interceptor(in_flight.clone());
    let table = Table::new(Dynamo::from_conf(config.build()), TABLE);
    let queue = RealtimeQueue::new(
        &Aws::loopback(fixture.queue.url.as_str()),
        format!("{}/realtime", fixture.queue.url),
    );
    fixture.realtime = App::new(&table, queue, fixture.connections.pusher());
    let ada = fixture.open("a", "ada").await;
    let mut bodies = Vec::new();
    for _ in 0..10 {
        bodies.push(fixture.inbox_event().await);
    }
    in_flight.most.store(0, Ordering::SeqCst);
    fixture.deliver(bodies, now()).await;
    let sequences: Vec<_> = ada.frames().iter().map(|frame| frame["event"]["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert!(in_flight.most.load(Ordering::SeqCst) > 1, "one after the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_gets_nothing_and_one_without_a_team_is_signed_out() {
    let fixture = Fixture::start().await;
    let ada = fixture.open("a", "ada").await;
    let inbox = fixture.app.inbox.clone();
    let body = fixture.inbox_event().await;
    Members::new(fixture.app.table())
        .remove(inbox.team_key(), inbox.key(), &fixture.app.user.id, &fixture.audit())
        .await
        .unwrap();
    fixture.deliver(vec![body], now()).await;
    assert_eq!(ada.frames(), [] as [Value; 0]);

    let members = Members::new(fixture.app.table());
    let profile = members.profile(fixture.app.organization(), &fixture.app.user.id).await.unwrap().unwrap();
    let team = TeamKey { organization: fixture.app.organization(), team: &fixture.app.team.id };
    TeamMembers::new(fixture.app.table()).remove(team, &profile, &fixture.audit()).await.unwrap();
    let data = json!({ "userId": "ada", "name": "Ada", "role": "member", "removed": true });
    let removed = fixture.event(fixture.team_scope(), EventType::MembershipChanged, data).await;
    fixture.deliver(vec![removed], now()).await;
    ada.assert_closed(4001);
    assert_eq!(fixture.stored().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_closes_the_connections_of_its_user_and_no_later_ones() {
    let fixture = Fixture::start().await;
    let at = now();
    let (first, second) = (fixture.open_at("a", "ada", at).await, fixture.open_at("b", "ada", at).await);
    let (later, other) = (fixture.open_at("c", "ada", at + SECOND).await, fixture.open("d", "bob").await);
    let queue = RealtimeQueue::new(
        &Aws::loopback(fixture.queue.url.as_str()),
        format!("{}/realtime", fixture.queue.url),
    );
    let (organization, signed_out_user) = (fixture.app.organization().clone(), fixture.app.user.id.clone());
    queue.sign_out(&SignOut { organization, signed_out_user, at }).await.unwrap();
    let message = fixture.queue.drain();

    for _ in ["delivered", "delivered again"] {
        assert_eq!(fixture.deliver(message.clone(), at + SECOND).await["batchItemFailures"], json!([]));
    }
    first.assert_closed(4001);
    second.assert_closed(4001);
    assert_eq!((later.frames(), other.frames()), (Vec::new(), Vec::new()));
    assert_eq!(fixture.stored().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_imports_reach_admins_only() {
    let fixture = Fixture::start().await;
    let (ada, bob) = (fixture.open("a", "ada").await, fixture.open("b", "bob").await);
    let data = json!({ "importId": "imp_1" });
    let import = fixture.event(fixture.team_scope(), EventType::ImportChanged, data).await;
    let contact = fixture.event(fixture.team_scope(), EventType::ContactUpdated, json!({})).await;
    fixture.deliver(vec![import, contact], now()).await;
    let types = |socket: &Socket<'_>| -> Vec<_> {
        socket.frames().iter().map(|frame| frame["event"]["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(types(&ada), ["contact.updated"]);
    assert_eq!(types(&bob), ["import.changed", "contact.updated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_valid_once_and_for_thirty_seconds() {
    let fixture = Fixture::start().await;
    let (status, ticket) = fixture.ticket_until("ada", now() + Duration::from_hours(1)).await;
    assert_eq!((status, &ticket["url"]), (201, &json!("wss://realtime.example/live")));
    let ticket = ticket["ticket"].as_str().unwrap();
    assert!(fixture.authorize("a", ticket, now()).await.is_some());
    assert!(fixture.authorize("b", ticket, now()).await.is_none(), "used");

    let late = fixture.ticket("ada").await;
    assert!(fixture.authorize("c", &late, now() + Duration::from_secs(31)).await.is_none(), "expired");
    for unknown in ["", "0000000000000000", "' OR 1=1", &"x".repeat(4000)] {
        assert!(fixture.authorize("d", unknown, now()).await.is_none(), "{unknown}");
    }
    let ended = fixture.ticket_until("ada", now()).await.1;
    let ended = ended["ticket"].as_str().unwrap();
    assert!(fixture.authorize("e", ended, now() + Duration::from_secs(1)).await.is_none(), "the token ended");
    assert_eq!(fixture.stored().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eleventh_connection_is_refused_until_another_one_ends() {
    let fixture = Fixture::start().await;
    let mut sockets = Vec::new();
    for index in 0..10 {
        sockets.push(fixture.open(&format!("a{index}"), "ada").await);
    }
    let ticket = fixture.ticket("ada").await;
    assert!(fixture.authorize("eleventh", &ticket, now()).await.is_none());
    fixture.open("b", "bob").await;

    sockets[4].route("DISCONNECT", "", now()).await;
    fixture.open("eleventh", "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_and_asks_for_a_new_ticket_before_the_token_ends() {
    let fixture = Fixture::start().await;
    let ada = fixture.open("a", "ada").await;
    let ping = || json!({ "type": "ping" });
    ada.send(ping(), now()).await;
    assert_eq!(ada.frames(), [json!({ "type": "pong" })]);

    let before_the_end = now() + Duration::from_mins(55);
    ada.send(ping(), before_the_end).await;
    assert_eq!(ada.frames(), [json!({ "type": "pong" }), json!({ "type": "refresh" })]);

    let (_, ticket) = fixture.ticket_until("ada", now() + Duration::from_hours(3)).await;
    ada.send(json!({ "type": "refresh", "ticket": ticket["ticket"] }), now()).await;
    ada.send(ping(), before_the_end).await;
    assert_eq!(ada.frames(), [json!({ "type": "pong" })]);

    ada.send(ping(), now() + Duration::from_mins(115)).await;
    ada.assert_closed(4002);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_token_and_with_a_ticket_of_another_user() {
    let fixture = Fixture::start().await;
    let ada = fixture.open("a", "ada").await;
    let later = now() + Duration::from_mins(61);
    fixture.deliver(vec![fixture.inbox_event().await], later).await;
    ada.assert_closed(4001);

    let ada = fixture.open("b", "ada").await;
    ada.send(json!({ "type": "ping" }), later).await;
    ada.assert_closed(4001);

    let ada = fixture.open("c", "ada").await;
    let of_bob = fixture.ticket("bob").await;
    ada.send(json!({ "type": "refresh", "ticket": of_bob }), now()).await;
    ada.assert_closed(4001);
    assert_eq!(fixture.stored().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_frames_are_ignored_and_twenty_in_a_minute_close_the_connection() {
    let fixture = Fixture::start().await;
    let ada = fixture.open("a", "ada").await;
    let start = Timestamp::from_millis((now().seconds() / 60 + 1) * 60_000);
    for frame in ["", "ping", "[]", r#"{"type":"event"}"#] {
        ada.route("MESSAGE", frame, start).await;
    }
    assert_eq!(ada.frames(), [] as [Value; 0]);
    let next_minute = start + Duration::from_mins(1);
    for _ in 0..19 {
        ada.send(json!({ "type": "hello" }), next_minute).await;
    }
    assert!(!fixture.connections.is_gone("a"));
    ada.send(json!({ "type": "hello" }), next_minute).await;
    ada.assert_closed(4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_a_conversation_are_shown_to_its_members_until_they_leave() {
    let fixture = Fixture::start().await;
    let text = build::inbound_text(&fixture.app.contact, "SM1", "Is the office open?");
    let received =
        Inbound::new(fixture.app.table()).receive(&fixture.app.inbox, &text, now()).await.unwrap().0;
    assert!(matches!(received, Receipt::Stored(_)));
    let conversation = fixture.app.conversation_id();
    let (ada, second, bob) =
        (fixture.open("a", "ada").await, fixture.open("a2", "ada").await, fixture.open("b", "bob").await);
    let view = json!({ "type": "view", "conversationId": conversation });
    ada.send(view.clone(), now()).await;
    let frames = second.frames();
    let event = &frames[0]["event"];
    assert_eq!((&event["type"], &event["conversationId"]), (&json!("viewer.changed"), &json!(conversation)));
    assert_eq!(
        event["data"],
        json!({ "viewers": [{ "userId": "ada", "name": event["data"]["viewers"][0]["name"] }] })
    );
    assert!(event.get("sequence").is_none());
    ada.send(view.clone(), now() + Duration::from_secs(30)).await;
    assert_eq!(second.frames(), [] as [Value; 0], "nothing changed");

    bob.send(view, now()).await;
    assert_eq!(bob.frames(), [] as [Value; 0], "not a member");
    ada.send(json!({ "type": "view", "conversationId": null }), now()).await;
    assert_eq!(second.frames()[0]["event"]["data"], json!({ "viewers": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_gone_is_removed_unless_its_handshake_may_still_run() {
    let fixture = Fixture::start().await;
    fixture.open("a", "ada").await;
    fixture.connections.end("a");
    fixture.deliver(vec![fixture.inbox_event().await], now()).await;
    assert_eq!(fixture.stored().await, 1);
    fixture.deliver(vec![fixture.inbox_event().await], now() + Duration::from_secs(31)).await;
    assert_eq!(fixture.stored().await, 0);
}
