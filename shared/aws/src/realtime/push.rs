//! Sends frames to connections.

use aws_sdk_apigatewaymanagement::{Client, error::ProvideErrorMetadata, primitives::Blob};

use crate::clients::Aws;

/// A frame was not sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the frame was not sent ({0})")]
pub struct PushError(String);

/// The outcome of sending a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    Sent,
    /// There is no such connection, or its handshake is not complete.
    Gone,
}

/// Sends frames through the socket API.
#[derive(Debug, Clone)]
pub struct Pusher {
    client: Client,
}

impl Pusher {
    /// `url` is the address of the API's stage. The client cannot derive it from the region.
    pub fn new(aws: &Aws, url: impl Into<String>) -> Self {
        Self { client: aws.connections(url.into()) }
    }

    pub async fn send(&self, connection: &str, frame: &str) -> Result<PushOutcome, PushError> {
        let data = Blob::new(frame.as_bytes());
        match self.client.post_to_connection().connection_id(connection).data(data).send().await {
            Ok(_) => Ok(PushOutcome::Sent),
            Err(error) if error.code() == Some("GoneException") => Ok(PushOutcome::Gone),
            Err(error) => Err(PushError(error.code().unwrap_or("no response").into())),
        }
    }

    /// Closes a connection.
    pub async fn close(&self, connection: &str) -> Result<PushOutcome, PushError> {
        match self.client.delete_connection().connection_id(connection).send().await {
            Ok(_) => Ok(PushOutcome::Sent),
            Err(error) if error.code() == Some("GoneException") => Ok(PushOutcome::Gone),
            Err(error) => Err(PushError(error.code().unwrap_or("no response").into())),
        }
    }
}
