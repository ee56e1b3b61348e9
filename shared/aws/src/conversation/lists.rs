//! Lists of an inbox: a folder by last activity, all of it or what a filter shows.
//!
//! | asked for | index | filtered |
//! |---|---|---|
//! | a folder | `inbox-activity` | |
//! | unread | `inbox-unread` | |
//! | assigned to a user | `inbox-assigned` | |
//! | read | `inbox-activity` | by `read` |
//! | assigned and read | `inbox-assigned` | by `read` |
//! | assigned and unread, Inbox | `inbox-assigned` | by `read` |
//! | assigned and unread, Archived, where little is unread | `inbox-unread` | by the assigned user |
//!
//! A page is one query of as many entries as were asked for, so it costs the same however large the inbox is. A filter may
//! leave it short; only where it leaves nothing, up to three queries more look for something.
//!
//! Exact indexes for every combination would be two more: 2 write units for each on every text and every reply, to fill
//! pages of lists of which most entries fit.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    ids::{InboxId, OrganizationId},
};

use super::conversations::Conversations;
use crate::{
    conversation::rows::ConversationRow,
    table::{
        error::StoreError,
        item::{Item, text},
        keys::{self, Key},
    },
};

/// The most queries for a page on which nothing would stand.
const MAX_QUERIES: usize = 4;

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// The tenant.
    pub organization: &'a OrganizationId,
    /// The inbox.
    pub inbox: &'a InboxId,
    /// One of its folders.
    pub folder: Folder,
    /// What of it.
    pub filter: &'a Filter,
}

/// A page of a folder, newest first.
#[derive(Debug, Clone)]
pub struct ConversationPage {
    /// At most as many as asked for.
    pub conversations: Vec<Conversation>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
}

impl Conversations {
    /// A page of a list, and a read of each conversation of the page that somebody may hold, for the lock's end, which the
    /// index leaves out so that renewals cost one unit. `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`StoreError`]; refused is an `after` that is no place in this folder.
    pub async fn list(
        &self,
        listing: Listing<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<ConversationPage, StoreError> {
        let source = Source::of(listing);
        let mut rows: Vec<ConversationRow> = Vec::new();
        let mut next = after.map(str::to_owned);
        for _ in 0..MAX_QUERIES {
            let start = next.as_deref().map(|place| source.start(listing, place)).transpose()?;
            let request =
                self.table.client.query().table_name(&self.table.name).set_exclusive_start_key(start);
            let queried = source.ask(request, listing.folder).limit(i32::from(limit)).send().await?;
            rows.extend(serde_dynamo::from_items::<_, ConversationRow>(queried.items.unwrap_or_default())?);
            next = queried.last_evaluated_key.as_ref().and_then(|key| key.get("place")?.as_s().ok().cloned());
            if next.is_none() || !rows.is_empty() {
                break;
            }
        }
        let held = rows.iter().filter(|row| row.lock_holder.is_some()).map(ConversationRow::key).collect();
        let mut conversations =
            rows.into_iter().map(ConversationRow::conversation).collect::<Result<Vec<_>, _>>()?;
        self.add_locks(held, &mut conversations).await?;
        Ok(ConversationPage { conversations, next })
    }

    /// An index row names a holder and no times; the conversation itself has both.
    async fn add_locks(&self, held: Vec<Key>, page: &mut [Conversation]) -> Result<(), StoreError> {
        for item in self.table.batch_get(held, false).await? {
            let row: ConversationRow = serde_dynamo::from_item(item)?;
            let lock = row.lock()?;
            if let Some(listed) = page.iter_mut().find(|listed| listed.id.as_str() == row.sk) {
                listed.lock = lock;
            }
        }
        Ok(())
    }
}

/// Where a list stands, and what of it is left out.
struct Source {
    index: &'static str,
    /// The attribute that is the index's partition, and its value.
    partition: (&'static str, String),
    /// [`Filter::admits`], as far as the index does not say it already.
    leaving: Option<(&'static str, AttributeValue)>,
}

impl Source {
    fn of(listing: Listing<'_>) -> Self {
        let Listing { organization, inbox, folder, filter } = listing;
        let whole = keys::inbox_partition(organization, inbox);
        let read = |read| ("#read = :left", AttributeValue::Bool(read));
        let assigned = filter.assigned.as_ref();
        let (index, partition, leaving) = match (assigned, filter.read) {
            (None, None) => (keys::INBOX_ACTIVITY, ("pk", whole), None),
            (None, Some(true)) => (keys::INBOX_ACTIVITY, ("pk", whole), Some(read(true))),
            (None, Some(false)) => (keys::INBOX_UNREAD, ("unreadIn", whole), None),
            (Some(user), Some(false)) if folder == Folder::Archived => {
                (keys::INBOX_UNREAD, ("unreadIn", whole), Some(("contact.assigned.id = :left", text(user))))
            }
            (Some(user), state) => {
                let list = keys::assigned_in(organization, inbox, user);
                (keys::INBOX_ASSIGNED, ("assignedIn", list), state.map(read))
            }
        };
        Self { index, partition, leaving }
    }

    /// The question: the folder in this partition, latest activity first.
    fn ask(&self, query: QueryFluentBuilder, folder: Folder) -> QueryFluentBuilder {
        let (attribute, value) = &self.partition;
        let mut query = query
            .index_name(self.index)
            .key_condition_expression(format!("{attribute} = :partition AND begins_with(place, :folder)"))
            .expression_attribute_values(":partition", text(value))
            .expression_attribute_values(":folder", text(keys::folder(folder)))
            .scan_index_forward(false);
        if let Some((condition, value)) = &self.leaving {
            query = query.filter_expression(*condition).expression_attribute_values(":left", value.clone());
            if condition.starts_with("#read") {
                query = query.expression_attribute_names("#read", "read");
            }
        }
        query
    }

    /// The index key that a page ended at, from its place in the folder.
    fn start(&self, listing: Listing<'_>, place: &str) -> Result<Item, StoreError> {
        let no_place = || StoreError::Refused("no place in this list".into());
        let (folder, _, conversation) = keys::place_parts(place).ok_or_else(no_place)?;
        if folder != listing.folder {
            return Err(no_place());
        }
        let mut key = keys::conversation(listing.organization, listing.inbox, &conversation).into_item();
        key.insert("place".into(), text(place));
        key.insert(self.partition.0.into(), text(&self.partition.1));
        Ok(key)
    }
}
