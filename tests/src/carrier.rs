//! The carrier simulator: messages from and to phones, webhooks, and faults.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use shared_carriers::twilio::signature::sign;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{ApiResponse, Phone, client};

/// Write-locked while a journey has sending paused. The pause stops the messages of all journeys.
static PAUSE_LOCK: RwLock<()> = RwLock::const_new(());

pub(crate) async fn no_pause() -> NoPause {
    NoPause { _shared: PAUSE_LOCK.read().await }
}

/// A guard that prevents pauses of sending while it is held.
#[derive(Debug)]
pub struct NoPause {
    _shared: RwLockReadGuard<'static, ()>,
}

/// A guard of the journey that has sending paused. Other journeys do not send until it is dropped.
#[derive(Debug)]
pub struct Pause {
    _exclusive: RwLockWriteGuard<'static, ()>,
}

/// A client of the carrier simulator.
#[derive(Debug, Clone)]
pub struct Carrier {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) account: String,
    pub(crate) token: String,
    pub(crate) webhooks: String,
}

/// A message at the carrier.
#[derive(Debug, Clone, Deserialize)]
pub struct CarrierMessage {
    pub sid: String,
    pub from: String,
    pub body: String,
    pub status: String,
    /// When the carrier accepted it, in whole seconds (RFC 2822).
    pub date_created: String,
}

/// The result of a webhook that the carrier posted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookResult {
    /// The carrier's ID of the message.
    pub message_sid: String,
    /// The status of the product's response. `None` if there was no response.
    pub webhook_status: Option<u16>,
    pub webhook_body: String,
}

impl Carrier {
    /// Sends an inbound message from `from` to `to` and returns its SID. Panics unless the product answers
    /// 200.
    pub async fn send_inbound(&self, from: &Phone, to: &str, text: &str) -> String {
        let result = self.send_inbound_with(&[("From", from.number()), ("To", to), ("Body", text)]).await;
        assert_eq!(result.webhook_status, Some(200), "{result:?}");
        result.message_sid
    }

    /// Sends an inbound message with these webhook fields and returns the product's response.
    pub async fn send_inbound_with(&self, fields: &[(&str, &str)]) -> WebhookResult {
        serde_json::from_value(self.control("inbound-message", fields).await).expect("a webhook result")
    }

    /// Returns the messages sent to a phone, oldest first.
    pub async fn messages_to(&self, phone: &Phone) -> Vec<CarrierMessage> {
        let path = format!("/2010-04-01/Accounts/{}/Messages.json", self.account);
        let request =
            self.http.get(format!("{}{path}", self.url)).basic_auth(&self.account, Some(&self.token));
        let request = request.query(&[("To", phone.number()), ("PageSize", "1000")]);
        let list = client::read(format!("GET {path}"), request).await;
        assert_eq!(list.status, 200, "{list}");
        let texts = list.json()["messages"].take();
        let mut texts: Vec<CarrierMessage> = serde_json::from_value(texts).expect("messages");
        texts.reverse();
        texts
    }

    /// Returns the recipient of each message that a number sent.
    pub async fn recipients_of(&self, number: &str) -> Vec<String> {
        let first = format!(
            "/2010-04-01/Accounts/{}/Messages.json?From=%2B{}&PageSize=1000",
            self.account,
            &number[1..]
        );
        let (mut next, mut recipients) = (Some(first), Vec::new());
        while let Some(path) = next {
            let request = self.http.get(format!("{}{path}", self.url));
            let list =
                client::read(format!("GET {path}"), request.basic_auth(&self.account, Some(&self.token)))
                    .await;
            assert_eq!(list.status, 200, "{list}");
            let page = list.json();
            let messages = page["messages"].as_array().expect("messages");
            recipients
                .extend(messages.iter().map(|message| message["to"].as_str().expect("a number").to_owned()));
            next = page["next_page_uri"].as_str().map(str::to_owned);
        }
        recipients
    }

    /// Returns the texts of the messages sent to a phone, oldest first.
    pub async fn texts_to(&self, phone: &Phone) -> Vec<String> {
        self.messages_to(phone).await.into_iter().map(|text| text.body).collect()
    }

    /// Opts a phone out of a number at the carrier only. The product receives no webhook.
    pub async fn opt_out(&self, phone: &Phone, number: &str) {
        self.control("opt-out", &[("From", phone.number()), ("To", number)]).await;
    }

    /// Returns the media URLs of a message.
    pub async fn media_of(&self, sid: &str) -> Vec<String> {
        let mut response = self.control("message-media", &[("MessageSid", sid)]).await;
        serde_json::from_value(response["mediaUrls"].take()).expect("URLs")
    }

    /// Reports a delivery status, with an optional error code. Returns the status of the product's response.
    pub async fn report_status(&self, sid: &str, status: &str, code: Option<u32>) -> u16 {
        let code = code.map(|code| code.to_string());
        let mut fields = vec![("MessageSid", sid), ("Status", status)];
        fields.extend(code.as_deref().map(|code| ("ErrorCode", code)));
        let result: WebhookResult =
            serde_json::from_value(self.control("message-status", &fields).await).expect("a webhook result");
        result.webhook_status.expect("the product responds")
    }

    /// Sets the status of a message to a phone. Its status callback is lost.
    pub async fn set_status_without_callback(&self, phone: &Phone, sid: &str, status: &str) {
        self.start_fault("lost-callback", phone).await;
        self.control("message-status", &[("MessageSid", sid), ("Status", status)]).await;
    }

    /// Waits until sending is not paused, and prevents pauses while the guard is held. Call this before
    /// acquiring a lock, because it may wait longer than a lease. Do not call [`crate::Client::send`],
    /// [`crate::Client::send_once`], [`crate::Client::lock_and_reply`] or [`crate::Socket::of`] while the
    /// guard is held: they acquire it too, and may deadlock.
    pub async fn no_pause(&self) -> NoPause {
        no_pause().await
    }

    /// Makes the next send to a phone fail, or the next callback about one.
    pub async fn start_fault(&self, kind: &str, phone: &Phone) {
        self.control("fault", &[("Kind", kind), ("Phone", phone.number())]).await;
    }

    /// Refuses the next send to a phone as one of a suspended account, which pauses sending. The journey must
    /// send with [`crate::Client::post`], because [`crate::Client::send`] waits until the guard is dropped.
    pub async fn suspend_for_next_send(&self, phone: &Phone) -> Pause {
        let exclusive = PAUSE_LOCK.write().await;
        let fields = [("Kind", "suspended"), ("On", "messages"), ("Phone", phone.number())];
        self.control("fault", &fields).await;
        Pause { _exclusive: exclusive }
    }

    /// Posts a form to a webhook with a valid signature.
    pub async fn webhook(&self, path: &str, fields: &[(&str, &str)]) -> ApiResponse {
        let signature = self.signature(path, fields);
        self.forged_webhook(path, fields, Some(&signature)).await
    }

    /// Posts a form to a webhook with the given signature, or without one.
    pub async fn forged_webhook(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        signature: Option<&str>,
    ) -> ApiResponse {
        let mut request = self.http.request(Method::POST, format!("{}{path}", self.webhooks)).form(fields);
        if let Some(signature) = signature {
            request = request.header("x-twilio-signature", signature);
        }
        client::read(format!("POST {path}"), request).await
    }

    /// Returns the signature of a form that is posted to a webhook.
    pub fn signature(&self, path: &str, fields: &[(&str, &str)]) -> String {
        sign(&format!("{}{path}", self.webhooks), fields, &self.token)
    }

    /// The SID of the account that owns the product's numbers.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Creates a second auth token. Both are valid.
    pub async fn create_auth_token(&self) -> String {
        let created = self.tokens("Secondary", 201).await;
        created["secondary_auth_token"].as_str().expect("a token").to_owned()
    }

    /// Makes the second auth token the only one.
    pub async fn promote_auth_token(&self) {
        self.tokens("Promote", 200).await;
    }

    async fn tokens(&self, action: &str, expected: u16) -> Value {
        let url = format!("{}/v1/AuthTokens/{action}", self.url);
        let request = self.http.post(url).basic_auth(&self.account, Some(&self.token));
        let response = client::read(format!("the carrier's token: {action}"), request).await;
        assert_eq!(response.status, expected, "{response}");
        response.json()
    }

    /// Calls a control route of the simulator.
    pub async fn control(&self, route: &str, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}/_twilio/simulate/{route}", self.url);
        let request = self.http.post(url).basic_auth(&self.account, Some(&self.token)).form(fields);
        let response = client::read(format!("the carrier's {route}"), request).await;
        assert_eq!(response.status, 200, "{response}");
        response.json()
    }
}
