//! A queue in memory that stores what is sent to it.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, MailQueue, MediaQueue, RegistrationQueue, SendQueue};

/// Accepts every entry of a `SendMessageBatch` except those that a test refuses. Clones share its messages.
#[derive(Debug, Clone)]
pub struct FakeQueue {
    /// The endpoint. Every path below it is this queue.
    pub url: String,
    refused: Arc<Mutex<Vec<&'static str>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl FakeQueue {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queue = Self { url, refused: Arc::default(), bodies: Arc::default() };
        let send = async |State(queue): State<Self>, body: String| queue.send_message_batch(&body);
        let router = Router::new().fallback(send).with_state(queue.clone());
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
                self.push(entry["MessageBody"].as_str().unwrap().to_owned());
                successful.push(json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "0" }));
            }
        }
        Json(json!({ "Successful": successful, "Failed": failed }))
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

/// Returns a client of the queue of outbound messages at this endpoint.
pub fn send_queue(url: &str) -> SendQueue {
    SendQueue::new(&Aws::loopback(url), format!("{url}/send.fifo"))
}

/// Returns a client of the queue of notifications at this endpoint.
pub fn mail_queue(url: &str) -> MailQueue {
    MailQueue::new(&Aws::loopback(url), format!("{url}/mail"))
}

/// Returns a client of the queue of media to copy at this endpoint.
pub fn media_queue(url: &str) -> MediaQueue {
    MediaQueue::new(&Aws::loopback(url), format!("{url}/media"))
}

/// Returns a client of the queue of registrations to check at this endpoint.
pub fn registration_queue(url: &str) -> RegistrationQueue {
    RegistrationQueue::new(&Aws::loopback(url), format!("{url}/registration"))
}
