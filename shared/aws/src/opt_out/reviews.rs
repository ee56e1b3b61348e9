//! Reviews: messages that may be a request to opt out, shown to the members of their inbox and resolved once.
//!
//! A message is under its own id in one of two places: open or done. Opening is one transaction that requires
//! that it is in neither, so a repeated message is not opened again, however late it comes. Resolving moves
//! it from open to done, and opts the contact out in the same transaction if that is the decision. If two
//! members resolve a review at once, one succeeds, and a review never says that the contact opted out without
//! the opt-out being stored.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, MessageId, ReviewId},
    keys::{InboxKey, TeamInboxKey},
    opt_out::{OptOutChange, OptOutReview, OptOutSubject, ReviewOutcome, ReviewResolution},
    phone::PhoneNumber,
    time::Timestamp,
    user::UserRef,
};

use crate::{
    conversation::rows::ConversationRow,
    opt_out::opt_outs::{OptOutRecord, OptOutWrite, OptOuts},
    table::{
        error::StoreError,
        item::{Item, from_item},
        keys,
        query::{KeyRange, Order, Page},
        requests::{EXISTS, Table},
        transaction::Transaction,
    },
    team::retentions::{self, Erasure, ExpiringTeam},
};

/// Reviews that expire in one transaction.
const EXPIRED_PAGE: u16 = 25;

/// A review with the contact as the conversation shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewEntry {
    pub review: OptOutReview,
    pub contact: Contact,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReviewRow {
    sk: String,
    number: PhoneNumber,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided: Option<ResolutionRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ResolutionRow {
    verdict: ReviewOutcome,
    by: UserRef,
    at: Timestamp,
}

/// The reviews of inboxes.
#[derive(Debug, Clone)]
pub struct OptOutReviews {
    table: Table,
    opt_outs: OptOuts,
}

impl OptOutReviews {
    pub fn new(table: Table) -> Self {
        Self { opt_outs: OptOuts::new(table.clone()), table }
    }

    /// Opens a review of a message. `false` if it was opened before, even if it is done by now. 4 write units
    /// for a message of one segment.
    pub async fn open_review(
        &self,
        inbox: TeamInboxKey<'_>,
        message: &MessageId,
        number: &PhoneNumber,
        text: &str,
    ) -> Result<bool, StoreError> {
        let id = ReviewId::of(message);
        let key = keys::open_review(inbox.inbox_key(), &id);
        let row =
            ReviewRow { sk: key.sk.clone(), number: number.clone(), text: text.to_owned(), decided: None };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(key, &row)?;
        transaction.require_absent(keys::resolved_review(inbox.inbox_key(), &id))?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Returns an open or resolved review, read consistently. Costs 3 read units in one request.
    pub async fn get(
        &self,
        inbox: TeamInboxKey<'_>,
        id: &ReviewId,
    ) -> Result<Option<ReviewEntry>, StoreError> {
        let Some(conversation) = id.message().conversation() else { return Ok(None) };
        let keys = vec![
            keys::open_review(inbox.inbox_key(), id),
            keys::resolved_review(inbox.inbox_key(), id),
            keys::conversation(inbox.inbox_key().conversation(&conversation)),
        ];
        let (conversations, reviews): (Vec<Item>, Vec<Item>) =
            self.table.batch_get(keys, true).await?.into_iter().partition(is_conversation);
        let contacts = contacts(conversations)?;
        let Some(item) = reviews.into_iter().next() else { return Ok(None) };
        Ok(Some(entry(inbox, from_item::<ReviewRow>(item)?.review()?, &contacts)))
    }

    /// Returns a page of the open reviews, newest first, in two requests. Costs half a read unit for each
    /// conversation.
    pub async fn open(
        &self,
        inbox: TeamInboxKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<ReviewEntry>, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox.inbox_key()), keys::OPEN_REVIEWS);
        let page = self.table.page(range, Order::Descending, limit, after).await?;
        let page = page.try_map(ReviewRow::review)?;
        // DynamoDB refuses a batch that contains a key twice.
        let conversations: BTreeSet<&ConversationId> =
            page.items.iter().map(|review| &review.conversation).collect();
        let keys = conversations.into_iter().map(|id| keys::conversation(inbox.inbox_key().conversation(id)));
        let contacts = contacts(self.table.batch_get(keys.collect(), false).await?)?;
        Ok(page.map(|review| entry(inbox, review, &contacts)))
    }

    /// Returns the open and resolved reviews of a number in an inbox, read consistently. Reads all reviews of
    /// the inbox.
    pub async fn of_number(
        &self,
        inbox: InboxKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Vec<OptOutReview>, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::REVIEWS);
        let rows: Vec<ReviewRow> = self.table.all(&range).await?;
        rows.into_iter().filter(|row| row.number == *number).map(ReviewRow::review).collect()
    }

    /// Deletes the first resolved reviews of messages that were received before `cutoff`. Returns how many,
    /// and 0 once there are none. Half a read unit if there are none; 2 write units for each, and 2.
    pub async fn expire_resolved(
        &self,
        lease: &ExpiringTeam,
        inbox: InboxKey<'_>,
        cutoff: Timestamp,
    ) -> Result<(usize, Erasure), StoreError> {
        // Reviews sort as their messages do.
        let (first, last) = (keys::RESOLVED_REVIEWS.to_owned(), keys::resolved_reviews_until(cutoff));
        let range = KeyRange::between(keys::inbox_partition(inbox), first, last);
        let page: Page<ReviewRow> = self.table.consistent_page(range, EXPIRED_PAGE, None).await?;
        if page.items.is_empty() {
            return Ok((0, Erasure::Done));
        }
        let mut transaction = Transaction::new(&self.table);
        let required = retentions::require(&mut transaction, lease)?;
        let count = page.items.len();
        for row in page.items {
            transaction.delete(keys::resolved_review(inbox, &row.review()?.id))?;
        }
        Ok((count, retentions::outcome(&transaction.commit().await?, required)))
    }

    /// Deletes a review. A repeated delivery of an erased message opens no other.
    pub async fn erase(&self, inbox: InboxKey<'_>, review: &OptOutReview) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete(keys::open_review(inbox, &review.id))?;
        transaction.delete(keys::resolved_review(inbox, &review.id))?;
        transaction.commit().await.map(drop)
    }

    /// Resolves a review without an opt-out. `false` if it was resolved in the meantime.
    pub async fn resolve(
        &self,
        inbox: TeamInboxKey<'_>,
        review: &OptOutReview,
        resolution: &ReviewResolution,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        move_to_done(&mut transaction, inbox, review, resolution)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Resolves a review and stores the opt-out like [`OptOuts::record`]. `false` if the review was resolved
    /// or the opt-out state changed in the meantime.
    pub async fn resolve_with_opt_out(
        &self,
        inbox: TeamInboxKey<'_>,
        (review, resolution): (&OptOutReview, &ReviewResolution),
        subject: &OptOutSubject,
        (before, change): (&OptOutRecord, &OptOutChange),
        with: OptOutWrite<'_>,
    ) -> Result<bool, StoreError> {
        let add_writes =
            |transaction: &mut Transaction<'_>| move_to_done(transaction, inbox, review, resolution);
        self.opt_outs.record_and(subject, before, change, with, add_writes).await
    }
}

fn move_to_done(
    transaction: &mut Transaction<'_>,
    inbox: TeamInboxKey<'_>,
    review: &OptOutReview,
    resolution: &ReviewResolution,
) -> Result<(), StoreError> {
    let open = keys::open_review(inbox.inbox_key(), &review.id);
    transaction.delete_if(open, |delete| delete.condition_expression(EXISTS))?;
    let done = keys::resolved_review(inbox.inbox_key(), &review.id);
    let row = ReviewRow {
        sk: done.sk.clone(),
        number: review.number.clone(),
        text: review.text.clone(),
        decided: Some(ResolutionRow {
            verdict: resolution.outcome,
            by: resolution.by.clone(),
            at: resolution.at,
        }),
    };
    transaction.put_new(done, &row)?;
    Ok(())
}

fn is_conversation(item: &Item) -> bool {
    item.contains_key("lastMessage")
}

/// Returns the contacts of conversations.
fn contacts(conversations: Vec<Item>) -> Result<HashMap<ConversationId, Contact>, StoreError> {
    let rows: Vec<ConversationRow> = serde_dynamo::from_items(conversations)?;
    Ok(rows.into_iter().map(|row| (row.sk, row.contact.contact())).collect())
}

/// A conversation exists before a review of its messages is opened. Without one, the contact is derived from
/// the number.
fn entry(
    inbox: TeamInboxKey<'_>,
    review: OptOutReview,
    contacts: &HashMap<ConversationId, Contact>,
) -> ReviewEntry {
    let contact = contacts.get(&review.conversation).cloned();
    let contact = contact.unwrap_or_else(|| Contact::provisional(inbox.team, &review.number));
    ReviewEntry { review, contact }
}

impl ReviewRow {
    fn review(self) -> Result<OptOutReview, StoreError> {
        let id = ReviewId::parse(self.sk.rsplit('#').next().unwrap_or_default())?;
        let message = id.message();
        let without = |what: &str| StoreError::Corrupt(format!("a review id that contains no {what}"));
        let conversation = message.conversation().ok_or_else(|| without("conversation"))?;
        let at = message.made_at().ok_or_else(|| without("time"))?;
        let decided =
            self.decided.map(|row| ReviewResolution { outcome: row.verdict, by: row.by, at: row.at });
        Ok(OptOutReview { id, message, conversation, number: self.number, text: self.text, at, decided })
    }
}
