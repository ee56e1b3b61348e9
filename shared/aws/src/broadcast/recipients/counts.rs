//! How many recipients of a broadcast are in each state, and how many gave each answer: the sums of what the
//! partitions count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::{
    broadcast::{Broadcast, BroadcastRef, BroadcastStatus, Progress, RecipientState},
    ids::OrganizationId,
    question::Answer,
    time::Timestamp,
};

use super::{NewRecipient, Recipients, reference};
use crate::{
    broadcast::broadcasts::{BroadcastWrite, put_changed},
    table::{error::StoreError, keys, transaction::Transaction, versioned::Versioned},
};

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
pub(super) const QUEUED_SEGMENTS: &str = "queuedSegments";

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

impl Recipients {
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
}
