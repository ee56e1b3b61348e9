//! The flows, run through the handlers over a metered table. Contacts have an assigned user unless stated
//! otherwise, as imported contacts usually do.

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared_app::callbacks::SignedCallbacks;
use shared_aws::{
    clients::{Aws, Bucket, MailQueue, MediaQueue, ReceivedSends, SendQueues},
    table::keys,
};
use shared_carriers::callback::StatusCallbacks;
use shared_domain::{
    ids::{MessageId, OrganizationId},
    lock::LockPolicy,
    opt_out::KeywordReplies,
    user::UserRef,
};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock;
use test_kit::{gateway::Event, meter::Meter};
use tokio::sync::Mutex;
use tracing::instrument::WithSubscriber;

use super::{Count, Flow, Step, fakes, live::Live, log::Log, prices::Prices};
use crate::fixture::{ACCOUNT, BASE, Fixture, TEXT, expect_status, signed, webhook_accounts};

const SIGNING_SECRET: &str = "signing-secret";

const INBOUND: f64 = 4.00;
const OUTBOUND: f64 = 10.00;
const LOCK: f64 = 1.90;

/// A request of the HTTP API that one function answers.
const REQUEST: Count = Count {
    gateway: 1,
    invocations: 1.0,
    queued: 0.0,
    polled: 0.0,
    polled_standard: 0.0,
    published: 0.0,
    delivered: 0.0,
    frames: 0.0,
    carrier: 0,
    logged: 0.0,
    table: test_kit::meter::Bill { requests: 0, read: 0.0, write: 0.0 },
};

/// Returns all flows.
pub async fn all(prices: &Prices) -> Vec<Flow> {
    let log = Log::default();
    let measured = async {
        let app = Flows::start(prices, &log).await;
        let mut flows = app.inbound().await;
        flows.push(app.outbound(prices).await);
        flows.extend(app.lock().await);
        flows.extend(app.pages().await);
        flows
    };
    Box::pin(measured).with_subscriber(log.subscriber()).await
}

pub(super) struct Flows {
    pub(super) fixture: Fixture,
    pub(super) meter: Meter,
    pub(super) log: Log,
    inbound: inbound_sms::App,
    lock: conversation_lock::App,
    delivery: delivery_status::App,
    messages: messages::App,
    conversations: conversations::App,
    live: Mutex<Live>,
}

fn callbacks() -> SignedCallbacks {
    SignedCallbacks::fixed(BASE, SIGNING_SECRET)
}

fn bucket() -> Bucket {
    Bucket::new(&Aws::loopback("http://127.0.0.1:9"), "files")
}

impl Flows {
    pub(super) async fn start(prices: &Prices, log: &Log) -> Self {
        let (fixture, meter) = (Fixture::start().await, Meter::default());
        let table = fixture.table_with(meter.clone());
        let (claims, cursors) = (Claims::standard(), Cursors::fixed(SIGNING_SECRET));
        let limits = messages::Limits { reply: 1500, compose: 306 };
        Self {
            inbound: inbound_sms::App::new(table.clone(), webhook_accounts(), KeywordReplies::Carrier),
            lock: conversation_lock::App::new(table.clone(), Claims::standard(), LockPolicy::default()),
            delivery: delivery_status::App::new(table.clone(), webhook_accounts(), callbacks()),
            conversations: conversations::App::new(table.clone(), bucket(), claims, cursors),
            live: Mutex::new(Live::start(&fixture, &table, log, prices).await),
            messages: messages::App::new(table, bucket(), Claims::standard(), limits),
            fixture,
            meter,
            log: log.clone(),
        }
    }

    fn organization(&self) -> &OrganizationId {
        &self.fixture.inbox.organization
    }

    /// Returns the flow of steps whose changes are those since the last flow.
    pub(super) async fn flow(&self, name: &'static str, goal: Option<f64>, steps: Vec<Step>) -> Flow {
        let live = self.live.lock().await.follow(&self.fixture.engine, &self.meter).await;
        Flow { name, goal, steps, live, metrics: self.log.take_metrics() }
    }

    /// Forgets what was done until now.
    pub(super) async fn skip(&self) {
        self.live.lock().await.skip(&self.fixture.engine).await;
        self.meter.take_charges();
        self.log.take();
        self.log.take_metrics();
    }

    /// Returns the step of a handler that answered one request.
    fn request(&self, function: &'static str, answer: &Response<Body>, status: u16) -> (Step, Value) {
        let body = expect_status(answer, status);
        (Step::metered(function, &self.meter, Count { logged: self.log.take(), ..REQUEST }), body)
    }

    async fn text(&self, index: usize, nth: usize) -> Step {
        let request = self.fixture.inbound_webhook(index, nth).request();
        let answer = inbound_sms::handle(&self.inbound, clock::now(), 1, request).await;
        self.request("inbound-sms", &answer, 200).0
    }

    async fn inbound(&self) -> Vec<Flow> {
        for (index, assigned) in [(1, true), (2, false)] {
            self.fixture.add_contact(index, assigned).await;
            self.fixture.receive_message(index).await;
        }
        let mut flows = Vec::new();
        for (name, index, nth) in [
            ("inbound message, unread conversation with assigned user", 1, 1),
            ("inbound message, unread conversation without assigned user", 2, 1),
            ("inbound message, first of an unknown number", 3, 1),
            ("inbound message, redelivered", 1, 1),
        ] {
            self.skip().await;
            let steps = vec![self.text(index, nth).await];
            flows.push(self.flow(name, Some(INBOUND), steps).await);
        }
        flows
    }

    async fn locked(&self, event: Event, status: u16) -> (Step, Value) {
        let answer =
            serve::answer(&conversation_lock::router(self.lock.clone()), clock::now(), 0, event.request())
                .await;
        self.request("conversation-lock", &answer, status)
    }

    async fn lock(&self) -> Vec<Flow> {
        let (fixture, ada, ben) = (&self.fixture, &self.fixture.ada, &self.fixture.ben);
        fixture.add_contact(4, true).await;
        fixture.receive_message(4).await;
        self.skip().await;
        let flow = async |name, step| self.flow(name, Some(LOCK), vec![step]).await;
        let (unread, held) = self.locked(fixture.acquire(4, ada), 200).await;
        let unread = flow("acquire a lock, unread conversation", unread).await;
        self.locked(fixture.release(4, ada, token(&held)), 204).await;
        self.skip().await;
        let (acquire, held) = self.locked(fixture.acquire(4, ada), 200).await;
        let acquire = flow("acquire a lock", acquire).await;
        let (renew, _) = self.locked(fixture.renew(4, ada, token(&held)), 200).await;
        let renew = flow("renew a lock", renew).await;
        self.locked(fixture.acquire(4, ben), 423).await; // the first one also creates the list of the user's locks
        self.skip().await;
        let (refused, _) = self.locked(fixture.acquire(4, ben), 423).await;
        let refused = flow("acquire, refused", refused).await;
        let (release, _) = self.locked(fixture.release(4, ada, token(&held)), 204).await;
        let release = flow("release a lock", release).await;
        vec![acquire, unread, renew, refused, release]
    }

    /// Pages of 50 conversations, and of a conversation.
    async fn pages(&self) -> Vec<Flow> {
        for index in 100..150 {
            self.fixture.add_contact(index, true).await;
            self.fixture.receive_message(index).await;
        }
        let inbox = [("inboxId", self.fixture.inbox.id.as_str())];
        let user = self.fixture.ada.id.as_str();
        let list = Event::new("GET /v1/inboxes/{inboxId}/conversations", &inbox)
            .user(self.organization().as_str(), user);
        let route = "GET /v1/inboxes/{inboxId}/conversations/{conversationId}/messages";
        let history = self.fixture.conversation_request(route, 5, &self.fixture.ada);
        let mut flows = Vec::new();
        for (name, page) in [("page of 50 conversations", list), ("page of a conversation", history)] {
            self.skip().await;
            let router = conversations::router(self.conversations.clone());
            let answer = serve::answer(&router, clock::now(), 0, page.request()).await;
            let step = self.request("conversations", &answer, 200).0;
            let metrics = self.log.take_metrics();
            flows.push(Flow { name, goal: None, steps: vec![step], live: Vec::new(), metrics });
        }
        flows
    }

    async fn outbound(&self, prices: &Prices) -> Flow {
        let (fixture, ada) = (&self.fixture, &self.fixture.ada);
        fixture.add_contact(5, true).await;
        let seen = fixture.receive_message(5).await;
        let (_, held) = self.locked(fixture.acquire(5, ada), 200).await;
        self.skip().await;
        let (accepted, message) = self.reply(ada, &seen, token(&held)).await;
        let message = MessageId::parse(message["messageId"].as_str().unwrap()).unwrap();
        let mut flow = self.flow("reply, with two delivery reports", Some(OUTBOUND), vec![accepted]).await;
        for Flow { steps, live, metrics, .. } in self.deliver(&message, prices).await {
            flow.steps.extend(steps);
            flow.live.extend(live);
            flow.metrics.extend(metrics);
        }
        flow
    }

    /// Returns what follows the acceptance of a message: its way to the carrier, and two delivery reports.
    pub(super) async fn deliver(&self, message: &MessageId, prices: &Prices) -> Vec<Flow> {
        let mut flows = Vec::new();
        for step in ["relay", "send", "sent", "delivered"] {
            let step = match step {
                "relay" => self.relay(message, prices).await,
                "send" => self.send(message).await,
                status => self.callback(message, status).await,
            };
            flows.push(self.flow("", None, vec![step]).await);
        }
        flows
    }

    async fn reply(&self, user: &UserRef, seen: &MessageId, token: u64) -> (Step, Value) {
        let route = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages";
        let body = json!({ "text": TEXT, "lockToken": token, "lastSeenMessageId": seen.as_str() });
        let request = self.fixture.conversation_request(route, 5, user).json(&body).request();
        let answer =
            serve::answer(&messages::router(self.messages.clone()), clock::now(), clock::entropy(), request)
                .await;
        self.request("messages", &answer, 202)
    }

    async fn relay(&self, message: &MessageId, prices: &Prices) -> Step {
        let queue = fakes::Queue::open().await;
        let other = "http://127.0.0.1:9";
        let messages = SendQueues::new(&queue.aws(), &queue.url, other);
        let (notifications, media) =
            (MailQueue::new(&queue.aws(), other), MediaQueue::new(&queue.aws(), other));
        let app = outbox_relay::App::new(
            &self.fixture.table_with(self.meter.clone()),
            outbox_relay::Queues { messages, notifications, media },
        );
        let key = keys::outbox(&message.conversation().unwrap(), message);
        let image = json!({
            "pk": { "S": key.pk }, "sk": { "S": key.sk }, "at": { "N": clock::now().millis().to_string() },
            "org": { "S": self.organization().as_str() },
        });
        let record = json!({
            "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
                "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
            },
        });
        let event = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        outbox_relay::handle(&app, event).await.unwrap();
        let invocations = 1.0 / prices.assumptions.texts_per_relay;
        let queued = f64::from(queue.requests()) * invocations;
        let known = Count { invocations, queued, logged: self.log.take() * invocations, ..Count::default() };
        Step::metered("outbox-relay", &self.meter, known)
    }

    async fn send(&self, message: &MessageId) -> Step {
        let table = self.fixture.table_with(self.meter.clone());
        let aws = fakes::Queue::open().await.aws();
        let received = ReceivedSends::new(&aws, SendQueues::new(&aws, "none", "none"), "none");
        let app = outbound_send::App::new(table, bucket(), fakes::carrier().await, callbacks(), received, 5);
        let job = json!({ "organizationId": self.organization().as_str(), "messageId": message.as_str() });
        let record = json!({
            "messageId": "1", "receiptHandle": "r", "body": job.to_string(), "md5OfBody": "",
            "messageAttributes": {},
            "attributes": { "ApproximateReceiveCount": "1", "MessageGroupId": "g", "MessageDeduplicationId": "1",
                            "SequenceNumber": "1", "SentTimestamp": "1795341600000" },
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:send.fifo",
            "awsRegion": "us-east-1",
        });
        let event = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        let answer = outbound_send::handle(&app, clock::now, clock::entropy, event).await;
        assert!(answer.batch_item_failures.is_empty());
        // A batch is one message. The poller of the queue makes the requests to receive and delete it.
        let known =
            Count { invocations: 1.0, polled: 2.0, carrier: 1, logged: self.log.take(), ..Count::default() };
        Step::metered("outbound-send", &self.meter, known)
    }

    async fn callback(&self, message: &MessageId, status: &str) -> Step {
        let (organization, message) = (self.organization().as_str(), message.as_str());
        let url = StatusCallbacks::new(BASE).url(SIGNING_SECRET, organization, message);
        let query = url.split_once('?').unwrap().1;
        let sid = "SM99999999999999999999999999999999";
        let form = format!(
            "MessageSid={sid}&SmsSid={sid}&MessageStatus={status}&SmsStatus={status}&From=%2B12025550100\
             &To=%2B12025560005&AccountSid={ACCOUNT}&ApiVersion=2010-04-01"
        );
        let request = signed("POST /webhooks/twilio/status", query, &form).request();
        let answer = delivery_status::handle(&self.delivery, clock::now(), request).await;
        self.request("delivery-status", &answer, 200).0
    }
}

fn token(held: &Value) -> u64 {
    held["token"].as_u64().unwrap()
}
