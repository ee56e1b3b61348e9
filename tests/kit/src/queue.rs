//! A queue in memory that stores what is sent to it.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use shared_aws::clients::{
    Aws, BroadcastQueue, ImportQueue, MailQueue, MediaQueue, ReceivedSends, RegistrationQueue, SendQueues,
    WebhookQueue,
};

/// Accepts every entry of a `SendMessageBatch` except those that a test refuses. Clones share its messages.
#[derive(Debug, Clone)]
pub struct FakeQueue {
    /// The endpoint. Every path below it is this queue.
    pub url: String,
    refused: Arc<Mutex<Vec<&'static str>>>,
    bodies: Arc<Mutex<Vec<String>>>,
    delays: Arc<Mutex<Vec<u64>>>,
    names: Arc<Mutex<Vec<String>>>,
    send_delays: Arc<Mutex<Vec<u64>>>,
}

impl FakeQueue {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queue = Self {
            url,
            refused: Arc::default(),
            bodies: Arc::default(),
            delays: Arc::default(),
            names: Arc::default(),
            send_delays: Arc::default(),
        };
        let call = async |State(queue): State<Self>, headers: HeaderMap, body: String| {
            let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
            match target {
                Some("AmazonSQS.ChangeMessageVisibility") => queue.change_message_visibility(&body),
                _ => queue.send_message_batch(&body),
            }
        };
        let router = Router::new().fallback(call).with_state(queue.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        queue
    }

    fn send_message_batch(&self, body: &str) -> Json<Value> {
        let body: Value = serde_json::from_str(body).unwrap();
        let refused = self.refused.lock().unwrap().clone();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in body["Entries"].as_array().unwrap() {
            if refused.iter().any(|id| entry["Id"] == *id) {
                failed.push(json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }));
            } else {
                self.name(&body);
                self.push(entry["MessageBody"].as_str().unwrap().to_owned());
                self.send_delays.lock().unwrap().push(entry["DelaySeconds"].as_u64().unwrap_or(0));
                successful.push(json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "0" }));
            }
        }
        Json(json!({ "Successful": successful, "Failed": failed }))
    }

    fn change_message_visibility(&self, body: &str) -> Json<Value> {
        let body: Value = serde_json::from_str(body).unwrap();
        self.name(&body);
        self.delays.lock().unwrap().push(body["VisibilityTimeout"].as_u64().unwrap());
        Json(json!({}))
    }

    /// Removes and returns the delays of received messages, in seconds and in the order of the requests.
    pub fn drain_delays(&self) -> Vec<u64> {
        std::mem::take(&mut self.delays.lock().unwrap())
    }

    fn name(&self, request: &Value) {
        let url = request["QueueUrl"].as_str().unwrap();
        self.names.lock().unwrap().push(url.rsplit('/').next().unwrap().to_owned());
    }

    /// Removes and returns the names of the queues of sent and delayed messages, in the order of the
    /// requests.
    pub fn drain_names(&self) -> Vec<String> {
        std::mem::take(&mut self.names.lock().unwrap())
    }

    /// Removes and returns the delays of sent messages, in seconds and in the order of their arrival.
    pub fn drain_send_delays(&self) -> Vec<u64> {
        std::mem::take(&mut self.send_delays.lock().unwrap())
    }

    /// Refuses entries with these ids from now on.
    pub fn refuse(&self, ids: &[&'static str]) {
        *self.refused.lock().unwrap() = ids.to_vec();
    }

    /// Returns the bodies of all messages in the order of their arrival.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// Adds a message without a request, as after an expired visibility timeout.
    pub fn push(&self, body: String) {
        self.bodies.lock().unwrap().push(body);
    }

    /// Removes and returns all messages.
    pub fn drain(&self) -> Vec<String> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

/// Returns a client of the queues of outbound messages at this endpoint.
pub fn send_queues(url: &str) -> SendQueues {
    SendQueues::new(&Aws::loopback(url), format!("{url}/send.fifo"), format!("{url}/broadcast-send.fifo"))
}

/// Returns a client of the queue of notifications at this endpoint.
pub fn mail_queue(url: &str) -> MailQueue {
    MailQueue::new(&Aws::loopback(url), format!("{url}/mail"))
}

/// Returns a client of the queue of media to copy at this endpoint.
pub fn media_queue(url: &str) -> MediaQueue {
    MediaQueue::new(&Aws::loopback(url), format!("{url}/media"))
}

/// Returns a client of the queue of contact imports at this endpoint.
pub fn import_queue(url: &str) -> ImportQueue {
    ImportQueue::new(&Aws::loopback(url), format!("{url}/imports"))
}

/// Returns a client of the queue of broadcasts at this endpoint.
pub fn broadcast_queue(url: &str) -> BroadcastQueue {
    BroadcastQueue::new(&Aws::loopback(url), format!("{url}/broadcasts"))
}

/// Returns a client of the queue of registrations to check at this endpoint.
pub fn registration_queue(url: &str) -> RegistrationQueue {
    RegistrationQueue::new(&Aws::loopback(url), format!("{url}/registration"))
}

/// Returns a client of the queue of outgoing webhooks at this endpoint.
pub fn webhook_queue(url: &str) -> WebhookQueue {
    WebhookQueue::new(&Aws::loopback(url), format!("{url}/webhooks"))
}

/// Returns a client for messages that were received from the queues of outbound messages. Dead letters go to
/// the same endpoint.
pub fn received_sends(url: &str) -> ReceivedSends {
    ReceivedSends::new(&Aws::loopback(url), send_queues(url), format!("{url}/dead.fifo"))
}
