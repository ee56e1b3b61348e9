//! The order of a conversation whose messages are in two queues.
//!
//! A FIFO queue keeps the order of a conversation. Texts of broadcasts have a queue of their own, so a text
//! also waits for the earlier messages of its conversation that are no texts of broadcasts, and these for an
//! earlier text, until they have an outcome.
//!
//! An earlier message may be stuck: in the dead-letter queue, or behind the message that waits for it if the
//! two were accepted at the same instant. So a message waits for four hours at most in which the earlier one
//! could have been sent. A pause and a hold do not count.

use std::time::Duration;

use shared_aws::{
    clients::SendJob,
    messaging::Messages,
    sending::BeforeSend,
    table::{StoreError, Table},
};
use shared_domain::{
    message::{Direction, Message},
    time::Timestamp,
};

use crate::reconcile::MAX_UNKNOWN_AGE;

/// How many earlier messages of the conversation are looked at.
const EARLIER_MESSAGES: u16 = 20;

/// How long an earlier message that could be sent is waited for. An unknown outcome is known by then.
const MAX_ORDER_WAIT: Duration = MAX_UNKNOWN_AGE;
/// The time for which a queue keeps a message. An older one that has no outcome never gets one.
const RETENTION: Duration = Duration::from_hours(14 * 24);

/// The shortest and the longest interval at which a message looks again, and their part of its age. A queue
/// allows 1,000 receives.
const MIN_DELAY: Duration = Duration::from_secs(2);
const MAX_DELAY: Duration = Duration::from_mins(1);
const AGE_FRACTION: u32 = 10;

/// The order between the two queues of messages.
#[derive(Debug, Clone)]
pub(crate) struct SendOrder {
    messages: Messages,
}

impl SendOrder {
    pub(crate) fn new(table: Table) -> Self {
        Self { messages: Messages::new(table) }
    }

    /// Returns how long a queued message waits before it looks again, if an earlier message of the other
    /// queue must go first. Reads nothing unless the message is the text of a broadcast or may follow one.
    pub(crate) async fn delay(
        &self,
        job: &SendJob,
        message: &Message,
        before: &BeforeSend,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let may_hold = |accepted: Timestamp| {
            accepted + RETENTION > now && before.open_since(accepted) + MAX_ORDER_WAIT > now
        };
        let follows_text = before.asked.as_ref().is_some_and(|asked| may_hold(asked.at));
        if message.broadcast.is_none() && !follows_text {
            return Ok(None);
        }
        let (organization, conversation) = (&job.organization, &message.conversation);
        let after = Some(message.id.as_str());
        let earlier = self.messages.history(organization, conversation, EARLIER_MESSAGES, after).await?;
        let is_held = earlier.items.iter().any(|earlier| {
            earlier.direction == Direction::Outbound
                && earlier.broadcast.is_some() != message.broadcast.is_some()
                && !earlier.delivery.state().is_settled()
                && may_hold(earlier.created_at)
        });
        let age = message.created_at.duration_until(now);
        Ok(is_held.then(|| (age / AGE_FRACTION).clamp(MIN_DELAY, MAX_DELAY)))
    }
}
