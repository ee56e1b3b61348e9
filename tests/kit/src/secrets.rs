//! AWS Secrets Manager in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, body::Bytes, extract::State, http::HeaderMap};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, Secrets};

/// Returns one secret under every name, except those that have their own. Clones share them.
#[derive(Debug, Clone)]
pub struct FakeSecrets {
    url: String,
    secret: Arc<Mutex<String>>,
    named: Arc<Mutex<BTreeMap<String, String>>>,
    reads: Arc<Mutex<usize>>,
}

impl FakeSecrets {
    /// Starts on a free port. It ends with the runtime.
    pub async fn start(secret: impl Into<String>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let secrets = Self {
            url,
            secret: Arc::new(Mutex::new(secret.into())),
            named: Arc::default(),
            reads: Arc::default(),
        };
        let answer = async |State(secrets): State<Self>, headers: HeaderMap, body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let target = headers.get("x-amz-target").map(|target| target.to_str().unwrap());
            let writes = target.is_some_and(|target| target.ends_with("PutSecretValue"));
            let name = body["SecretId"].as_str().unwrap_or_default();
            if writes {
                secrets.set(name, body["SecretString"].as_str().unwrap());
            }
            secrets.read(name, !writes)
        };
        let router = Router::new().fallback(answer).with_state(secrets.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        secrets
    }

    fn read(&self, name: &str, counts: bool) -> Json<Value> {
        *self.reads.lock().unwrap() += usize::from(counts);
        let named = self.named.lock().unwrap().get(name).cloned();
        let text = named.unwrap_or_else(|| self.secret.lock().unwrap().clone());
        Json(json!({ "ARN": "arn", "Name": name, "SecretString": text }))
    }

    /// Sets a secret that has a name of its own.
    pub fn set(&self, name: &str, text: &str) {
        self.named.lock().unwrap().insert(name.into(), text.into());
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
