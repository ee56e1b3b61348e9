//! Outgoing webhooks: endpoints and who manages them, deliveries to receivers of all kinds, the sweep, and
//! the fan-out of events.

mod attempts;
mod deliveries;
mod endpoints;
mod fanout;
mod sweep;

use serde_json::{Value, json};
use shared_app::webhook::Resolver;
use shared_aws::{
    clients::WebhookJob,
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::{
    ids::{EventId, WebhookDeliveryId, WebhookEndpointId},
    time::Timestamp,
    webhook::{delivery::Delivery, endpoint::WebhookEndpoint, url::AllowedAddresses},
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock;
use test_kit::{
    TestApp, build,
    gateway::{Event, pointers, status_and_json},
    lambda_event::{event, sqs_record},
    queue::webhook_queue,
    webhook_receiver::{Behavior, Received, WebhookReceiver},
};
use webhook_deliver::Sender;

const ORGANIZATION: &str = "org_1";
const ROUTE: &str = "/v1/webhook-endpoints";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Two organizations with teams, and the functions of webhooks. Names resolve to a public address, except
/// `inside.example`. The receiver is allowed.
pub(crate) struct Webhooks {
    test: TestApp,
    api: webhook_endpoints::App,
    worker: webhook_deliver::App,
}

fn resolver() -> Resolver {
    Resolver::with(async |name: String| match name.as_str() {
        "inside.example" => Ok(vec!["3.5.8.13".parse().unwrap(), "10.0.0.7".parse().unwrap()]),
        "local.example" => Ok(vec!["127.0.0.1".parse().unwrap()]),
        "unknown.example" => Err(std::io::Error::other("no such name")),
        _ => Ok(vec!["3.5.8.13".parse().unwrap()]),
    })
}

impl Webhooks {
    pub(crate) async fn start() -> Self {
        let test = TestApp::with_two_teams().await;
        let allowed = AllowedAddresses::parse("127.0.0.1").unwrap();
        let queue = || webhook_queue(&test.queue.url);
        let (claims, cursors) = (Claims::standard(), Cursors::fixed("secret"));
        let api = webhook_endpoints::App::new(&test.table(), queue(), claims, cursors);
        let api = api.with_resolver(resolver()).with_allowed(allowed);
        let sender = Sender::new(resolver(), "127.0.0.1").unwrap();
        let worker = webhook_deliver::App::new(&test.table(), queue(), sender);
        Self { test, api, worker }
    }

    async fn call(&self, event: &Event) -> (u16, Value) {
        self.call_at(event, NOW).await
    }

    async fn call_at(&self, event: &Event, now: Timestamp) -> (u16, Value) {
        let router = webhook_endpoints::router(self.api.clone());
        status_and_json(&answer(&router, now, clock::entropy(), event.request()).await)
    }

    /// Creates an endpoint of the owner that gets all events.
    pub(crate) async fn create(&self, url: &str) -> (WebhookEndpointId, String) {
        let (status, created) = self.call(&create("olga", &json!({ "url": url, "types": ["*"] }))).await;
        assert_eq!(status, 201, "{created}");
        let id = WebhookEndpointId::parse(created["endpointId"].as_str().unwrap()).unwrap();
        (id, created["secret"].as_str().unwrap().to_owned())
    }

    fn endpoints(&self) -> WebhookEndpoints {
        WebhookEndpoints::new(self.test.table())
    }

    fn deliveries(&self) -> WebhookDeliveries {
        WebhookDeliveries::new(self.test.table())
    }

    async fn endpoint(&self, id: &WebhookEndpointId) -> WebhookEndpoint {
        self.endpoints().get(&build::organization_id(ORGANIZATION), id).await.unwrap().unwrap()
    }

    async fn delivery(&self, endpoint: &WebhookEndpointId, id: &WebhookDeliveryId) -> Delivery {
        self.deliveries().get(&build::organization_id(ORGANIZATION), endpoint, id).await.unwrap().unwrap()
    }

    /// Stores a delivery and returns it with the message of its first attempt.
    pub(crate) async fn add_delivery(
        &self,
        endpoint: &WebhookEndpointId,
        index: u64,
    ) -> (Delivery, WebhookJob) {
        let event = EventId::of_record(&index.to_string(), 0);
        let body = json!({ "type": "message.created", "index": index }).to_string();
        let organization = build::organization_id(ORGANIZATION);
        let delivery = Delivery::new(endpoint, &organization, event, "message.created", body, NOW);
        self.deliveries().create(&delivery).await.unwrap();
        let job = WebhookJob::of(&delivery);
        (delivery, job)
    }

    /// Runs the worker with these messages in one batch. Returns the ids of those that failed.
    pub(crate) async fn work_at(&self, bodies: &[String], now: Timestamp) -> Vec<String> {
        let record = |(index, body): (usize, &String)| sqs_record(&index.to_string(), None, body, 1);
        let batch = event(bodies.iter().enumerate().map(record).collect());
        let response = webhook_deliver::handle(&self.worker, now, || 200, batch).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    async fn work(&self, job: &WebhookJob) {
        assert_eq!(self.work_at(&[job.body()], NOW).await, Vec::<String>::new());
    }

    /// Removes and returns the messages of the webhook queue with their delays.
    fn queued(&self) -> Vec<(WebhookJob, u64)> {
        let jobs = self.test.queue.drain().into_iter().map(|body| WebhookJob::parse(&body).unwrap());
        jobs.zip(self.test.queue.drain_send_delays()).collect()
    }
}

fn create(user: &str, body: &Value) -> Event {
    Event::new(&format!("POST {ROUTE}"), &[]).user(ORGANIZATION, user).json(body)
}

/// An event of a route below one endpoint.
fn at(route: &str, user: &str, endpoint: &WebhookEndpointId) -> Event {
    let (method, rest) = route.split_once(' ').unwrap();
    let route = format!("{method} {ROUTE}/{{endpointId}}{rest}");
    Event::new(&route, &[("endpointId", endpoint.as_str())]).user(ORGANIZATION, user)
}

/// Whether the public library of Standard Webhooks makes one of the signatures of a request.
fn is_signed(received: &Received, secret: &str) -> bool {
    let timestamp = received.header("webhook-timestamp").parse().unwrap();
    let library = standardwebhooks::Webhook::new(secret).unwrap();
    let signature = library.sign(received.header("webhook-id"), timestamp, received.body.as_bytes()).unwrap();
    received.header("webhook-signature").split(' ').any(|one| one == signature)
}
