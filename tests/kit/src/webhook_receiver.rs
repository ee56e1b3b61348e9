//! A receiver of outgoing webhooks, which stores its requests and answers as a test says.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode, Uri},
};
use futures_util::stream;

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    Status(u16),
    /// A status with the header `Retry-After` or `Location`.
    #[expect(missing_docs, reason = "the names say it all")]
    WithHeader {
        status: u16,
        name: &'static str,
        value: &'static str,
    },
    /// Accepts the request and never answers.
    Hang,
    /// Answers 200 with a body that never ends.
    Endless,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    /// Returns a header. Empty if the request does not have it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver on a free port of 127.0.0.1. It ends with the runtime. Clones share its requests.
#[derive(Debug, Clone)]
pub struct WebhookReceiver {
    /// Ends in a path.
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    behavior: Arc<Mutex<Behavior>>,
}

impl WebhookReceiver {
    /// Starts a receiver that answers 204.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            received: Arc::default(),
            behavior: Arc::new(Mutex::new(Behavior::Status(204))),
        };
        let call = async |State(receiver): State<Self>, uri: Uri, headers: HeaderMap, body: String| {
            let path = uri.path().to_owned();
            receiver.received.lock().unwrap().push(Received { at: Instant::now(), path, headers, body });
            let behavior = *receiver.behavior.lock().unwrap();
            answer(behavior).await
        };
        let router = Router::new().fallback(call).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        receiver
    }

    /// Answers in another way from now on.
    pub fn behave(&self, behavior: Behavior) {
        *self.behavior.lock().unwrap() = behavior;
    }

    /// Returns all requests in the order of their arrival.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Removes and returns all requests.
    pub fn drain(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn answer(behavior: Behavior) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let mut set_status = |status| *response.status_mut() = StatusCode::from_u16(status).unwrap();
    match behavior {
        Behavior::Status(status) => set_status(status),
        Behavior::WithHeader { status, name, value } => {
            set_status(status);
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        Behavior::Hang => std::future::pending().await,
        Behavior::Endless => {
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            let endless = stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
            *response.body_mut() = Body::from_stream(endless);
        }
    }
    response
}
