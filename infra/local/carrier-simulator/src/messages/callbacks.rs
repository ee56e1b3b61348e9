//! Status callbacks: the delivery of a message, step by step.
//!
//! The callbacks of one message are sent in order. Each one waits until the previous one is answered or given
//! up.

use std::sync::Arc;

use jiff::Timestamp;

use crate::Carrier;
use crate::messages::message::{Direction, Message, Status};
use crate::webhook::{Answer, Params, Retries};

/// Whether the product is called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipts {
    /// For each step up to `delivered`.
    Sent,
    /// Never. The last status is `sent`.
    Silent,
}

impl Receipts {
    fn steps(self) -> &'static [Status] {
        match self {
            Self::Sent => &[Status::Queued, Status::Sending, Status::Sent, Status::Delivered],
            Self::Silent => &[Status::Queued, Status::Sending, Status::Sent],
        }
    }
}

/// A status callback.
pub(crate) struct Callback {
    url: String,
    params: Params,
}

impl Callback {
    /// The callback for the current status. `None` if the message has no callback URL.
    pub(crate) fn of(message: &Message, account: &str) -> Option<Self> {
        match &message.direction {
            Direction::Outbound { status_callback: Some(url) } => {
                Some(Self { url: url.clone(), params: params(message, account) })
            }
            Direction::Outbound { status_callback: None } | Direction::Inbound { .. } => None,
        }
    }

    pub(crate) async fn send(&self, carrier: &Carrier) -> Answer {
        carrier.webhooks.post(&self.url, &self.params, Retries::CONNECT).await
    }
}

/// Takes a message through its steps. Stops if a control route sets its status.
pub(crate) async fn deliver(carrier: Arc<Carrier>, sid: String, receipts: Receipts) {
    for &status in receipts.steps() {
        tokio::time::sleep(carrier.settings.step).await;
        let callback = match carrier.log().step(&sid, status, Timestamp::now()) {
            Some(message) => Callback::of(message, &carrier.settings.account_sid),
            None => return,
        };
        if receipts == Receipts::Sent
            && let Some(callback) = callback
        {
            let answer = callback.send(&carrier).await;
            tracing::info!(
                message.sid = sid,
                status = status.as_str(),
                answer = answer.status,
                "status callback sent"
            );
        }
    }
}

fn params(message: &Message, account: &str) -> Params {
    let status = message.status.as_str();
    let mut params = vec![("SmsSid", message.sid.as_str()), ("SmsStatus", status), ("MessageStatus", status)];
    params.push(("To", &message.to));
    params.extend(message.messaging_service_sid.as_deref().map(|service| ("MessagingServiceSid", service)));
    params.extend([("MessageSid", message.sid.as_str()), ("AccountSid", account)]);
    params.extend(message.from.as_deref().map(|from| ("From", from)));
    params.push(("ApiVersion", "2010-04-01"));
    let code = message.error_code.map(|code| code.to_string());
    params.extend(code.as_deref().map(|code| ("ErrorCode", code)));
    let done = matches!(message.status, Status::Delivered | Status::Undelivered)
        .then(|| message.updated.strftime("%y%m%d%H%M").to_string());
    params.extend(done.as_deref().map(|done| ("RawDlrDoneDate", done)));
    params.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
