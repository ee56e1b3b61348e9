//! A queue's stand-in: it keeps what it takes.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State};
use serde_json::{Value, json};

/// A queue that takes every entry but those with the ids that it refuses.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Where it answers, for any queue's address below it.
    pub url: String,
    refused: Arc<Mutex<Vec<&'static str>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Queue {
    /// Starts on a free port; ends with the runtime.
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queue = Self { url, refused: Arc::default(), bodies: Arc::default() };
        let take = async |State(queue): State<Self>, body: String| queue.take(&body);
        let router = Router::new().fallback(take).with_state(queue.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        queue
    }

    fn take(&self, body: &str) -> Json<Value> {
        let body: Value = serde_json::from_str(body).unwrap();
        let refused = self.refused.lock().unwrap().clone();
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for entry in body["Entries"].as_array().unwrap() {
            if refused.iter().any(|id| entry["Id"] == *id) {
                failed.push(json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }));
            } else {
                self.bodies.lock().unwrap().push(entry["MessageBody"].as_str().unwrap().to_owned());
                taken.push(json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "0" }));
            }
        }
        Json(json!({ "Successful": taken, "Failed": failed }))
    }

    /// Refuses entries with these ids from now on.
    pub fn refuse(&self, ids: &[&'static str]) {
        *self.refused.lock().unwrap() = ids.to_vec();
    }

    /// What it took, in its order.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// A job that was not done, to come again.
    pub fn put_back(&self, body: String) {
        self.bodies.lock().unwrap().push(body);
    }

    /// What it took since it was last emptied.
    pub fn drain(&self) -> Vec<String> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}
