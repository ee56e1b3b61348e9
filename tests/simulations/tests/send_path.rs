//! The whole path of a message from its acceptance to its outcome: relay, queue, sender and reconciler over
//! one table and the carrier simulator.

use std::time::Duration;

use aws_lambda_events::event::{dynamodb, sqs::SqsEvent};
use futures_util::{StreamExt, stream};
use outbox_relay::Queues;
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, MailQueue, MediaQueue},
    conversation::Conversations,
    messaging::{Acceptance, Accepted, Guard, Messages, Outbox},
    table::Table,
};
use shared_domain::{
    broadcast::BroadcastRef,
    message::{
        DeliveryState::{self, Failed, Queued, Sent},
        Message,
    },
    time::Timestamp,
};
use shared_lambda::clock;
use test_kit::{
    TestApp,
    carrier::{FakeCarrier, client_at},
    crash::{CrashPoint, CrashingProxy},
    engine::TABLE,
    queue::{FakeQueue, broadcast_queue, import_queue, received_sends, send_queues},
    twilio::callbacks,
};

use crate::test_inbox::TestInbox;

/// `maxReceiveCount` of the send queue.
pub(crate) const MAX_RECEIVES: u32 = 5;
/// The names of the queues of messages and of texts of broadcasts.
pub(crate) const MESSAGE_QUEUE: &str = "send.fifo";
pub(crate) const TEXT_QUEUE: &str = "broadcast-send.fifo";
const GRACE: Duration = Duration::from_secs(300);
/// More runs than any number of messages needs.
const MAX_RUNS: u32 = 1_000;
/// How long the sender waits for the carrier. Short, because timeouts are part of the tests.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(300);

/// Everything that takes part in sending.
pub(crate) struct SendPath {
    pub(crate) inbox: TestInbox,
    /// The table as the hosts reach it.
    pub(crate) table: Table,
}

/// The services as one host reaches them.
pub(crate) struct Host {
    pub(crate) table: Table,
    pub(crate) queue: String,
    pub(crate) carrier: String,
    pub(crate) carrier_timeout: Duration,
}

impl Host {
    fn queues(&self) -> Queues {
        let (aws, url) = (Aws::loopback(&self.queue), format!("{}/queue.fifo", self.queue));
        Queues {
            messages: send_queues(&self.queue),
            notifications: MailQueue::new(&aws, &url),
            media: MediaQueue::new(&aws, &url),
        }
    }

    pub(crate) fn relay(&self) -> outbox_relay::App {
        outbox_relay::App::new(&self.table, self.queues())
    }

    pub(crate) fn sender(&self) -> outbound_send::App {
        let client = client_at(&self.carrier, self.carrier_timeout);
        let received = received_sends(&self.queue);
        let bucket = TestApp::unreachable_bucket();
        outbound_send::App::new(self.table.clone(), bucket, client, callbacks(), received, MAX_RECEIVES)
    }

    pub(crate) fn reconciler(&self) -> send_reconcile::App {
        let queues = self.queues();
        let carrier = client_at(&self.carrier, Duration::from_secs(5));
        send_reconcile::App::new(
            self.table.clone(),
            carrier,
            queues,
            import_queue(&self.queue),
            broadcast_queue(&self.queue),
            GRACE,
        )
    }
}

impl SendPath {
    pub(crate) async fn start(contacts: usize) -> Self {
        let inbox = TestInbox::start(contacts).await;
        Self { table: inbox.table(), inbox }
    }

    pub(crate) fn carrier(&self) -> &FakeCarrier {
        &self.inbox.app.carrier
    }

    pub(crate) fn queue(&self) -> &FakeQueue {
        &self.inbox.app.queue
    }

    pub(crate) async fn accept(&self, contact: usize) -> Message {
        let message = self.inbox.message(contact, &self.inbox.app.user, clock::now(), clock::entropy());
        self.accept_message(message).await
    }

    /// Accepts a composed message, or a text of a broadcast.
    pub(crate) async fn accept_at(
        &self,
        contact: usize,
        text: &str,
        of: Option<BroadcastRef>,
        at: Timestamp,
    ) -> Message {
        let message = self.inbox.message(contact, &self.inbox.app.user, at, clock::entropy());
        let message = Message { text: text.to_owned(), broadcast: of, ..message };
        self.inbox.app.accept(message.clone()).await;
        message
    }

    async fn accept_message(&self, message: Message) -> Message {
        let acceptance = Acceptance {
            organization: self.inbox.organization(),
            message: &message,
            contact: &self.inbox.provisional_contact(&message),
            guard: Guard::Compose { user: None },
            idempotency: None,
        };
        assert_eq!(self.inbox.sends.accept(acceptance).await.unwrap(), Accepted::Stored);
        message
    }

    /// Returns a host that does not crash.
    pub(crate) fn host(&self) -> Host {
        let (queue, carrier) = (self.queue().url.clone(), self.carrier().url.clone());
        Host { table: self.table.clone(), queue, carrier, carrier_timeout: SHORT_TIMEOUT }
    }

    /// Returns a host that crashes at this point. Its connections are open until the proxies are dropped.
    pub(crate) async fn crashing_host(&self, crash_point: &CrashPoint) -> (Host, [CrashingProxy; 3]) {
        let table = CrashingProxy::start(&self.inbox.app.engine.endpoint, crash_point).await;
        let queue = CrashingProxy::start(&self.queue().url, crash_point).await;
        let carrier = CrashingProxy::start(&self.carrier().url, crash_point).await;
        let host = Host {
            table: Table::of(&Aws::loopback(&table.url), TABLE),
            queue: queue.url.clone(),
            carrier: carrier.url.clone(),
            carrier_timeout: SHORT_TIMEOUT,
        };
        (host, [table, queue, carrier])
    }

    pub(crate) fn relay(&self) -> outbox_relay::App {
        self.host().relay()
    }

    pub(crate) fn sender(&self) -> outbound_send::App {
        self.host().sender()
    }

    pub(crate) fn reconciler(&self) -> send_reconcile::App {
        self.host().reconciler()
    }

    /// Returns the stream event of an accepted message's outbox item.
    pub(crate) fn stream_event(&self, message: &Message) -> dynamodb::Event {
        let mut image = json!({
            "pk": { "S": "OUTBOX#1" }, "sk": { "S": message.id.as_str() },
            "org": { "S": self.inbox.organization().as_str() },
            "at": { "N": message.created_at.millis().to_string() },
        });
        if message.broadcast.is_some() {
            image["broadcast"] = json!({ "BOOL": true });
        }
        let record = json!({
            "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
                "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
            },
        });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    }

    /// Runs the reconciler, now and twice after the grace period, until it resolves nothing more.
    pub(crate) async fn reconcile(&self) {
        let app = self.reconciler();
        for at in [clock::now(), after_the_grace_period(), after_the_grace_period()] {
            let mut runs = 0;
            while send_reconcile::handle(&app, at).await.unwrap().resolved > 0 {
                runs += 1;
                assert!(runs < MAX_RUNS, "the reconciler always resolves something");
            }
        }
    }

    /// Returns the final state of a message and the copies that the carrier accepted.
    ///
    /// # Errors
    /// If they do not agree, the message failed without a refusal of the carrier, or the conversation does
    /// not show a failure.
    pub(crate) async fn outcome(&self, message: &Message) -> Result<(DeliveryState, usize), String> {
        let messages = Messages::new(self.inbox.table());
        let found = messages.get(self.inbox.organization(), &message.id).await.unwrap().unwrap();
        let conversations = Conversations::new(self.inbox.table());
        let conversation = conversations.get(self.inbox.key(&message.conversation)).await.unwrap().unwrap();
        let shown = conversation.delivery_failed;
        let copies = self.carrier().accepted_messages(&message.contact_number).await;
        let state = found.delivery.state();
        let failure = found.delivery.report(Failed).and_then(|report| report.code.as_deref());
        if failure == Some("not_accepted") {
            return Err(format!("{} failed, although the carrier never refused it", message.id));
        }
        match (state, copies) {
            (Sent, 1) | (Failed | Queued, 0) if shown == (state == Failed) => Ok((state, copies)),
            _ => Err(format!("{} is {state:?} with {copies} copies, delivery_failed: {shown}", message.id)),
        }
    }

    /// Returns whether no message waits for the relay or the reconciler.
    pub(crate) async fn is_done(&self) -> bool {
        let outbox = Outbox::new(self.inbox.table());
        let overdue = outbox.overdue(after_the_grace_period()).await.unwrap();
        overdue.is_empty() && outbox.unknown().await.unwrap().is_empty()
    }
}

pub(crate) fn after_the_grace_period() -> Timestamp {
    clock::now() + (GRACE + Duration::from_secs(1))
}

/// Delivers a queue message. Returns `false` if the queue must deliver it again.
pub(crate) async fn deliver(app: &outbound_send::App, body: &str, receives: u32) -> bool {
    deliver_with(app, body, receives, MESSAGE_QUEUE, clock::now).await
}

/// Delivers a message of this queue at this time. Returns `false` if the queue must deliver it again.
pub(crate) async fn deliver_at(
    app: &outbound_send::App,
    body: &str,
    receives: u32,
    queue: &str,
    at: Timestamp,
) -> bool {
    deliver_with(app, body, receives, queue, || at).await
}

async fn deliver_with(
    app: &outbound_send::App,
    body: &str,
    receives: u32,
    queue: &str,
    clock: impl Fn() -> Timestamp,
) -> bool {
    let group = serde_json::from_str::<Value>(body).unwrap()["messageId"].clone();
    let record = json!({
        "messageId": "q", "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receives.to_string(), "MessageGroupId": group },
        "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "awsRegion": "us-east-1",
    });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    let answer = outbound_send::handle(app, clock, clock::entropy, event).await;
    answer.batch_item_failures.is_empty()
}

pub(crate) const MAX_CONCURRENCY: usize = 8;

/// Delivers all queue messages once. Returns those that the queue must deliver again.
pub(crate) async fn deliver_all(app: &outbound_send::App, jobs: Vec<String>, receives: u32) -> Vec<String> {
    let tries = stream::iter(jobs).map(|job| async move {
        let done = deliver(app, &job, receives).await;
        (!done).then_some(job)
    });
    tries.buffer_unordered(MAX_CONCURRENCY).filter_map(async |again| again).collect().await
}
