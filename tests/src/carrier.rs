//! The carrier: what a customer's phone sends and shows, and what can go wrong on the way.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use shared_carriers::twilio::signature::sign;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{ApiResponse, Phone, client};

/// A fault strikes whichever text is sent next, so a journey that wants one is alone with the carrier until
/// it has struck.
static FAULT_LOCK: RwLock<()> = RwLock::const_new(());
/// Held by the journey that makes the carrier fail, also while a text that a fault has struck is still to be
/// sent again.
static FAULT_RESERVATION: Mutex<()> = Mutex::const_new(());

pub(crate) async fn no_fault() -> NoFault {
    NoFault { _shared: FAULT_LOCK.read().await }
}

/// No fault is in force.
#[derive(Debug)]
pub struct NoFault {
    _shared: RwLockReadGuard<'static, ()>,
}

/// The carrier simulator.
#[derive(Debug, Clone)]
pub struct Carrier {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) account: String,
    pub(crate) token: String,
    pub(crate) webhooks: String,
}

/// A text as a phone shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct CarrierMessage {
    /// The carrier's id.
    pub sid: String,
    /// Who sent it.
    pub from: String,
    /// What it says.
    pub body: String,
    /// How far it has come at the carrier.
    pub status: String,
}

/// What became of a webhook that the carrier posted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookResult {
    /// The carrier's id of the text.
    pub message_sid: String,
    /// The product's answer; nothing when none came.
    pub webhook_status: Option<u16>,
    /// The body of that answer.
    pub webhook_body: String,
}

/// A fault in force. The other journeys send nothing until it is dropped.
#[derive(Debug)]
pub struct ActiveFault<'a> {
    carrier: &'a Carrier,
    _alone: RwLockWriteGuard<'static, ()>,
    reservation: FaultReservation,
}

/// The other journeys send again, and none of them makes the carrier fail.
#[derive(Debug)]
pub struct FaultReservation {
    _no_other: MutexGuard<'static, ()>,
}

impl ActiveFault<'_> {
    /// Ends the fault, whether it has struck or not. Keep the answer while a text of this journey is still to
    /// be sent.
    pub async fn end(self) -> FaultReservation {
        self.carrier.control("fault", &[("Kind", "none")]).await;
        self.reservation
    }
}

impl Carrier {
    /// A phone texts one of our numbers; the text is taken by the product.
    pub async fn send_inbound(&self, from: &Phone, to: &str, text: &str) -> String {
        let result = self.send_inbound_with(&[("From", from.number()), ("To", to), ("Body", text)]).await;
        assert_eq!(result.webhook_status, Some(200), "{result:?}");
        result.message_sid
    }

    /// A text with these fields; whatever the product makes of it.
    pub async fn send_inbound_with(&self, fields: &[(&str, &str)]) -> WebhookResult {
        serde_json::from_value(self.control("inbound-message", fields).await).expect("an outcome")
    }

    /// What a phone was sent, oldest first.
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

    /// The words of what a phone was sent, oldest first.
    pub async fn texts_to(&self, phone: &Phone) -> Vec<String> {
        self.messages_to(phone).await.into_iter().map(|text| text.body).collect()
    }

    /// A phone opts out of a number at the carrier, which does not tell the product.
    pub async fn opt_out(&self, phone: &Phone, number: &str) {
        self.control("opt-out", &[("From", phone.number()), ("To", number)]).await;
    }

    /// The addresses of files that a text was sent with.
    pub async fn media_of(&self, sid: &str) -> Vec<String> {
        let mut response = self.control("message-media", &[("MessageSid", sid)]).await;
        serde_json::from_value(response["mediaUrls"].take()).expect("addresses")
    }

    /// The network reports a state, with an error code if it is a failure; gives the product's answer.
    pub async fn report_status(&self, sid: &str, status: &str, code: Option<u32>) -> u16 {
        let code = code.map(|code| code.to_string());
        let mut fields = vec![("MessageSid", sid), ("Status", status)];
        fields.extend(code.as_deref().map(|code| ("ErrorCode", code)));
        let told: WebhookResult =
            serde_json::from_value(self.control("message-status", &fields).await).expect("an outcome");
        told.webhook_status.expect("the product answers")
    }

    /// While this is held no fault strikes. Take it before a lock: it may be long in coming. Never take it
    /// twice in one journey, as [`crate::Client::send`] and [`crate::Client::response`] do.
    pub async fn no_fault(&self) -> NoFault {
        no_fault().await
    }

    /// The next send goes wrong, and it is this journey's: post with [`crate::Client::post`], not with
    /// `send`.
    pub async fn start_fault(&self, kind: &str) -> ActiveFault<'_> {
        let reservation = FaultReservation { _no_other: FAULT_RESERVATION.lock().await };
        let alone = FAULT_LOCK.write().await;
        self.control("fault", &[("Kind", kind), ("Count", "1")]).await;
        ActiveFault { carrier: self, _alone: alone, reservation }
    }

    /// A form posted to one of our webhooks as the carrier would, properly signed.
    pub async fn webhook(&self, path: &str, fields: &[(&str, &str)]) -> ApiResponse {
        let signature = self.signature(path, fields);
        self.forged_webhook(path, fields, Some(&signature)).await
    }

    /// The same with any signature, or none.
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

    /// The signature of a form for one of our webhooks.
    pub fn signature(&self, path: &str, fields: &[(&str, &str)]) -> String {
        sign(&format!("{}{path}", self.webhooks), fields, &self.token)
    }

    /// The account that the product's numbers belong to.
    pub fn account(&self) -> &str {
        &self.account
    }

    pub(crate) async fn control(&self, route: &str, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}/_twilio/simulate/{route}", self.url);
        let request = self.http.post(url).basic_auth(&self.account, Some(&self.token)).form(fields);
        let response = client::read(format!("the carrier's {route}"), request).await;
        assert_eq!(response.status, 200, "{response}");
        response.json()
    }
}
