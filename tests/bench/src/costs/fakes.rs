//! A queue and a carrier in the process of the measurement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::HeaderMap};
use carrier_simulator::Settings;
use serde_json::{Value, json};
use shared_aws::clients::Aws;
use shared_carriers::twilio::{Client, Credentials, Purchase};
use test_kit::build::INBOX_NUMBER;

use crate::fixture::{ACCOUNT, TOKEN};

/// The public base URL with which the carrier's number was bought.
pub(super) const WEBHOOKS: &str = "http://127.0.0.1:9";

/// A queue that accepts every message and counts the requests.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) url: String,
    requests: Arc<AtomicU32>,
}

impl Queue {
    pub(super) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queue = Self { url, requests: Arc::default() };
        let router = Router::new().fallback(take).with_state(queue.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        queue
    }

    pub(super) fn aws(&self) -> Aws {
        Aws::loopback(&self.url)
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn take(State(queue): State<Queue>, headers: HeaderMap, body: String) -> Json<Value> {
    // The client sends a request again if this process was too busy to answer in time.
    let attempt = headers.get("amz-sdk-request");
    let is_first = attempt.is_none_or(|attempt| attempt.as_bytes().starts_with(b"attempt=1;"));
    queue.requests.fetch_add(u32::from(is_first), Ordering::SeqCst);
    let body: Value = serde_json::from_str(&body).unwrap();
    let taken = body["Entries"].as_array().unwrap().iter();
    let taken = taken.map(|entry| json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "0" }));
    Json(json!({ "Successful": taken.collect::<Vec<_>>(), "Failed": [] }))
}

/// Starts the carrier simulator, whose account owns the inbox's number, and returns a client for it.
pub(super) async fn carrier() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(carrier_simulator::serve(listener, Settings::new(ACCOUNT, TOKEN, "http://127.0.0.1:9")));
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    let client = Client::new(&url, credentials, Duration::from_mins(1)).unwrap();
    client.buy_number(&Purchase::new(INBOX_NUMBER, "inbox", WEBHOOKS)).await.unwrap();
    client
}
