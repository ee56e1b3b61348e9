//! What has to be true of a broadcast in the end: each number has one text within its hours, or none for a
//! reason.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};
use shared_aws::broadcast::{StoredRecipient, reference};
use shared_domain::{
    broadcast::{Broadcast, BroadcastStatus, RecipientState as State},
    ids::ConversationId,
    message::{DeliveryState, Message},
    sending_hours::HoursMode,
    time::Timestamp,
};

use super::{MAX_CONCURRENCY, World};

const HOUR: i64 = 3_600_000;
/// Twilio's error for a message whose `ValidityPeriod` ended before it was sent.
const VALIDITY_EXPIRED: &str = "30036";

impl World {
    /// Requires what holds in the end: each number has one text, or none with a reason that holds.
    pub(crate) async fn assert_outcome(&self) {
        let (name, found) = (self.name(), self.found().await.value);
        let all = self.all(&found).await;
        if self.progress(&found).await.total() == 0 && found.status == BroadcastStatus::Canceled {
            return; // before all recipients were stored, so nobody gets a text
        }
        let numbers: BTreeSet<_> = all.iter().map(|one| one.number.clone()).collect();
        let expected: BTreeSet<_> = self.numbers.iter().cloned().collect();
        assert!(numbers == expected && all.len() == expected.len(), "{name}: other recipients");
        let checks = stream::iter(&all).map(|one| self.assert_recipient(&found, one));
        checks.buffer_unordered(MAX_CONCURRENCY).collect::<()>().await;
        self.look_at_all().await;
    }

    async fn assert_recipient(&self, found: &Broadcast, one: &StoredRecipient) {
        let name = format!("{} {}: {:?} {:?}", self.name(), one.number.as_str(), one.state, one.reason);
        let history = self.path.inbox.app.history_of(&ConversationId::of(&found.inbox, &one.number)).await;
        let of = reference(found);
        let of_broadcast =
            |message: &&Message| message.broadcast.as_ref() == Some(&of) && message.sender.is_some();
        let texts: Vec<&Message> = history.iter().filter(of_broadcast).collect();
        let wanted = usize::from(one.state != State::Skipped);
        assert_eq!(texts.len(), wanted, "{name}");
        let is_explained = match one.reason.as_deref() {
            _ if wanted == 1 => !self.forbidden.contains(&one.number),
            Some(reason @ ("blocked" | "opted_out")) => {
                self.refusing.get(&one.number).is_some_and(|known| known.contains(reason))
            }
            reason => reason.is_some() && reason == self.ended_by,
        };
        assert!(is_explained, "{name}");
        if let Some(text) = texts.first() {
            assert_eq!(Some(&text.id), one.message.as_ref(), "{name}");
            self.assert_text(&name, text).await;
        }
        assert!(
            one.replied_at.is_some() || !self.replied.contains(&one.number),
            "{name}: a reply is not counted"
        );
    }

    async fn assert_text(&self, name: &str, text: &Message) {
        let until = self.locked.get(&text.contact_number);
        assert!(until.is_none_or(|until| text.created_at >= *until), "{name}: locked until {until:?}");
        if self.draft.hours == HoursMode::Recipient {
            assert!(time_of_day(text.created_at) < 20 * HOUR - 75_000, "{name}: released too late");
            assert!(time_of_day(text.created_at) >= 9 * HOUR, "{name}: released too early");
            let ends = text.send_until.expect("an end of the hours");
            assert!(time_of_day(ends) == 20 * HOUR && ends > text.created_at, "{name}: until {ends}");
        }
        let state = text.delivery.state();
        let failed = text.delivery.report(DeliveryState::Failed).and_then(|report| report.detail.as_deref());
        let why = |word| failed.is_some_and(|detail| detail.contains(word));
        let is_canceled = async || self.found().await.value.status == BroadcastStatus::Canceled;
        assert!(!why("canceled") || is_canceled().await, "{name}: {failed:?}");
        let refusing = self.refusing.get(&text.contact_number);
        let is_blocked = refusing.is_some_and(|reasons| reasons.contains("blocked"));
        assert!(!why("blocked") || is_blocked, "{name}: {failed:?}");
        // The carrier may accept a text shortly before its hours end, and then has no turn for it in time.
        let failure = text.delivery.report(DeliveryState::Failed).and_then(|report| report.code.as_deref());
        let is_at_carrier = match state {
            DeliveryState::Failed => failure == Some(VALIDITY_EXPIRED),
            state => state != DeliveryState::Queued,
        };
        if self.is_sent {
            let copies = self.path.carrier().accepted_messages(&text.contact_number).await;
            assert_eq!(copies, usize::from(is_at_carrier), "{name}: copies at the carrier, {state:?}");
            assert!(copies == 0 || !self.silent.contains(&text.contact_number), "{name}: sent after STOP");
            // When the carrier was asked. `Sent` is reported later if its answer was lost.
            let asked = text.delivery.report(DeliveryState::Sending);
            let in_time = asked.is_some_and(|asked| text.send_until.is_none_or(|until| asked.at < until));
            assert!(copies == 0 || in_time, "{name}: sent after the hours, {:?}", text.delivery);
        }
    }
}

/// The time of the day where the recipients are, in milliseconds. They are seven hours behind in January.
fn time_of_day(at: Timestamp) -> i64 {
    (at - Duration::from_hours(7)).millis().rem_euclid(24 * HOUR)
}
