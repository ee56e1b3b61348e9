//! Queues in memory with the operations of an operator: receiving, releasing, sending and deleting.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, DeadLetterQueue};

/// When every message was queued: `2026-11-28T09:00:00.000Z`.
const SENT_AT: &str = "1795856400000";

#[derive(Debug, Clone)]
struct QueuedMessage {
    queue: String,
    group: Option<String>,
    id: String,
    body: String,
    receives: u32,
    is_hidden: bool,
}

/// Queues at one endpoint. The source of a queue whose name starts with `dead-` is the queue with the rest of
/// that name, except for `dead-relay`, which a stream fills.
#[derive(Debug, Clone)]
pub struct FakeDeadLetterQueues {
    url: String,
    messages: Arc<Mutex<Vec<QueuedMessage>>>,
    /// The queue and action of each request.
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl FakeDeadLetterQueues {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queues = Self { url, messages: Arc::default(), requests: Arc::default() };
        let call = async |State(queues): State<Self>, headers: HeaderMap, body: String| {
            let body = serde_json::from_str(&body).unwrap();
            let target = headers["x-amz-target"].to_str().unwrap().to_owned();
            Json(queues.answer(target.trim_start_matches("AmazonSQS."), &body))
        };
        let router = Router::new().fallback(call).with_state(queues.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        queues
    }

    /// Returns a client of the dead-letter queue `dead-{name}`.
    pub fn client(&self, name: &str) -> DeadLetterQueue {
        DeadLetterQueue::new(&Aws::loopback(&self.url), format!("{}/dead-{name}", self.url))
    }

    /// Returns the URL of a queue.
    pub fn url_of(&self, queue: &str) -> String {
        format!("{}/{queue}", self.url)
    }

    /// Adds a message to a queue.
    pub fn push(&self, queue: &str, id: &str, body: &str) {
        self.add(queue, None, id, body);
    }

    /// Adds a message of a group to a queue. As in a FIFO queue, messages of the group are hidden while one
    /// of them is.
    pub fn push_to_group(&self, queue: &str, group: &str, id: &str, body: &str) {
        self.add(queue, Some(group), id, body);
    }

    fn add(&self, queue: &str, group: Option<&str>, id: &str, body: &str) {
        let (queue, id, body) = (queue.to_owned(), id.to_owned(), body.to_owned());
        let group = group.map(str::to_owned);
        let message = QueuedMessage { queue, group, id, body, receives: 0, is_hidden: false };
        self.messages.lock().unwrap().push(message);
    }

    /// Returns the bodies of the visible messages of a queue.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let messages = self.messages.lock().unwrap();
        let visible = messages.iter().filter(|message| message.queue == queue && !message.is_hidden);
        visible.map(|message| message.body.clone()).collect()
    }

    /// Returns the queue and action of each request since the last call.
    pub fn take_requests(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn answer(&self, action: &str, body: &Value) -> Value {
        let queue = body["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        self.requests.lock().unwrap().push((queue.clone(), action.to_owned()));
        let mut messages = self.messages.lock().unwrap();
        let has_receipt = |message: &QueuedMessage| body["ReceiptHandle"] == message.id.as_str();
        match action {
            "ReceiveMessage" => {
                let limit = usize::try_from(body["MaxNumberOfMessages"].as_u64().unwrap()).unwrap();
                let hidden = messages.iter().filter(|one| one.queue == queue && one.is_hidden);
                let blocked: BTreeSet<String> = hidden.filter_map(|one| one.group.clone()).collect();
                let is_blocked =
                    |one: &QueuedMessage| one.group.as_ref().is_some_and(|group| blocked.contains(group));
                let visible = messages
                    .iter_mut()
                    .filter(|one| one.queue == queue && !one.is_hidden && !is_blocked(one));
                let received: Vec<Value> = visible.take(limit).map(receive).collect();
                json!({ "Messages": received })
            }
            "ChangeMessageVisibility" => {
                for message in messages.iter_mut().filter(|message| has_receipt(message)) {
                    message.is_hidden = false;
                }
                json!({})
            }
            "DeleteMessage" => {
                messages.retain(|message| !(message.queue == queue && has_receipt(message)));
                json!({})
            }
            "SendMessage" => {
                let text = body["MessageBody"].as_str().unwrap().to_owned();
                let id = format!("again-{}", messages.len());
                let group = body["MessageGroupId"].as_str().map(str::to_owned);
                messages.push(QueuedMessage { queue, group, id, body: text, receives: 0, is_hidden: false });
                json!({ "MessageId": "1" })
            }
            "ListDeadLetterSourceQueues" => {
                let source = queue.strip_prefix("dead-").filter(|source| *source != "relay");
                let urls: Vec<_> =
                    source.map(|source| format!("{}/{source}", self.url)).into_iter().collect();
                json!({ "queueUrls": urls })
            }
            other => panic!("an unexpected action: {other}"),
        }
    }
}

fn receive(message: &mut QueuedMessage) -> Value {
    message.is_hidden = true;
    message.receives += 1;
    let count = message.receives.to_string();
    let mut attributes = json!({ "SentTimestamp": SENT_AT, "ApproximateReceiveCount": count });
    if let Some(group) = &message.group {
        attributes["MessageGroupId"] = json!(group);
    }
    json!({
        "MessageId": message.id, "ReceiptHandle": message.id, "Body": message.body,
        "Attributes": attributes,
    })
}
