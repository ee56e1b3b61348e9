//! Status callbacks: the delivery of a message, step by step.
//!
//! The callbacks of one message are sent in order. Each one waits until the previous one is answered or given
//! up.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::Carrier;
use crate::faults::fault::Target;
use crate::messages::message::{Direction, Message, Status};
use crate::webhook::{Answer, Params};

/// What becomes of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It leaves the sender's queue after this time.
    After(Duration),
    /// It fails with this code.
    Fails(u32),
    /// The carriers' networks reject it with this code.
    Undelivered(u32),
}

/// The steps of a delivered message.
const STEPS: [Status; 4] = [Status::Queued, Status::Sending, Status::Sent, Status::Delivered];
/// The steps of a message that the carriers' networks reject.
const REJECTED_STEPS: [Status; 4] = [Status::Queued, Status::Sending, Status::Sent, Status::Undelivered];

/// A status callback.
pub(crate) struct Callback {
    /// The recipient of the message.
    to: String,
    url: String,
    params: Params,
}

impl Callback {
    /// The callback for the current status. `None` if the message has no callback URL.
    pub(crate) fn of(message: &Message, account: &str) -> Option<Self> {
        match &message.direction {
            Direction::Outbound { status_callback: Some(url) } => {
                Some(Self { to: message.to.clone(), url: url.clone(), params: params(message, account) })
            }
            Direction::Outbound { status_callback: None } | Direction::Inbound { .. } => None,
        }
    }

    pub(crate) async fn send(&self, carrier: &Carrier) -> Answer {
        if carrier.faults().take_for(&self.to, Target::StatusCallbacks).is_some() {
            return Answer::NONE;
        }
        carrier.webhooks.post(&self.url, &self.params).await
    }
}

/// Takes a message through its steps. Stops if a control route sets its status. Without receipts, the product
/// is not called back, and the last status is `sent`.
pub(crate) async fn deliver(carrier: Arc<Carrier>, sid: String, delivery: Delivery, has_receipts: bool) {
    let (steps, code, wait): (&[_], _, _) = match delivery {
        Delivery::After(wait) if has_receipts => (&STEPS, None, wait),
        Delivery::After(wait) => (&STEPS[..3], None, wait),
        Delivery::Fails(code) => (&[Status::Failed], Some(code), Duration::ZERO),
        Delivery::Undelivered(code) => (&REJECTED_STEPS, Some(code), Duration::ZERO),
    };
    for &status in steps {
        let pause = if status == Status::Sending { wait } else { Duration::ZERO };
        tokio::time::sleep(carrier.settings.step + pause).await;
        let code = code.filter(|_| matches!(status, Status::Failed | Status::Undelivered));
        let callback = match carrier.log().step(&sid, status, code, Timestamp::now()) {
            Some(message) => Callback::of(message, &carrier.settings.account_sid),
            None => return,
        };
        if has_receipts && let Some(callback) = callback {
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
