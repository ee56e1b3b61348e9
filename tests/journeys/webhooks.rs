//! Outgoing webhooks: what a receiver of an integrator gets. The local stack reaches 127.0.0.1.

use std::time::{Duration, Instant};

use product_tests::{
    Client, ConversationRef, EVENT_TIMEOUT, Phone, SharedInbox, Stack, TestTeam, eventually,
};
use serde_json::{Value, json};
use shared_domain::webhook::delivery::ATTEMPT_TIMEOUT;
use standardwebhooks::Webhook;
use test_kit::webhook_receiver::{Behavior, Received, WebhookReceiver};

const ENDPOINTS: &str = "/v1/webhook-endpoints";
/// How many deliveries to a receiver hang. One after the other, they would take a minute.
const MANY: u32 = 4;

/// An endpoint and the user who manages it.
struct Endpoint {
    user: Client,
    path: String,
    secret: String,
}

impl Endpoint {
    async fn create(user: &Client, body: Value) -> Self {
        let created = user.post(ENDPOINTS, body).await.expect(201);
        let id = created["endpointId"].as_str().expect("an ID");
        let secret = created["secret"].as_str().expect("a secret").to_owned();
        Self { user: user.clone(), path: format!("{ENDPOINTS}/{id}"), secret }
    }

    async fn of_inbox(
        team: &TestTeam,
        inbox: &SharedInbox,
        types: &[&str],
        receiver: &WebhookReceiver,
    ) -> Self {
        let body = json!({ "url": receiver.url, "types": types, "inboxIds": [inbox.id] });
        Self::create(&team.admin, body).await
    }

    /// Waits for a delivery in this state and returns it.
    async fn delivery(&self, state: &str) -> Value {
        eventually(&format!("a delivery that is {state}"), EVENT_TIMEOUT, async || {
            let page = self.user.get(&format!("{}/deliveries", self.path)).await.expect(200);
            page["items"].as_array().expect("items").iter().find(|one| one["state"] == state).cloned()
        })
        .await
    }

    async fn remove(&self) {
        self.user.delete(&self.path).await.expect(204);
    }
}

/// Waits for this number of requests and returns them.
async fn requests(receiver: &WebhookReceiver, count: usize) -> Vec<Received> {
    eventually(&format!("{count} webhooks"), EVENT_TIMEOUT, async || {
        Some(receiver.received()).filter(|received| received.len() >= count)
    })
    .await
}

fn is_signed(received: &Received, secret: &str) -> bool {
    let verifier = Webhook::new(secret).expect("a secret of Standard Webhooks");
    verifier.verify(received.body.as_bytes(), &received.headers).is_ok()
}

async fn team_with_inbox(stack: &Stack, name: &str) -> (TestTeam, SharedInbox) {
    let team = TestTeam::create(stack, name, "amelia").await;
    let inbox = team.create_inbox(name).await;
    team.register(&stack.carrier()).await;
    (team, inbox)
}

async fn message(stack: &Stack, team: &TestTeam, inbox: &SharedInbox, text: &str) -> ConversationRef {
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.number, text).await;
    stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await
}

/// Product 10: signed webhooks with types and inboxes, rotation with overlap, replay, test.
#[tokio::test]
async fn a_receiver_gets_signed_events_of_the_types_and_inboxes_of_its_endpoint() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Webhooks").await;
    let other = team.create_inbox("Webhooks of nobody").await;
    let receiver = WebhookReceiver::start().await;
    let endpoint = Endpoint::of_inbox(&team, &inbox, &["message.created"], &receiver).await;

    message(&stack, &team, &other, "Not for this endpoint.").await;
    let conversation = message(&stack, &team, &inbox, "Is the office open?").await;
    let received = requests(&receiver, 1).await.remove(0);
    assert!(is_signed(&received, &endpoint.secret), "{:?}", received.headers);
    let body = received.json();
    let event = &body["data"];
    assert_eq!((&body["type"], &event["type"]), (&json!("message.created"), &json!("message.created")));
    assert_eq!((&event["inboxId"], &event["conversationId"]), (&json!(inbox.id), &json!(conversation.id)));
    assert_eq!(
        (&event["data"]["text"], &event["eventId"]),
        (&json!("Is the office open?"), &json!(received.header("webhook-id")))
    );

    let delivered = endpoint.delivery("succeeded").await;
    assert_eq!(
        (&delivered["attempts"][0]["status"], &delivered["type"]),
        (&json!(204), &json!("message.created"))
    );
    let rotated =
        endpoint.user.post(&format!("{}/rotate-secret", endpoint.path), Value::Null).await.expect(200);
    let replay =
        format!("{}/deliveries/{}/replay", endpoint.path, delivered["deliveryId"].as_str().expect("an ID"));
    endpoint.user.post(&replay, Value::Null).await.expect(202);
    let replayed = requests(&receiver, 2).await.remove(1);
    assert_eq!(
        (replayed.header("webhook-id"), &replayed.body),
        (received.header("webhook-id"), &received.body)
    );
    for secret in [&endpoint.secret, rotated["secret"].as_str().expect("a secret")] {
        assert!(is_signed(&replayed, secret), "the replaced secret signs for a day");
    }

    endpoint.user.post(&format!("{}/test", endpoint.path), Value::Null).await.expect(202);
    assert_eq!(requests(&receiver, 3).await[2].json()["type"], "test");
    assert_eq!(receiver.received().len(), 3, "no message of the other inbox");
    endpoint.remove().await;
    message(&stack, &team, &inbox, "Nobody listens.").await;
    assert_eq!(receiver.received().len(), 3);
}

/// Product 10: a failed delivery is retried, and a receiver that hangs delays no other one.
#[tokio::test]
async fn a_failure_is_retried_and_a_receiver_that_hangs_delays_no_other_one() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Slow webhooks").await;
    let (hanging, failing, quick) =
        (WebhookReceiver::start().await, WebhookReceiver::start().await, WebhookReceiver::start().await);
    hanging.behave(Behavior::Hang);
    failing.behave(Behavior::Status(500));
    let mut endpoints = Vec::new();
    for receiver in [&hanging, &failing, &quick] {
        endpoints.push(Endpoint::of_inbox(&team, &inbox, &["message.created"], receiver).await);
    }
    message(&stack, &team, &inbox, "First").await;
    requests(&hanging, 1).await;
    requests(&quick, 1).await;
    let first = requests(&failing, 1).await.remove(0);
    failing.behave(Behavior::Status(200));
    // Tests of an endpoint are queued at once. Events may come behind those of a large import.
    let test = async |endpoint: &Endpoint| {
        endpoint.user.post(&format!("{}/test", endpoint.path), Value::Null).await.expect(202)
    };
    let [of_hanging, _, of_quick] = &endpoints[..] else { panic!("three endpoints") };
    for _ in 0..MANY {
        test(of_hanging).await;
    }
    let began = Instant::now();
    test(of_quick).await;
    requests(&quick, 2).await;
    let (waited, limit) = (began.elapsed(), ATTEMPT_TIMEOUT * (MANY / 2));
    assert!(waited < limit, "it came {waited:?} after {MANY} that hang");

    let is_retry = |received: &&Received| received.header("webhook-id") == first.header("webhook-id");
    let retried = eventually("a retry", EVENT_TIMEOUT, async || {
        failing.received().iter().filter(is_retry).nth(1).cloned()
    });
    let retried = retried.await;
    assert!(retried.at.duration_since(first.at) >= Duration::from_secs(3), "not at once");
    assert!(is_signed(&retried, &endpoints[1].secret));
    for endpoint in endpoints {
        endpoint.remove().await;
    }
}

/// Product 10: 410 disables an endpoint with an e-mail. Enabled again, it recovers what failed.
#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_with_an_e_mail_and_recovers_after_it_is_enabled() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Gone webhooks").await;
    let receiver = WebhookReceiver::start().await;
    receiver.behave(Behavior::Status(410));
    let endpoint = Endpoint::of_inbox(&team, &inbox, &["message.*"], &receiver).await;
    message(&stack, &team, &inbox, "Is anybody there?").await;
    let failed = endpoint.delivery("failed").await;
    assert_eq!(failed["nextAttemptAt"], Value::Null);
    let view = endpoint.user.get(&endpoint.path).await.expect(200);
    assert_eq!((&view["status"], &view["disabledReason"]), (&json!("disabled"), &json!("gone")));
    let recover = format!("{}/recover", endpoint.path);
    let since = json!({ "since": failed["createdAt"] });
    endpoint.user.post(&recover, since.clone()).await.problem(409, "endpoint_disabled");

    receiver.behave(Behavior::Status(204));
    endpoint.user.patch(&endpoint.path, json!({ "status": "enabled" })).await.expect(200);
    let recovered = endpoint.user.post(&recover, since).await.expect(202);
    assert!(recovered["queued"].as_u64() >= Some(1), "{recovered}");
    let delivered = endpoint.delivery("succeeded").await;
    assert_eq!(delivered["webhookId"], failed["webhookId"]);
    endpoint.remove().await;
}

/// Product 10: webhooks reach no address inside, and an endpoint exists only for those who manage it.
#[tokio::test]
async fn hostile_urls_are_refused_and_a_removed_admin_manages_no_endpoint() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Guarded webhooks").await;
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1",
        "https://[::1]:8443",
        "http://127.0.0.2:9001",
        "https://receiver.example:22",
        "https://ada@receiver.example",
        "http://receiver.example",
        "http://127.0.0.1.receiver.example",
        "file:///etc/passwd",
    ] {
        let body = json!({ "url": url, "types": ["*"], "inboxIds": [inbox.id] });
        team.admin.post(ENDPOINTS, body).await.problem(422, "url_not_allowed");
    }
    let owner = stack.user("olivia");
    owner.put(&team.member("carla"), json!({ "role": "admin" })).await.expect(200);
    let carla = stack.user("carla");
    let body = json!({ "url": "https://receiver.example", "types": ["*"], "inboxIds": [inbox.id] });
    let endpoint = Endpoint::create(&carla, body.clone()).await;
    carla.get(&endpoint.path).await.expect(200);
    owner.delete(&team.member("carla")).await.expect(204);
    carla.get(&endpoint.path).await.problem(404, "not_found");
    carla.post(&format!("{}/test", endpoint.path), Value::Null).await.problem(404, "not_found");
    let refused = carla.post(ENDPOINTS, body).await;
    assert!(matches!(refused.status, 403 | 422), "{refused}");
    let of_admin = Endpoint { user: team.admin.clone(), ..endpoint };
    of_admin.remove().await;
}
