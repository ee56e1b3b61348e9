//! A client of the API: a signed-in user, a machine, or a caller without a token.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    ApiResponse, ConversationRef, WAIT_TIMEOUT, canaries,
    carrier::{self, NoPause},
    eventually,
};

/// Calls the API with one token.
#[derive(Debug, Clone)]
pub struct Client {
    /// The user ID. Empty for machines and callers without a token.
    pub id: String,
    /// The name that other users see.
    pub name: String,
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

impl Client {
    /// Sends a `GET` request.
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.call(Method::GET, path, None).await
    }

    /// Sends a `POST` request with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Sends a `PUT` request with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// Sends a `PATCH` request with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Sends a `DELETE` request.
    pub async fn delete(&self, path: &str) -> ApiResponse {
        self.call(Method::DELETE, path, None).await
    }

    /// Sends a request with an optional JSON body.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> ApiResponse {
        let request = self.request(method.clone(), path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        read(format!("{method} {path}"), request).await
    }

    /// Returns a request with the token, for requests that the other methods cannot build.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token { request.bearer_auth(token) } else { request }
    }

    /// Returns a request without the token, to any URL.
    pub fn request_to(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a `POST` request with a JSON body and an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> ApiResponse {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        read(format!("POST {path}"), request).await
    }

    /// Posts a message and, if it is accepted, waits until it was sent to the carrier. Sending is not
    /// paused during this time.
    pub async fn send(&self, path: &str, body: Value) -> ApiResponse {
        let _no_pause = carrier::no_pause().await;
        let response = self.post(path, body).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Does the same as [`Client::send`], with an `Idempotency-Key`.
    pub async fn send_once(&self, path: &str, key: &str, body: &Value) -> ApiResponse {
        let _no_pause = carrier::no_pause().await;
        let response = self.post_once(path, key, body).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Acquires the lock, replies, and releases the lock. Waits as [`Client::send`] does.
    pub async fn lock_and_reply(&self, conversation: &ConversationRef, text: &str) -> ApiResponse {
        let _no_pause = carrier::no_pause().await;
        let response = self.lock_and_queue_reply(conversation, text).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Acquires the lock, replies, and releases the lock. Does not wait until the message was sent.
    pub async fn lock_and_queue_reply(&self, conversation: &ConversationRef, text: &str) -> ApiResponse {
        let token = conversation.acquire_lock(self).await;
        let response = self.post(&conversation.messages(), json!({ "text": text, "lockToken": token })).await;
        conversation.release_lock(self, token).await;
        response
    }

    /// Replies with the token of a lock that is already held. Waits as [`Client::send`] does.
    pub async fn reply(
        &self,
        _no_pause: &NoPause,
        conversation: &ConversationRef,
        token: u64,
        text: &str,
    ) -> ApiResponse {
        let response = self.post(&conversation.messages(), json!({ "text": text, "lockToken": token })).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Waits until an accepted message was sent to the carrier or failed. Returns at once if it was refused.
    pub async fn wait_until_sent(&self, accepted: &ApiResponse) {
        if accepted.status == 202 {
            let id = accepted.json()["messageId"].as_str().expect("an accepted message has an ID").to_owned();
            eventually("the message is sent", WAIT_TIMEOUT, async || {
                let message = self.message(&id).await;
                (message["state"] != "queued" && message["state"] != "sending").then_some(())
            })
            .await;
        }
    }

    /// Returns a message.
    pub async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    /// Waits until a message is in this state, and returns it.
    pub async fn wait_for_message(&self, id: &str, state: &str) -> Value {
        eventually(&format!("the message is {state}"), WAIT_TIMEOUT, async || {
            let message = self.message(id).await;
            (message["state"] == state).then_some(message)
        })
        .await
    }

    /// Returns the unread count of an inbox from `/v1/me`.
    pub async fn unread(&self, inbox: &str) -> u64 {
        let me = self.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts");
        let account =
            accounts.iter().find(|account| account["inboxId"] == inbox).expect("/v1/me lists the inbox");
        account["unreadCount"].as_u64().expect("a count")
    }
}

/// Sends a request and reads the whole response. `name` identifies the request in panics.
pub async fn read(name: String, request: RequestBuilder) -> ApiResponse {
    canaries::record_request(&request);
    let response = request.send().await.unwrap_or_else(|error| panic!("{name}: no response: {error}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.unwrap_or_else(|error| panic!("{name}: incomplete response: {error}"));
    canaries::record_response(&body);
    ApiResponse { request: name, status, headers, body }
}
