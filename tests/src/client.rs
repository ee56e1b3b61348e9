//! Somebody who calls the API: a signed-in user, a machine, or nobody.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    ApiResponse, ConversationRef, WAIT_TIMEOUT, canaries,
    carrier::{self, NoFault},
    eventually,
};

/// Calls the API with one token.
#[derive(Debug, Clone)]
pub struct Client {
    /// The User ID; empty for nobody and machines.
    pub id: String,
    /// The name that colleagues see.
    pub name: String,
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

impl Client {
    /// `GET`.
    pub async fn get(&self, path: &str) -> ApiResponse {
        self.call(Method::GET, path, None).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::POST, path, Some(body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> ApiResponse {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> ApiResponse {
        self.call(Method::DELETE, path, None).await
    }

    /// Any method, with a JSON body if there is one.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> ApiResponse {
        let request = self.request(method.clone(), path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        read(format!("{method} {path}"), request).await
    }

    /// A request with the token, for what the other methods do not offer.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token { request.bearer_auth(token) } else { request }
    }

    /// A request without the token, to any address.
    pub fn request_to(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// `POST` with a JSON body and an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> ApiResponse {
        let request = self.request(Method::POST, path).header("idempotency-key", key).json(body);
        read(format!("POST {path}"), request).await
    }

    /// Posts a text, and if it is accepted waits until the carrier had its turn. During that time no journey
    /// makes the carrier fail.
    pub async fn send(&self, path: &str, body: Value) -> ApiResponse {
        let _no_fault = carrier::no_fault().await;
        let response = self.post(path, body).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// [`Client::send`] with an `Idempotency-Key`.
    pub async fn send_once(&self, path: &str, key: &str, body: &Value) -> ApiResponse {
        let _no_fault = carrier::no_fault().await;
        let response = self.post_once(path, key, body).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Opens a conversation, replies and leaves it, as one does; where the lock is not what the journey is
    /// about.
    pub async fn lock_and_reply(&self, conversation: &ConversationRef, text: &str) -> ApiResponse {
        let _no_fault = carrier::no_fault().await;
        let response = self.lock_and_reply_during_fault(conversation, text).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// The same for a journey that makes the carrier fail.
    pub async fn lock_and_reply_during_fault(
        &self,
        conversation: &ConversationRef,
        text: &str,
    ) -> ApiResponse {
        let token = conversation.acquire_lock(self).await;
        let response = self.post(&conversation.messages(), json!({ "text": text, "lockToken": token })).await;
        conversation.release_lock(self, token).await;
        response
    }

    /// Replies under a lock that was acquired before, and waits as [`Client::send`] does.
    pub async fn reply(
        &self,
        _no_fault: &NoFault,
        conversation: &ConversationRef,
        token: u64,
        text: &str,
    ) -> ApiResponse {
        let response = self.post(&conversation.messages(), json!({ "text": text, "lockToken": token })).await;
        self.wait_until_sent(&response).await;
        response
    }

    /// Waits until an accepted text has been with the carrier, whatever came of it.
    pub async fn wait_until_sent(&self, accepted: &ApiResponse) {
        if accepted.status == 202 {
            let id = accepted.json()["messageId"].as_str().expect("an accepted text has an id").to_owned();
            eventually("the text leaves", WAIT_TIMEOUT, async || {
                let message = self.message(&id).await;
                (message["state"] != "queued" && message["state"] != "sending").then_some(())
            })
            .await;
        }
    }

    /// A message.
    pub async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    /// A message, once it is in this state.
    pub async fn wait_for_message(&self, id: &str, state: &str) -> Value {
        eventually(&format!("the text is {state}"), WAIT_TIMEOUT, async || {
            let message = self.message(id).await;
            (message["state"] == state).then_some(message)
        })
        .await
    }

    /// How many conversations of an inbox are unread, as the navigation shows it.
    pub async fn unread(&self, inbox: &str) -> u64 {
        let me = self.get("/v1/me").await.expect(200);
        let accounts = me["accounts"].as_array().expect("accounts");
        let account =
            accounts.iter().find(|account| account["inboxId"] == inbox).expect("the inbox is shown");
        account["unreadCount"].as_u64().expect("a count")
    }
}

/// Sends a request and reads all of the answer.
pub async fn read(name: String, request: RequestBuilder) -> ApiResponse {
    canaries::record_request(&request);
    let response = request.send().await.unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.unwrap_or_else(|error| panic!("{name}: half an answer: {error}"));
    canaries::record_response(&body);
    ApiResponse { request: name, status, headers, body }
}
