//! Status callbacks: the way of a message, told step by step.
//!
//! One message's callbacks go out one after the other, each after the one before was answered or given up.

use std::sync::Arc;

use jiff::Timestamp;

use crate::Carrier;
use crate::messages::message::{Direction, Message, Status};
use crate::webhook::{Answer, Params, Retries};

/// Whether the customer hears of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipts {
    /// Each step is called back, up to `delivered`.
    Told,
    /// No step is; without a receipt `sent` is the last word.
    Silent,
}

impl Receipts {
    fn steps(self) -> &'static [Status] {
        match self {
            Self::Told => &[Status::Queued, Status::Sending, Status::Sent, Status::Delivered],
            Self::Silent => &[Status::Queued, Status::Sending, Status::Sent],
        }
    }
}

/// A callback that is due.
pub(crate) struct Callback {
    url: String,
    params: Params,
}

impl Callback {
    /// The callback of a message in its present state, if its sender wants any.
    pub(crate) fn of(message: &Message, account: &str) -> Option<Self> {
        match &message.direction {
            Direction::Outbound { status_callback: Some(url) } => {
                Some(Self { url: url.clone(), params: params(message, account) })
            }
            Direction::Outbound { status_callback: None } | Direction::Inbound { .. } => None,
        }
    }

    /// Posts it.
    pub(crate) async fn send(&self, carrier: &Carrier) -> Answer {
        carrier.webhooks.post(&self.url, &self.params, Retries::CONNECT).await
    }
}

/// Carries a message to its end. Stops where it is when somebody tells another status by hand.
pub(crate) async fn carry(carrier: Arc<Carrier>, sid: String, receipts: Receipts) {
    for &status in receipts.steps() {
        tokio::time::sleep(carrier.settings.step).await;
        let callback = match carrier.log().step(&sid, status, Timestamp::now()) {
            Some(message) => Callback::of(message, &carrier.settings.account_sid),
            None => return,
        };
        if receipts == Receipts::Told
            && let Some(callback) = callback
        {
            let answer = callback.send(&carrier).await;
            tracing::info!(
                message.sid = sid,
                status = status.as_str(),
                answer = answer.status,
                "called back"
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
