//! Sends frames to connections and closes them.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use shared_aws::realtime::{PushError, PushOutcome, Socket};
use shared_domain::time::Timestamp;
use shared_http::wire::realtime::{CloseCode, ServerFrame};
use shared_lambda::Error;

use crate::App;

/// Connections that are written to at the same time.
const MAX_CONCURRENCY: usize = 50;
/// A frame that comes before the end of the handshake finds no connection.
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

impl App {
    /// Sends a frame. A connection that is gone is no error.
    pub(crate) async fn send(&self, connection: &str, frame: &ServerFrame) -> Result<PushOutcome, PushError> {
        self.pusher.send(connection, &frame.text()).await
    }

    /// Sends the first frame of a connection, unless it was sent before. Everything that sends a frame to a
    /// connection calls this first, so the first frame comes before all others. It can come twice.
    pub(crate) async fn greet(&self, socket: &Socket) -> Result<PushOutcome, Error> {
        let Some(cursor) = socket.greeting.clone() else { return Ok(PushOutcome::Sent) };
        let outcome = self.send(&socket.connection, &ServerFrame::Ready { cursor }).await?;
        if outcome == PushOutcome::Sent {
            self.sockets.mark_greeted(&socket.place, &socket.connection).await?;
        }
        Ok(outcome)
    }

    /// Tells the client why, then closes the connection.
    pub(crate) async fn end(&self, connection: &str, code: CloseCode) -> Result<(), Error> {
        self.send(connection, &ServerFrame::Close { code }).await?;
        self.pusher.close(connection).await?;
        Ok(())
    }

    /// Closes a connection and removes it and its view.
    pub(crate) async fn close(&self, socket: &Socket, code: CloseCode, now: Timestamp) -> Result<(), Error> {
        let closed = self.sockets.close(&socket.place, &socket.connection).await?;
        if let Some(view) = closed.and_then(|closed| closed.view) {
            self.viewers.remove(&socket.place, &view.conversation).await?;
        }
        let age_seconds = now.seconds() - socket.connected_at.seconds();
        tracing::info!(event = "socket_closed", code = code.number(), age_seconds, "connection closed");
        self.end(&socket.connection, code).await
    }

    /// Sends frames to each connection in their order. Returns the connections that did not get all frames.
    pub(crate) async fn send_each(
        &self,
        frames: Vec<(&Socket, Vec<Arc<str>>)>,
        now: Timestamp,
    ) -> Vec<String> {
        let sends = frames.into_iter().map(|(socket, frames)| {
            Box::pin(async move {
                match self.send_to(socket, &frames).await {
                    Ok(PushOutcome::Sent) => None,
                    Ok(PushOutcome::Gone) => {
                        self.forget(socket, now).await;
                        None
                    }
                    Err(error) => {
                        tracing::warn!(event = "frame_not_sent", %error, "frame not sent");
                        Some(socket.connection.clone())
                    }
                }
            })
        });
        stream::iter(sends)
            .buffer_unordered(MAX_CONCURRENCY)
            .filter_map(async |failed| failed)
            .collect()
            .await
    }

    async fn send_to(&self, socket: &Socket, frames: &[Arc<str>]) -> Result<PushOutcome, Error> {
        let mut outcome = self.greet(socket).await?;
        for frame in frames {
            if outcome == PushOutcome::Gone {
                break;
            }
            outcome = self.pusher.send(&socket.connection, frame).await?;
        }
        Ok(outcome)
    }

    /// Removes a connection that is gone. The client does not have to say goodbye, so this may be the only
    /// sign of its end.
    async fn forget(&self, socket: &Socket, now: Timestamp) {
        if socket.connected_at + HANDSHAKE_TIME > now {
            return;
        }
        if let Err(error) = self.sockets.close(&socket.place, &socket.connection).await {
            tracing::warn!(event = "socket_not_removed", %error, "ended connection not removed");
        }
    }
}
