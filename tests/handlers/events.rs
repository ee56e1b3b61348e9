//! `events`: positions, pages, memberships that change, expired cursors, and the requests of a poll.

use std::time::Duration;

use events::{App, RealtimeUrl, router};
use serde_json::{Value, json};
use shared_aws::{
    event::EventLog,
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::{
    event::{EVENT_RETENTION, EventScope, EventType, NewEvent},
    ids::EventId,
    inbox::Inbox,
    membership::Role,
};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    engine::TABLE,
    gateway::{Event, status_and_json},
    meter::Meter,
};

/// `ada`, a member of `inb_1` and `inb_2` and of their team, and the events of all three.
struct Fixture {
    app: TestApp,
    written: std::cell::Cell<usize>,
}

impl Fixture {
    async fn start() -> Self {
        let app = TestApp::start().await;
        app.add_user(app.organization(), &build::user("ada"), &[("team_1", Role::Member)]).await;
        let fixture = Self { app, written: std::cell::Cell::new(0) };
        fixture.join("inb_2").await;
        fixture
    }

    fn inbox(&self, id: &str) -> Inbox {
        Inbox { id: build::inbox_id(id), api_code: id.into(), ..self.app.inbox.clone() }
    }

    async fn join(&self, id: &str) {
        self.app.add_inbox(&self.inbox(id)).await;
        self.app.add_member(&self.inbox(id), &self.app.user).await;
    }

    fn scope(&self, id: &str) -> EventScope {
        let organization = self.app.organization().clone();
        if id.starts_with("inb_") {
            EventScope::Inbox { organization, inbox: build::inbox_id(id) }
        } else {
            EventScope::Team { organization, team: build::team_id(id) }
        }
    }

    async fn write(&self, id: &str, kind: EventType, count: usize) {
        for _ in 0..count {
            self.written.set(self.written.get() + 1);
            let event = NewEvent {
                id: EventId::of_record(&self.written.get().to_string(), 0),
                kind,
                at: now(),
                scope: self.scope(id),
                team: Some(self.app.team.id.clone()),
                conversation: None,
                message: None,
                data: json!({ "number": self.written.get() }).to_string(),
            };
            let log = EventLog::new(self.app.table());
            assert!(log.append(&event.scope.clone(), &[event], now()).await.failure.is_none());
        }
    }

    /// Deletes an event, as DynamoDB does some time after its retention.
    async fn expire(&self, id: &str, sequence: u64) {
        let client = aws_sdk_dynamodb::Client::from_conf(self.app.engine.patient_config().build());
        let text = aws_sdk_dynamodb::types::AttributeValue::S;
        client
            .delete_item()
            .table_name(TABLE)
            .key("pk", text(shared_aws::table::keys::events_partition(&self.scope(id))))
            .key("sk", text(shared_aws::table::keys::event_place(sequence)))
            .send()
            .await
            .unwrap();
    }

    async fn get(&self, query: &str) -> (u16, Value) {
        self.get_as("ada", self.app.table(), query).await
    }

    async fn get_as(&self, user: &str, table: Table, query: &str) -> (u16, Value) {
        let router = router(App::new(
            &table,
            Claims::standard(),
            Cursors::fixed("secret"),
            RealtimeUrl("wss://realtime.example/live".into()),
        ));
        let request = Event::new("GET /v1/events", &[]).user("org_1", user).query(query).request();
        status_and_json(&serve::answer(&router, now(), 1, request).await)
    }

    /// Returns the feed after a cursor.
    async fn feed(&self, cursor: &str) -> Value {
        let (status, feed) = self.get(&format!("cursor={cursor}")).await;
        assert_eq!(status, 200, "{feed}");
        feed
    }

    async fn cursor(&self) -> String {
        let (status, feed) = self.get("").await;
        assert_eq!((status, &feed["items"]), (200, &json!([])));
        next(&feed)
    }
}

fn next(feed: &Value) -> String {
    feed["nextCursor"].as_str().unwrap().to_owned()
}

/// Returns inbox or team and number of each event.
fn numbers(feed: &Value) -> Vec<(String, u64)> {
    let number = |event: &Value| {
        let id = event.get("inboxId").unwrap_or(&event["teamId"]).as_str().unwrap().to_owned();
        (id, event["sequence"].as_u64().unwrap())
    };
    feed["items"].as_array().unwrap().iter().map(number).collect()
}

fn of(id: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<(String, u64)> {
    numbers.map(|number| (id.to_owned(), number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_what_happens_after_the_first_cursor_in_order() {
    let test = Fixture::start().await;
    test.write("inb_1", EventType::MessageCreated, 2).await;
    let cursor = test.cursor().await;
    assert_eq!(numbers(&test.feed(&cursor).await), []);

    test.write("inb_1", EventType::MessageCreated, 2).await;
    test.write("team_1", EventType::ContactUpdated, 1).await;
    let feed = test.feed(&cursor).await;
    assert_eq!(numbers(&feed), [of("inb_1", 3..=4), of("team_1", 1..=1)].concat());
    let event = &feed["items"][0];
    assert_eq!((&event["type"], &event["data"]), (&json!("message.created"), &json!({ "number": 3 })));
    assert_eq!((&event["organizationId"], &event["teamId"]), (&json!("org_1"), &json!("team_1")));
    assert!(event["eventId"].as_str().unwrap().starts_with("evt_"));
    assert!(feed["items"][2].get("inboxId").is_none());
    assert_eq!((&feed["joined"], &feed["left"]), (&json!([]), &json!([])));

    assert_eq!(numbers(&test.feed(&next(&feed)).await), []);
    assert_eq!(numbers(&test.feed(&cursor).await).len(), 3, "a cursor can be used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_exactly_and_a_busy_inbox_delays_no_other() {
    let test = Fixture::start().await;
    let mut cursor = test.cursor().await;
    test.write("inb_1", EventType::MessageCreated, 9).await;
    test.write("inb_2", EventType::MessageCreated, 2).await;
    test.write("team_1", EventType::ContactUpdated, 1).await;
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let (_, feed) = test.get(&format!("limit=2&cursor={cursor}")).await;
        let page = numbers(&feed);
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        pages += 1;
        assert!(pages < 20, "the feed has no end");
        if pages == 2 {
            let ids: Vec<_> = seen.iter().chain(&page).map(|(id, _): &(String, u64)| id.as_str()).collect();
            assert!(ids.contains(&"inb_2") && ids.contains(&"team_1"), "{ids:?}");
        }
        seen.extend(page);
        cursor = next(&feed);
    }
    seen.sort();
    assert_eq!(seen, [of("inb_1", 1..=9), of("inb_2", 1..=2), of("team_1", 1..=1)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_decide_at_each_request_what_a_reader_gets() {
    let test = Fixture::start().await;
    let cursor = test.cursor().await;
    test.write("inb_3", EventType::MessageCreated, 2).await;
    test.write("inb_2", EventType::MessageCreated, 2).await;
    test.join("inb_3").await;
    let (audit, inbox) = ("test", test.inbox("inb_2"));
    let audit = AuditEvent { actor: &test.app.user.id, action: "test", target: audit, at: now(), entropy: 1 };
    let members = Members::new(test.app.table());
    members.remove(inbox.team_key(), inbox.key(), &test.app.user.id, &audit).await.unwrap();

    let feed = test.feed(&cursor).await;
    assert_eq!(numbers(&feed), [], "nothing from before the reader joined or after the reader left");
    assert_eq!((&feed["joined"], &feed["left"]), (&json!(["inb_3"]), &json!(["inb_2"])));
    test.write("inb_3", EventType::MessageCreated, 1).await;
    test.write("inb_2", EventType::MessageCreated, 1).await;
    assert_eq!(numbers(&test.feed(&next(&feed)).await), of("inb_3", 3..=3));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_imports_are_for_admins_and_others_skip_their_numbers() {
    let test = Fixture::start().await;
    test.app.add_user(test.app.organization(), &build::user("bob"), &[("team_1", Role::Admin)]).await;
    let cursor = test.cursor().await;
    let (_, feed) = test.get_as("bob", test.app.table(), "").await;
    let of_bob = next(&feed);
    test.write("team_1", EventType::ImportChanged, 1).await;
    test.write("team_1", EventType::ContactUpdated, 1).await;
    assert_eq!(numbers(&test.feed(&cursor).await), of("team_1", 2..=2));
    let (_, feed) = test.get_as("bob", test.app.table(), &format!("cursor={of_bob}")).await;
    assert_eq!(numbers(&feed), of("team_1", 1..=2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_cursor_names_what_to_load_again_and_loses_nothing_else() {
    let test = Fixture::start().await;
    let cursor = test.cursor().await;
    test.write("inb_1", EventType::MessageCreated, 3).await;
    test.write("inb_2", EventType::MessageCreated, 1).await;
    test.expire("inb_1", 1).await;

    let (status, problem) = test.get(&format!("cursor={cursor}")).await;
    assert_eq!((status, &problem["code"]), (410, &json!("cursor_expired")));
    assert_eq!(problem["resync"], json!(["inb_1"]));
    let feed = test.feed(&next(&problem)).await;
    assert_eq!(numbers(&feed), of("inb_2", 1..=1));
    test.write("inb_1", EventType::MessageCreated, 1).await;
    assert_eq!(numbers(&test.feed(&next(&feed)).await), of("inb_1", 4..=4));
    assert!(EVENT_RETENTION >= Duration::from_hours(72), "three days");
}

/// Expired events are deleted in no order.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_before_an_event_that_is_gone() {
    let test = Fixture::start().await;
    let cursor = test.cursor().await;
    test.write("inb_1", EventType::MessageCreated, 4).await;
    test.expire("inb_1", 3).await;
    let feed = test.feed(&cursor).await;
    assert_eq!(numbers(&feed), of("inb_1", 1..=2));
    let (status, problem) = test.get(&format!("cursor={}", next(&feed))).await;
    assert_eq!((status, &problem["resync"]), (410, &json!(["inb_1"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_user_or_a_changed_one_is_refused() {
    let test = Fixture::start().await;
    test.app.add_user(test.app.organization(), &build::user("bob"), &[("team_1", Role::Admin)]).await;
    let cursor = test.cursor().await;
    for (user, cursor) in [("bob", cursor.clone()), ("ada", format!("{cursor}A")), ("ada", "x".into())] {
        let (status, problem) = test.get_as(user, test.app.table(), &format!("cursor={cursor}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("bad_cursor")), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_inboxes_and_teams_has_an_empty_feed() {
    let test = Fixture::start().await;
    let (status, feed) = test.get_as("nina", test.app.table(), "").await;
    assert_eq!((status, &feed["items"]), (200, &json!([])));
    let cursor = next(&feed);
    let (status, feed) = test.get_as("nina", test.app.table(), &format!("cursor={cursor}")).await;
    assert_eq!((status, &feed["items"]), (200, &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_without_news_costs_two_requests_and_half_a_unit_for_each_inbox_and_team() {
    let test = Fixture::start().await;
    for id in ["inb_1", "inb_2", "team_1"] {
        test.write(id, EventType::InboxChanged, 1).await;
    }
    let cursor = test.cursor().await;
    let meter = Meter::default();
    let config = test.app.engine.patient_config().interceptor(meter.clone()).build();
    let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE);
    let before = meter.bill();
    let (status, _) = test.get_as("ada", table, &format!("cursor={cursor}")).await;
    let bill = meter.bill() - before;
    assert_eq!((status, bill.requests), (200, 2));
    // The memberships are one unit, and the three numbers half a unit each.
    assert!((bill.read - 2.5).abs() < f64::EPSILON && bill.write.abs() < f64::EPSILON, "{bill:?}");
}
