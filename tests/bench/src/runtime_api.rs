//! A Lambda Runtime API that returns the same event for every invocation and accepts the answers.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use tokio::sync::Notify;

/// The Runtime API of one bootstrap.
pub(crate) struct RuntimeApi {
    /// The `host:port` for `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    event: String,
    allowed: AtomicU32,
    handed_out: AtomicU32,
    answered: AtomicU32,
    refused: AtomicU32,
    change: Notify,
}

impl RuntimeApi {
    pub(crate) async fn serve(event: &serde_json::Value) -> Self {
        let shared = Arc::new(Shared {
            event: event.to_string(),
            allowed: AtomicU32::new(0),
            handed_out: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            change: Notify::new(),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, shared }
    }

    /// Waits until the bootstrap has answered this many invocations in total, without an error.
    pub(crate) async fn until(&self, answers: u32) {
        self.answered(answers).await;
        assert_eq!(self.shared.refused.load(Ordering::SeqCst), 0, "the bootstrap returned errors");
    }

    /// Waits until the bootstrap has answered this many invocations in total.
    pub(crate) async fn answered(&self, answers: u32) {
        self.shared.allowed.store(answers, Ordering::SeqCst);
        self.shared.change.notify_waiters();
        while self.shared.answered.load(Ordering::SeqCst) < answers {
            let changed = self.shared.change.notified();
            if self.shared.answered.load(Ordering::SeqCst) < answers {
                changed.await;
            }
        }
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> (HeaderMap, String) {
    loop {
        let changed = shared.change.notified();
        if shared.handed_out.load(Ordering::SeqCst) < shared.allowed.load(Ordering::SeqCst) {
            break;
        }
        changed.await;
    }
    let id = shared.handed_out.fetch_add(1, Ordering::SeqCst).to_string();
    let mut headers = HeaderMap::new();
    headers.insert("lambda-runtime-aws-request-id", id.parse().unwrap());
    headers.insert("lambda-runtime-deadline-ms", "4102444800000".parse().unwrap());
    headers.insert(
        "lambda-runtime-invoked-function-arn",
        "arn:aws:lambda:us-east-1:0:function:f".parse().unwrap(),
    );
    (headers, shared.event.clone())
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let ok = body.windows(16).any(|window| window == br#""statusCode":200"#);
    shared.refused.fetch_add(u32::from(!ok), Ordering::SeqCst);
    shared.answered.fetch_add(1, Ordering::SeqCst);
    shared.change.notify_waiters();
    StatusCode::ACCEPTED
}

async fn failure(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.refused.fetch_add(1, Ordering::SeqCst);
    shared.answered.fetch_add(1, Ordering::SeqCst);
    shared.change.notify_waiters();
    StatusCode::ACCEPTED
}
