//! Live events over a WebSocket.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::{Client, EVENT_TIMEOUT};

/// An open connection.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Requests a ticket.
pub async fn ticket(user: &Client) -> Value {
    user.send("/v1/realtime-tickets", json!({})).await.expect(201)
}

impl Socket {
    /// Opens a connection. `None` if the handshake is refused.
    pub async fn open(ticket: &Value) -> Option<Self> {
        let text = |name: &str| ticket[name].as_str().expect("a text");
        let connected = connect_async(format!("{}?ticket={}", text("url"), text("ticket"))).await;
        let mut socket = Self(connected.ok()?.0);
        let ready = socket.next().await.expect("a first frame");
        assert_eq!(ready["type"], "ready", "{ready}");
        assert!(ready["cursor"].is_string(), "{ready}");
        Some(socket)
    }

    /// Opens a connection with a new ticket of the user.
    pub async fn of(user: &Client) -> Self {
        Self::open(&ticket(user).await).await.expect("the ticket is valid")
    }

    /// Returns the next frame. `None` after the end of the connection.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(EVENT_TIMEOUT, self.0.next()).await.expect("a frame in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Returns the next event of an inbox or team with this type.
    pub async fn event(&mut self, id: &str, kind: &str) -> Value {
        let deadline = Instant::now() + EVENT_TIMEOUT;
        loop {
            assert!(Instant::now() < deadline, "no {kind} of {id} within {EVENT_TIMEOUT:?}");
            let frame = self.next().await.expect("an open connection");
            let event = &frame["event"];
            if event["type"] == kind && (event["inboxId"] == id || event["teamId"] == id) {
                return event.clone();
            }
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &str) {
        self.0.send(Message::text(frame)).await.expect("an open connection");
    }

    /// Reads until the connection ends. Returns the events of an inbox and the code of the end.
    pub async fn rest(&mut self, inbox: &str) -> (usize, Option<Value>) {
        let (mut events, mut code) = (0, None);
        while let Some(frame) = self.next().await {
            events += usize::from(frame["event"]["inboxId"] == inbox);
            if frame["type"] == "close" {
                code = Some(frame["code"].clone());
            }
        }
        (events, code)
    }
}
