//! Texts that may be a wish for no more texts: put up for the members of their inbox, and judged once.
//!
//! A text stands under its own id in one of two places: it waits, or it is done. Putting up is one transaction that demands
//! that it stands in neither, so a text that comes again, however late, is not put up again. Deciding moves it from the one
//! place to the other, and opts the contact out, where that is the decision, in the same transaction: of two who decide at
//! once one wins, and nobody finds a text that was called a wish and not honored.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, InboxId, MessageId, OrganizationId, ReviewId, TeamId},
    opt_out::{OptOutChange, OptOutReview, OptOutSubject, ReviewOutcome, ReviewResolution},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    conversation::rows::ConversationRow,
    opt_out::opt_outs::{OptOutRecord, OptOutWrite, OptOuts},
    table::{
        error::StoreError,
        item::Item,
        items::{PersonRow, parse_id},
        keys,
        requests::{Order, Table},
        transaction::Transaction,
    },
};

/// Whose inbox.
#[derive(Debug, Clone, Copy)]
pub struct InboxInTeam<'a> {
    /// The tenant.
    pub organization: &'a OrganizationId,
    /// The inbox's team.
    pub team: &'a TeamId,
    /// The inbox.
    pub inbox: &'a InboxId,
}

/// A review with the contact as the conversation shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewEntry {
    /// The text and what became of it.
    pub review: OptOutReview,
    /// Who wrote it.
    pub contact: Contact,
}

/// A page of those that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPage {
    /// Newest first.
    pub entries: Vec<ReviewEntry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReviewRow {
    sk: String,
    number: PhoneNumber,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided: Option<DecidedRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DecidedRow {
    verdict: ReviewOutcome,
    by: PersonRow,
    at: Timestamp,
}

/// Reviews.
#[derive(Debug, Clone)]
pub struct OptOutReviews {
    table: Table,
    opt_outs: OptOuts,
}

impl OptOutReviews {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { opt_outs: OptOuts::new(table.clone()), table }
    }

    /// Puts a text up; `false` when it was put up before, whatever became of it. 4 write units for a text of one segment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_review(
        &self,
        place: InboxInTeam<'_>,
        message: &MessageId,
        number: &PhoneNumber,
        words: &str,
    ) -> Result<bool, StoreError> {
        let id = ReviewId::of(message);
        let key = keys::open_review(place.organization, place.inbox, &id);
        let row =
            ReviewRow { sk: key.sk.clone(), number: number.clone(), text: words.to_owned(), decided: None };
        let mut transaction = Transaction::new(&self.table);
        transaction.put_new(key, &row)?;
        transaction.holds(keys::done_review(place.organization, place.inbox, &id), |check| {
            check.condition_expression("attribute_not_exists(pk)")
        })?;
        Ok(transaction.commit().await?.is_done())
    }

    /// One review, waiting or done, read consistently: one request, 3 read units.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        place: InboxInTeam<'_>,
        id: &ReviewId,
    ) -> Result<Option<ReviewEntry>, StoreError> {
        let (organization, inbox) = (place.organization, place.inbox);
        let Some(conversation) = id.message().conversation() else { return Ok(None) };
        let found = vec![
            keys::open_review(organization, inbox, id),
            keys::done_review(organization, inbox, id),
            keys::conversation(organization, inbox, &conversation),
        ];
        let (threads, reviews): (Vec<Item>, Vec<Item>) =
            self.table.batch_get(found, true).await?.into_iter().partition(is_thread);
        let contacts = contacts(threads)?;
        let row = reviews.into_iter().next().map(serde_dynamo::from_item::<_, ReviewRow>).transpose()?;
        row.map(|row| Ok(entry(place, row.review()?, &contacts))).transpose()
    }

    /// A page of the texts that wait, newest first: two requests, half a read unit for each conversation of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        &self,
        place: InboxInTeam<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<ReviewPage, StoreError> {
        let partition = keys::inbox_partition(place.organization, place.inbox);
        let (items, next) =
            self.table.page(partition, keys::OPEN_REVIEWS, Order::Descending, limit, after).await?;
        let rows: Vec<ReviewRow> = serde_dynamo::from_items(items)?;
        let reviews = rows.into_iter().map(ReviewRow::review).collect::<Result<Vec<_>, _>>()?;
        // Several texts of one conversation name it once: a batch with a key in it twice is refused.
        let threads: BTreeSet<&ConversationId> = reviews.iter().map(|review| &review.conversation).collect();
        let threads = threads.into_iter().map(|id| keys::conversation(place.organization, place.inbox, id));
        let contacts = contacts(self.table.batch_get(threads.collect(), false).await?)?;
        let entries = reviews.into_iter().map(|review| entry(place, review, &contacts));
        Ok(ReviewPage { entries: entries.collect(), next })
    }

    /// Ends a review without a change to where the number stands; `false` when somebody else ended it meanwhile: read it
    /// again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end(
        &self,
        place: InboxInTeam<'_>,
        review: &OptOutReview,
        decided: &ReviewResolution,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        moved(&mut transaction, place, review, decided)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Ends a review with the opt-out that it leads to, as [`OptOuts::record`] stores it; `false` when the review was ended
    /// or the number stood elsewhere by then: read both again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_with_opt_out(
        &self,
        place: InboxInTeam<'_>,
        (review, decided): (&OptOutReview, &ReviewResolution),
        subject: &OptOutSubject,
        (before, change): (&OptOutRecord, &OptOutChange),
        with: OptOutWrite<'_>,
    ) -> Result<bool, StoreError> {
        let also = |transaction: &mut Transaction<'_>| moved(transaction, place, review, decided);
        self.opt_outs.record_and(subject, before, change, with, also).await
    }
}

/// From those that wait to those that are done.
fn moved(
    transaction: &mut Transaction<'_>,
    place: InboxInTeam<'_>,
    review: &OptOutReview,
    decided: &ReviewResolution,
) -> Result<(), StoreError> {
    let waiting = keys::open_review(place.organization, place.inbox, &review.id);
    transaction.delete_if(waiting, |delete| delete.condition_expression("attribute_exists(pk)"))?;
    let done = keys::done_review(place.organization, place.inbox, &review.id);
    let row = ReviewRow {
        sk: done.sk.clone(),
        number: review.number.clone(),
        text: review.text.clone(),
        decided: Some(DecidedRow {
            verdict: decided.verdict,
            by: PersonRow::of(&decided.by),
            at: decided.at,
        }),
    };
    transaction.put_new(done, &row)?;
    Ok(())
}

fn is_thread(item: &Item) -> bool {
    item.contains_key("lastMessage")
}

/// The contacts of conversations.
fn contacts(threads: Vec<Item>) -> Result<HashMap<ConversationId, Contact>, StoreError> {
    let rows: Vec<ConversationRow> = serde_dynamo::from_items(threads)?;
    rows.into_iter().map(|row| Ok((parse_id(&row.sk)?, row.contact.contact()?))).collect()
}

/// A conversation stands before its text is put up; should it ever not, the number says who wrote.
fn entry(
    place: InboxInTeam<'_>,
    review: OptOutReview,
    contacts: &HashMap<ConversationId, Contact>,
) -> ReviewEntry {
    let contact = contacts.get(&review.conversation).cloned();
    let contact = contact.unwrap_or_else(|| Contact::provisional(place.team, &review.number));
    ReviewEntry { review, contact }
}

impl ReviewRow {
    fn review(self) -> Result<OptOutReview, StoreError> {
        let id: ReviewId = parse_id(self.sk.rsplit('#').next().unwrap_or_default())?;
        let message = id.message();
        let told = |what: &str| StoreError::Unreadable(format!("a review whose id tells no {what}"));
        let conversation = message.conversation().ok_or_else(|| told("conversation"))?;
        let at = message.made_at().ok_or_else(|| told("time"))?;
        let decided = self.decided.map(|decided| {
            let by = decided.by.person()?;
            Ok::<_, StoreError>(ReviewResolution { verdict: decided.verdict, by, at: decided.at })
        });
        let (number, text) = (self.number, self.text);
        Ok(OptOutReview { id, message, conversation, number, text, at, decided: decided.transpose()? })
    }
}
