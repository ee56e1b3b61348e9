//! `webhook-fanout`: which endpoints get an event, and what a repeated message does.

use shared_aws::event::{EventLog, PublishedEvent};
use shared_domain::{
    event::{EventScope, EventType, NewEvent},
    ids::TeamId,
};
use webhook_fanout::{App, body, handle};

use super::*;

struct Fanout {
    webhooks: Webhooks,
    app: App,
}

impl Fanout {
    async fn start() -> Self {
        let webhooks = Webhooks::start().await;
        let app = App::new(&webhooks.test.table(), webhook_queue(&webhooks.test.queue.url));
        Self { webhooks, app }
    }

    /// Stores an event and returns the message of the topic.
    async fn publish(&self, record: &str, kind: EventType, inbox: Option<&str>, team: &str) -> String {
        let organization = build::organization_id(ORGANIZATION);
        let scope = match inbox {
            Some(inbox) => EventScope::Inbox { organization, inbox: build::inbox_id(inbox) },
            None => EventScope::Team { organization, team: build::team_id(team) },
        };
        let event = NewEvent {
            id: EventId::of_record(record, 0),
            kind,
            at: NOW,
            scope: scope.clone(),
            team: Some(build::team_id(team)),
            conversation: None,
            message: None,
            data: json!({ "text": "The visit is on Friday." }).to_string(),
        };
        let appended =
            EventLog::new(self.webhooks.test.table()).append(&scope, std::slice::from_ref(&event), NOW).await;
        serde_json::to_string(&PublishedEvent::of(&appended.stored[0])).unwrap()
    }

    async fn deliver(&self, bodies: &[&str]) -> Vec<String> {
        let record = |(index, body): (usize, &&str)| sqs_record(&index.to_string(), None, body, 1);
        let batch = event(bodies.iter().enumerate().map(record).collect());
        let response = handle(&self.app, batch).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    fn endpoints_of_queue(&self) -> Vec<WebhookEndpointId> {
        let mut found: Vec<_> = self.webhooks.queued().into_iter().map(|(job, _)| job.endpoint).collect();
        found.sort();
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_delivered_once_to_each_endpoint_that_gets_it() {
    let fanout = Fanout::start().await;
    let receiver = WebhookReceiver::start().await;
    let (all, _) = fanout.webhooks.create(&receiver.url).await;
    let body_of_admin = json!({ "url": receiver.url, "types": ["message.created"] });
    let (_, of_admin) = fanout.webhooks.call(&create("ada", &body_of_admin)).await;
    let of_admin = WebhookEndpointId::parse(of_admin["endpointId"].as_str().unwrap()).unwrap();
    let mut both = vec![all.clone(), of_admin];
    both.sort();

    let message = fanout.publish("e1", EventType::MessageCreated, Some("inb_1"), "team_1").await;
    assert!(fanout.deliver(&[&message]).await.is_empty());
    let jobs = fanout.webhooks.queued();
    let mut found: Vec<_> = jobs.iter().map(|(job, _)| job.endpoint.clone()).collect();
    found.sort();
    assert_eq!(found, both);
    for (job, _) in &jobs {
        fanout.webhooks.work(job).await;
    }
    assert!(fanout.deliver(&[&message]).await.is_empty(), "delivered twice by the topic");
    for (job, _) in fanout.webhooks.queued() {
        fanout.webhooks.work(&job).await;
    }
    let received = receiver.received();
    assert_eq!(received.len(), 2, "one for each endpoint");
    let json = received[0].json();
    assert_eq!((&json["type"], &json["timestamp"]), (&json!("message.created"), &json!(NOW.to_string())));
    assert_eq!(json["data"]["eventId"], received[0].header("webhook-id"));
    assert_eq!(
        (&json["data"]["sequence"], &json["data"]["data"]["text"]),
        (&json!(1), &json!("The visit is on Friday."))
    );

    let updated = fanout.publish("e2", EventType::MessageUpdated, Some("inb_1"), "team_1").await;
    let of_other_team = fanout.publish("e3", EventType::MessageCreated, Some("inb_2"), "team_2").await;
    let contact = fanout.publish("e4", EventType::ContactUpdated, None, "team_2").await;
    assert!(fanout.deliver(&[&updated, &of_other_team, &contact]).await.is_empty());
    assert_eq!(fanout.endpoints_of_queue(), vec![all; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_unknown_types_and_expired_events_are_not_delivered() {
    let fanout = Fanout::start().await;
    fanout.webhooks.create("https://receiver.example").await;
    let lock = fanout.publish("e1", EventType::LockAcquired, Some("inb_1"), "team_1").await;
    let unknown = lock.replace("lock.acquired", "viewer.changed");
    let expired =
        lock.replace("lock.acquired", "message.created").replace("\"sequence\":1", "\"sequence\":7");
    assert!(fanout.deliver(&[&lock, &unknown, &expired]).await.is_empty());
    assert_eq!(fanout.endpoints_of_queue(), []);
    assert_eq!(fanout.deliver(&["nonsense"]).await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_an_attempt_makes_the_topic_deliver_again() {
    let fanout = Fanout::start().await;
    let (id, _) = fanout.webhooks.create("https://receiver.example").await;
    let message = fanout.publish("e1", EventType::MessageCreated, Some("inb_1"), "team_1").await;
    fanout.webhooks.test.queue.refuse(&["0"]);
    assert_eq!(fanout.deliver(&[&message]).await, ["0"]);
    fanout.webhooks.test.queue.refuse(&[]);
    assert!(fanout.deliver(&[&message]).await.is_empty());
    assert_eq!(fanout.endpoints_of_queue(), [id]);
}

#[test]
fn a_body_that_is_too_large_has_the_event_without_its_data() {
    let organization = build::organization_id(ORGANIZATION);
    let event = |text: &str| shared_domain::event::Event {
        sequence: 1,
        event: NewEvent {
            id: EventId::of_record("e", 0),
            kind: EventType::MessageCreated,
            at: NOW,
            scope: EventScope::Team {
                organization: organization.clone(),
                team: TeamId::parse("team_1").unwrap(),
            },
            team: None,
            conversation: None,
            message: None,
            data: json!({ "text": text }).to_string(),
        },
    };
    let small: Value = serde_json::from_str(&body(event("x"))).unwrap();
    assert_eq!(small["data"]["data"], json!({ "text": "x" }));
    let text = body(event(&"x".repeat(30_000)));
    let large: Value = serde_json::from_str(&text).unwrap();
    assert!(text.len() < 1_000 && large["data"]["data"].is_null() && large["data"]["eventId"].is_string());
}
