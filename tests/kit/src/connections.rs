//! The management API of connections in memory. It stores the frames that are sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
};
use serde_json::Value;
use shared_aws::{clients::Aws, realtime::Pusher};

/// Accepts frames to all connections but those that are gone. Clones share their frames.
#[derive(Debug, Clone)]
pub struct FakeConnections {
    url: String,
    gone: Arc<Mutex<BTreeSet<String>>>,
    frames: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
}

impl FakeConnections {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Self { url, gone: Arc::default(), frames: Arc::default() };
        let call = async |State(all): State<Self>, method: Method, uri: Uri, body: String| {
            all.answer(&method, uri.path(), &body)
        };
        let router = Router::new().fallback(call).with_state(connections.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        connections
    }

    fn answer(
        &self,
        method: &Method,
        path: &str,
        body: &str,
    ) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
        let connection = path.rsplit('/').next().unwrap().to_owned();
        let mut gone = self.gone.lock().unwrap();
        if gone.contains(&connection) {
            return (StatusCode::GONE, [("x-amzn-errortype", "GoneException")], "{}");
        }
        if method == Method::DELETE {
            gone.insert(connection);
        } else {
            let frame = serde_json::from_str(body).unwrap();
            self.frames.lock().unwrap().entry(connection).or_default().push(frame);
        }
        (StatusCode::OK, [("content-type", "application/json")], "{}")
    }

    /// Returns a client of the connections.
    pub fn pusher(&self) -> Pusher {
        Pusher::new(&Aws::loopback(self.url.as_str()), format!("{}/live", self.url))
    }

    /// Ends a connection, as a client that closes it.
    pub fn end(&self, connection: &str) {
        self.gone.lock().unwrap().insert(connection.to_owned());
    }

    /// Returns whether a connection was ended or closed.
    pub fn is_gone(&self, connection: &str) -> bool {
        self.gone.lock().unwrap().contains(connection)
    }

    /// Removes and returns the frames of a connection.
    pub fn take(&self, connection: &str) -> Vec<Value> {
        self.frames.lock().unwrap().remove(connection).unwrap_or_default()
    }
}
