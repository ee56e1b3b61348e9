//! The recipients of broadcasts, one item for each number, and the counts of their states.
//!
//! Recipients are spread over eight partitions, each with an item that counts the states of its recipients. A
//! recipient changes its state in one transaction with the count of its partition. The sum of the counts is
//! therefore always the number of recipients.
//!
//! A recipient that waits is in the sparse index `delivery-checks` at the time when it is looked at next.

mod changes;
mod counts;
mod due;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::{Broadcast, BroadcastRef, Recipient, RecipientState, SkipReason, WaitReason},
    ids::{ContactId, MessageId, OrganizationId},
    message::DeliveryState,
    phone::PhoneNumber,
    question::Answer,
    time::Timestamp,
};

use crate::table::{
    error::StoreError,
    item::{from_item, item},
    keys::{self, Key},
    query::{KeyRange, Page},
    requests::Table,
};

pub use self::counts::{Counts, PreparedCounts};
pub(crate) use self::{changes::Change, counts::answer_count};

/// How long recipients are kept after the preparation.
const RETENTION: Duration = Duration::from_hours(24 * 400);
/// How many recipients are read at a time to find those in one state.
const SEARCHED: u16 = 1_000;
/// How many recipients are read for a page of those in one state, about.
const MAX_SEARCHED: usize = 20_000;

/// A recipient to store. It waits, or it gets no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecipient {
    pub number: PhoneNumber,
    pub contact: Option<ContactId>,
    /// The text with the values of the contact. `None` if it is the text of the broadcast.
    pub text: Option<String>,
    /// When it is looked at first, or why it gets no text. It waits for its hours if the time is to come.
    pub outcome: Result<Timestamp, SkipReason>,
}

impl NewRecipient {
    fn state(&self, now: Timestamp) -> RecipientState {
        match self.outcome {
            Ok(at) if at > now => RecipientState::Held,
            Ok(_) => RecipientState::Pending,
            Err(_) => RecipientState::Skipped,
        }
    }

    fn reason(&self, now: Timestamp) -> Option<String> {
        let reason = match self.outcome {
            Ok(at) if at > now => WaitReason::QuietHours.as_str(),
            Ok(_) => return None,
            Err(reason) => reason.as_str(),
        };
        Some(reason.to_owned())
    }
}

/// A recipient as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredRecipient {
    #[serde(rename = "sk")]
    pub number: PhoneNumber,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    pub state: RecipientState,
    /// Why it waits, gets no text, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The segments of its text, once that is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_segments: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Since when its text cannot be released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied_at: Option<Timestamp>,
    /// The name of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check_in: Option<String>,
    /// When it is looked at next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_at: Option<Timestamp>,
    ttl: i64,
}

impl StoredRecipient {
    /// Returns the answer to the question of the broadcast.
    pub fn answer(&self) -> Option<Answer> {
        self.answer.as_deref().and_then(Answer::parse)
    }

    /// Returns the state with its message.
    fn recipient(&self) -> Recipient {
        let messaged = |delivery| match self.message.clone() {
            Some(message) => Recipient::Messaged { message, delivery },
            None => Recipient::Pending,
        };
        match self.state {
            RecipientState::Pending => Recipient::Pending,
            RecipientState::Held => Recipient::Held {
                reason: WaitReason::QuietHours, // events do not depend on it
                until: self.check_at.unwrap_or_default(),
            },
            RecipientState::Skipped => Recipient::Skipped { reason: SkipReason::Canceled },
            RecipientState::Queued => messaged(DeliveryState::Queued),
            RecipientState::Sent => messaged(DeliveryState::Sent),
            RecipientState::Delivered => messaged(DeliveryState::Delivered),
            RecipientState::Undelivered => messaged(DeliveryState::Undelivered),
            RecipientState::Failed => messaged(DeliveryState::Failed),
        }
    }
}

/// The recipients of broadcasts.
#[derive(Debug, Clone)]
pub struct Recipients {
    table: Table,
}

impl Recipients {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Stores recipients of a preparation: 2 write units for each that waits, 1 for each that gets no text.
    pub async fn put_many(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipients: &[NewRecipient],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ttl = (now + RETENTION).seconds();
        let row = |new: &NewRecipient| {
            let partition = keys::recipients_partition(organization, of, keys::recipient_shard(&new.number));
            let (state, reason, check_at) = (new.state(now), new.reason(now), new.outcome.ok());
            let row = StoredRecipient {
                number: new.number.clone(),
                contact: new.contact.clone(),
                text: new.text.clone().filter(|_| new.outcome.is_ok()),
                state,
                reason,
                message: None,
                text_segments: None,
                released_at: None,
                failing_since: None,
                replied_at: None,
                answer: None,
                check_in: check_at.map(|_| partition.clone()),
                check_at,
                ttl,
            };
            item(Key::new(partition, new.number.as_str()), &row)
        };
        self.table.put_many(recipients.iter().map(row).collect::<Result<_, _>>()?).await
    }

    /// Returns a recipient, read consistently.
    pub async fn get(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        number: &PhoneNumber,
    ) -> Result<Option<StoredRecipient>, StoreError> {
        self.table.get(keys::recipient(organization, of, number), true).await
    }

    /// Returns the recipients with these numbers, in no order. Omits those that do not exist.
    pub async fn get_many(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        numbers: &[PhoneNumber],
    ) -> Result<Vec<StoredRecipient>, StoreError> {
        let keys = numbers.iter().map(|number| keys::recipient(organization, of, number)).collect();
        let items = self.table.get_many(keys).await?;
        Ok(serde_dynamo::from_items(items)?)
    }

    /// Returns a page of the recipients, of all or of one state. `after` is the `next` of the page before. A
    /// page is short, or empty, if few recipients are in the state: the next one goes on.
    pub async fn page(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        state: Option<RecipientState>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<StoredRecipient>, StoreError> {
        let start = after.and_then(|after| after.split_once('#'));
        let (first, mut after) = match start {
            Some((shard, sort_key)) => (shard.parse().unwrap_or(0), Some(sort_key.to_owned())),
            None => (0, None),
        };
        let mut items: Vec<StoredRecipient> = Vec::new();
        let mut read = 0;
        for shard in first..keys::RECIPIENT_SHARDS {
            let partition = keys::recipients_partition(organization, of, shard);
            loop {
                let range = KeyRange::prefix(partition.clone(), "+");
                let wanted = if state.is_some() { SEARCHED } else { limit };
                let after_key = after.take().filter(|key| !key.is_empty());
                let page = self.table.consistent_items(range, wanted, after_key.as_deref()).await?;
                let last = page.next.clone();
                read += page.items.len();
                for item in page.items {
                    let recipient: StoredRecipient = from_item(item)?;
                    if state.is_some_and(|state| state != recipient.state) {
                        continue;
                    }
                    if items.len() == usize::from(limit) {
                        let next = items.last().map(place);
                        return Ok(Page { items, next });
                    }
                    items.push(recipient);
                }
                match last {
                    Some(next) if read < MAX_SEARCHED => after = Some(next),
                    Some(next) => return Ok(Page { items, next: Some(format!("{shard}#{next}")) }),
                    None => break,
                }
            }
        }
        Ok(Page { items, next: None })
    }
}

/// Returns the position of a recipient in the list of all.
fn place(recipient: &StoredRecipient) -> String {
    format!("{}#{}", keys::recipient_shard(&recipient.number), recipient.number.as_str())
}

/// Returns the preparation of a broadcast whose recipients get the text.
pub fn reference(broadcast: &Broadcast) -> BroadcastRef {
    BroadcastRef { broadcast: broadcast.id.clone(), preparation: broadcast.preparation }
}
