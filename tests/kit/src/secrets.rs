//! AWS Secrets Manager in memory, with one secret.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, Secrets};

/// Returns its secret under every name. Clones share it.
#[derive(Debug, Clone)]
pub struct FakeSecrets {
    url: String,
    secret: Arc<Mutex<String>>,
    reads: Arc<Mutex<usize>>,
}

impl FakeSecrets {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start(secret: impl Into<String>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let secrets = Self { url, secret: Arc::new(Mutex::new(secret.into())), reads: Arc::default() };
        let read = async |State(secrets): State<Self>| secrets.read();
        let router = Router::new().fallback(read).with_state(secrets.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        secrets
    }

    fn read(&self) -> Json<Value> {
        *self.reads.lock().unwrap() += 1;
        Json(json!({ "ARN": "arn", "Name": "secret", "SecretString": *self.secret.lock().unwrap() }))
    }

    /// Replaces the secret.
    pub fn rotate(&self, secret: impl Into<String>) {
        *self.secret.lock().unwrap() = secret.into();
    }

    /// Returns how often the secret was read.
    pub fn reads(&self) -> usize {
        *self.reads.lock().unwrap()
    }

    /// Returns connection settings for clients. Every service answers with the secret.
    pub fn aws(&self) -> Aws {
        Aws::loopback(self.url.as_str())
    }

    /// Returns a client.
    pub fn client(&self) -> Secrets {
        Secrets::of(&Aws::loopback(self.url.as_str()))
    }
}
