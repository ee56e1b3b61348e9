//! The recipients of broadcasts, one item for each number, and the counts of their states.
//!
//! Recipients are spread over eight partitions, each with an item that counts the states of its recipients. A
//! recipient changes its state in one transaction with the count of its partition. The sum of the counts is
//! therefore always the number of recipients.
//!
//! A recipient that waits is in the sparse index `delivery-checks` at the time when it is looked at next.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::{
        Broadcast, BroadcastRef, BroadcastStatus, Progress, Recipient, RecipientEvent, RecipientState,
        SkipReason, WaitReason,
    },
    ids::{ContactId, MessageId, OrganizationId},
    message::{DeliveryState, Message},
    phone::PhoneNumber,
    question::Answer,
    time::Timestamp,
};

use crate::{
    broadcast::broadcasts::{BroadcastWrite, put_changed},
    table::{
        error::StoreError,
        item::{by_key, from_item, item, number, text},
        keys::{self, Key},
        query::{KeyRange, Page},
        requests::{EXISTS, Table},
        transaction::Transaction,
        versioned::Versioned,
    },
};

/// How long recipients are kept after the preparation.
const RETENTION: Duration = Duration::from_hours(24 * 400);
/// How many recipients are read at a time to find those in one state.
const SEARCHED: u16 = 1_000;
/// How many recipients are read for a page of those in one state, about.
const MAX_SEARCHED: usize = 20_000;
/// Recipients whose time came within the last three minutes are looked at before others.
const LATELY: Duration = Duration::from_mins(3);
/// How often a recipient is read again because it changed at the same time.
const ATTEMPTS: usize = 5;

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

/// Counts by the names of the states.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ProgressRow {
    pending: i64,
    held: i64,
    queued: i64,
    sent: i64,
    delivered: i64,
    undelivered: i64,
    failed: i64,
    skipped: i64,
    replied: i64,
    queued_segments: i64,
}

/// The attribute of [`ProgressRow`] with the segments of the queued texts.
const QUEUED_SEGMENTS: &str = "queuedSegments";

impl ProgressRow {
    fn count(&mut self, state: RecipientState) -> &mut i64 {
        match state {
            RecipientState::Pending => &mut self.pending,
            RecipientState::Held => &mut self.held,
            RecipientState::Queued => &mut self.queued,
            RecipientState::Sent => &mut self.sent,
            RecipientState::Delivered => &mut self.delivered,
            RecipientState::Undelivered => &mut self.undelivered,
            RecipientState::Failed => &mut self.failed,
            RecipientState::Skipped => &mut self.skipped,
        }
    }
}

/// How many recipients each partition has, by state.
#[derive(Debug, Default)]
pub struct PreparedCounts([ProgressRow; 8]); // one for each of the RECIPIENT_SHARDS

impl PreparedCounts {
    /// Counts a recipient that is about to be stored.
    pub fn add(&mut self, recipient: &NewRecipient, now: Timestamp) {
        let shard = usize::try_from(keys::recipient_shard(&recipient.number)).unwrap_or_default();
        *self.0[shard].count(recipient.state(now)) += 1;
    }
}

/// What is counted of the recipients of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub progress: Progress,
    /// The segments of the texts that are queued.
    pub queued_segments: u64,
    /// How many recipients gave each answer to the question. An answer that nobody gave may be missing.
    pub answers: BTreeMap<Answer, u64>,
}

/// The beginning of the attributes that count answers.
const ANSWER_COUNT: &str = "answer_";

/// The attribute that counts an answer.
pub(crate) fn answer_count(answer: Answer) -> String {
    format!("{ANSWER_COUNT}{}", answer.name())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueRow {
    pk: String,
    sk: PhoneNumber,
    check_at: Timestamp,
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

    /// Ends a preparation: stores the counts and the broadcast in one transaction. A preparation that began
    /// later refuses it.
    pub async fn start(
        &self,
        before: &Versioned<Broadcast>,
        after: &Broadcast,
        counts: &PreparedCounts,
        due: Option<Timestamp>,
    ) -> Result<BroadcastWrite, StoreError> {
        let of = reference(after);
        let mut transaction = Transaction::new(&self.table);
        put_changed(&mut transaction, before, after, due)?;
        for (shard, counts) in (0..).zip(&counts.0) {
            transaction.put_new(keys::recipient_counts(&after.organization, &of, shard), counts)?;
        }
        let is_done = transaction.commit().await?.is_done();
        Ok(if is_done { BroadcastWrite::Done } else { BroadcastWrite::Changed })
    }

    /// Returns how many recipients are in each state, read consistently: 8 read units.
    pub async fn progress(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
    ) -> Result<Progress, StoreError> {
        Ok(self.counts(organization, of).await?.progress)
    }

    /// Returns whether a broadcast has recipients. One that ended in the middle of its preparation has items
    /// of recipients and no counts. 8 read units for one that was canceled or failed.
    pub async fn has_any(&self, broadcast: &Broadcast) -> Result<bool, StoreError> {
        Ok(match broadcast.status {
            BroadcastStatus::Draft | BroadcastStatus::Scheduled | BroadcastStatus::Preparing => false,
            BroadcastStatus::Running | BroadcastStatus::Paused | BroadcastStatus::Completed => true,
            BroadcastStatus::Canceled | BroadcastStatus::Failed => {
                self.progress(&broadcast.organization, &reference(broadcast)).await?.total() > 0
            }
        })
    }

    /// Returns the progress and how many recipients gave each answer, read consistently: 8 read units.
    pub async fn counts(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
    ) -> Result<Counts, StoreError> {
        let keys = (0..keys::RECIPIENT_SHARDS).map(|shard| keys::recipient_counts(organization, of, shard));
        let items = self.table.batch_get(keys.collect(), true).await?;
        let mut answers = BTreeMap::new();
        for (name, value) in items.iter().flatten() {
            let answer = name.strip_prefix(ANSWER_COUNT).and_then(Answer::parse);
            let count = value.as_n().ok().and_then(|count| count.parse::<u64>().ok());
            if let Some((answer, count)) = answer.zip(count) {
                *answers.entry(answer).or_default() += count;
            }
        }
        let mut rows: Vec<ProgressRow> = serde_dynamo::from_items(items)?;
        let mut sum = |state: RecipientState| {
            let counts = rows.iter_mut().map(|row| u64::try_from(*row.count(state)).unwrap_or_default());
            counts.sum()
        };
        let counts = RecipientState::ALL.map(|state| (state, sum(state)));
        let replied = rows.iter().map(|row| u64::try_from(row.replied).unwrap_or_default()).sum();
        let queued_segments = rows.iter().map(|row| row.queued_segments).sum::<i64>();
        let queued_segments = u64::try_from(queued_segments).unwrap_or_default();
        let count = |state| counts.iter().find(|(one, _)| *one == state).map_or(0, |(_, count)| *count);
        Ok(Counts { progress: Progress::from_counts(count, replied), queued_segments, answers })
    }

    /// Returns up to `limit` recipients that wait until `now` at most: first those whose time came within the
    /// last minutes, such as those that were locked, and then in the order of their times. `None` returns
    /// those that wait for any time. A change of the last second may be missing.
    pub async fn due(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        now: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<StoredRecipient>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new()); // a query refuses it
        }
        let lately = now.map(|now| now - LATELY);
        let waiting = |shard, after| self.waiting(organization, of, shard, after, now, limit);
        let shards = 0..keys::RECIPIENT_SHARDS;
        let all = shards.clone().map(|shard| waiting(shard, None));
        let of_lately = shards.filter(|_| lately.is_some()).map(|shard| waiting(shard, lately));
        let found = try_join_all(all.chain(of_lately)).await?;
        let is_older = |row: &DueRow| lately.is_none_or(|lately| row.check_at <= lately);
        let mut found: Vec<_> =
            found.into_iter().flatten().map(|row| (is_older(&row), row.check_at, row.sk, row.pk)).collect();
        found.sort();
        // The queries read at different times, so one may be in two places.
        let mut seen = HashSet::new();
        found.retain(|(_, _, number, _)| seen.insert(number.clone()));
        found.truncate(limit);
        let keys: Vec<Key> = found.iter().map(|(_, _, sk, pk)| Key::new(pk, sk.as_str())).collect();
        let mut items = by_key(self.table.get_many(keys.clone()).await?);
        let in_order = keys.iter().filter_map(|key| items.remove(key)).map(from_item);
        in_order.collect()
    }

    /// Returns the recipient that is looked at next. `None` if none waits.
    pub async fn next_due(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
    ) -> Result<Option<StoredRecipient>, StoreError> {
        Ok(self.due(organization, of, None, 1).await?.into_iter().next())
    }

    async fn waiting(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        shard: u64,
        after: Option<Timestamp>,
        now: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<DueRow>, StoreError> {
        let query = self.table.client.query().table_name(&self.table.name).index_name(keys::DELIVERY_CHECKS);
        let partition = keys::recipients_partition(organization, of, shard);
        let query = query.expression_attribute_values(":partition", text(partition));
        let query = match now {
            Some(now) => query
                .key_condition_expression("checkIn = :partition AND checkAt BETWEEN :after AND :now")
                .expression_attribute_values(":after", number(after.map_or(0, |after| after.millis() + 1)))
                .expression_attribute_values(":now", number(now.millis())),
            None => query.key_condition_expression("checkIn = :partition"),
        };
        let found = query.limit(i32::try_from(limit).unwrap_or(i32::MAX)).send().await?;
        Ok(serde_dynamo::from_items(found.items.unwrap_or_default())?)
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

    /// Makes a recipient wait. `false` if it does not wait any more.
    pub async fn hold(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        reason: WaitReason,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Held, |update| {
            update
                .update_expression("SET #state = :to, reason = :reason, checkAt = :until REMOVE failingSince")
                .expression_attribute_values(":reason", text(reason.as_str()))
                .expression_attribute_values(":until", number(until.millis()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Makes a recipient wait whose text could not be released now. `false` if it does not wait any more.
    pub async fn put_off(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Held, |update| {
            update
                .update_expression(
                    "SET #state = :to, reason = :reason, checkAt = :until, \
                     failingSince = if_not_exists(failingSince, :now)",
                )
                .expression_attribute_values(":reason", text(WaitReason::Error.as_str()))
                .expression_attribute_values(":until", number(until.millis()))
                .expression_attribute_values(":now", number(now.millis()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Leaves a recipient out. `false` if it does not wait any more.
    pub async fn skip(
        &self,
        organization: &OrganizationId,
        of: &BroadcastRef,
        recipient: &StoredRecipient,
        reason: SkipReason,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let change = Change::of(organization, of, recipient);
        change.write(&mut transaction, RecipientState::Skipped, |update| {
            update
                .update_expression("SET #state = :to, reason = :reason REMOVE checkIn, checkAt, #text")
                .expression_attribute_names("#text", "text")
                .expression_attribute_values(":reason", text(reason.as_str()))
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Erases a number from all preparations of a broadcast. A recipient that still waits, or whose message
    /// is on its way, is counted as left out, so the sum of the states stays the number of recipients.
    /// `false` if the number was no recipient.
    pub async fn erase(&self, broadcast: &Broadcast, number: &PhoneNumber) -> Result<bool, StoreError> {
        let organization = &broadcast.organization;
        let mut found = false;
        for preparation in 1..=broadcast.preparation {
            let of = BroadcastRef { broadcast: broadcast.id.clone(), preparation };
            let Some(recipient) = self.get(organization, &of, number).await? else { continue };
            found = true;
            let is_counted = preparation == broadcast.preparation && recipient.state.is_open();
            let is_left_out =
                is_counted && self.skip(organization, &of, &recipient, SkipReason::Canceled).await?;
            if is_counted && !is_left_out && !broadcast.status.is_final() {
                continue; // it changed, or nothing is counted yet: left to the next pass
            }
            self.table.delete(keys::recipient(organization, &of, number)).await?;
        }
        Ok(found)
    }

    /// Adds that the failed text of a recipient is sent again by this message. Does nothing if the recipient
    /// does not exist or has another message. 1 read unit, and 4 write units.
    pub(crate) async fn retry(
        &self,
        transaction: &mut Transaction<'_>,
        organization: &OrganizationId,
        failed: &MessageId,
        by: &Message,
    ) -> Result<(), StoreError> {
        let (Some(of), phone) = (&by.broadcast, &by.contact_number) else { return Ok(()) };
        let Some(stored) = self.get(organization, of, phone).await? else { return Ok(()) };
        let event = RecipientEvent::Retry { failed: failed.clone(), message: by.id.clone() };
        let Some(next) = stored.recipient().after(event) else { return Ok(()) };
        let change = Change { organization, of, number: phone, from: stored.state, segments: by.segments() };
        change.write(transaction, next.state(), |update| {
            update
                .update_expression(
                    "SET #state = :to, message = :message, textSegments = :segments, releasedAt = :at \
                     REMOVE reason",
                )
                .expression_attribute_values(":message", text(&by.id))
                .expression_attribute_values(":segments", number(by.segments()))
                .expression_attribute_values(":at", number(by.created_at.millis()))
        })?;
        Ok(())
    }

    /// Brings the recipient of a message of a broadcast to the message's delivery state. Idempotent. 1 read
    /// unit, and 4 write units if the state changes.
    pub async fn follow(&self, organization: &OrganizationId, message: &Message) -> Result<(), StoreError> {
        let Some(of) = &message.broadcast else { return Ok(()) };
        let number = &message.contact_number;
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.get(organization, of, number).await? else { return Ok(()) };
            let event =
                RecipientEvent::Report { message: message.id.clone(), delivery: message.delivery.state() };
            let Some(next) = stored.recipient().after(event) else { return Ok(()) };
            if next.state() == stored.state {
                return Ok(());
            }
            let mut transaction = Transaction::new(&self.table);
            let change = Change::of(organization, of, &stored);
            let failure = message.delivery.report(message.delivery.state());
            let failure = failure.filter(|_| message.delivery.state().is_failure());
            let reason = failure.and_then(|report| report.code.clone().or(report.detail.clone()));
            change.write(&mut transaction, next.state(), |update| match reason {
                Some(reason) => update
                    .update_expression("SET #state = :to, reason = :reason")
                    .expression_attribute_values(":reason", text(reason)),
                None => update.update_expression("SET #state = :to REMOVE reason"),
            })?;
            if transaction.commit().await?.is_done() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("a recipient changed in every attempt".into()))
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

/// A change of a recipient's state.
pub(crate) struct Change<'a> {
    pub(crate) organization: &'a OrganizationId,
    pub(crate) of: &'a BroadcastRef,
    pub(crate) number: &'a PhoneNumber,
    pub(crate) from: RecipientState,
    /// The segments of the text that is queued before or after the change.
    pub(crate) segments: usize,
}

impl<'a> Change<'a> {
    /// A change of a recipient whose text is not queued by it.
    fn of(organization: &'a OrganizationId, of: &'a BroadcastRef, recipient: &'a StoredRecipient) -> Self {
        let segments = recipient.text_segments.unwrap_or_default();
        Self { organization, of, number: &recipient.number, from: recipient.state, segments }
    }

    /// Adds the change to a transaction, under the condition that the recipient is still in its state.
    /// Returns the place of the recipient.
    pub(crate) fn write(
        &self,
        transaction: &mut Transaction<'_>,
        to: RecipientState,
        build: impl FnOnce(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<usize, StoreError> {
        let Self { organization, of, number: phone, from, segments } = *self;
        let place = transaction.update(keys::recipient(organization, of, phone), |update| {
            build(update)
                .condition_expression("#state = :from")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":from", text(from.as_str()))
                .expression_attribute_values(":to", text(to.as_str()))
        })?;
        if from != to {
            let shard = keys::recipient_shard(phone);
            let segments = i64::try_from(segments).unwrap_or_default();
            let queued = |state| if state == RecipientState::Queued { segments } else { 0 };
            transaction.update(keys::recipient_counts(organization, of, shard), |update| {
                update
                    .update_expression("ADD #from :minus, #to :one, #segments :segments")
                    .condition_expression(EXISTS)
                    .expression_attribute_names("#from", from.as_str())
                    .expression_attribute_names("#to", to.as_str())
                    .expression_attribute_names("#segments", QUEUED_SEGMENTS)
                    .expression_attribute_values(":minus", number(-1))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":segments", number(queued(to) - queued(from)))
            })?;
        }
        Ok(place)
    }
}
