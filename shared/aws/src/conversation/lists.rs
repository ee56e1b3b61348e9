//! The lists of an inbox: the conversations of a folder by last activity, newest first, with an optional
//! filter.
//!
//! | list | index | filter expression |
//! |---|---|---|
//! | a folder | `inbox-activity` | |
//! | unread | `inbox-unread` | |
//! | assigned to a user | `inbox-assigned` | |
//! | read | `inbox-activity` | `read` |
//! | assigned and read | `inbox-assigned` | `read` |
//! | assigned and unread, Inbox | `inbox-assigned` | `read` |
//! | assigned and unread, Archived (few of these are unread) | `inbox-unread` | the assigned user |
//! | assigned to no user | `inbox-activity` | no assigned user |
//! | assigned to no user, unread | `inbox-unread` | no assigned user |
//! | assigned to no user, read | `inbox-activity` | no assigned user, and `read` |
//!
//! A page is one query of `limit` entries, so its cost does not depend on the size of the inbox. If a filter
//! expression removes some of them, up to three more queries, each larger than the one before, fill the page.
//! A page is therefore full unless the filter removes more than 2,000 entries in a row.
//!
//! Exact indexes for every combination would be two more, at 2 write units each for every message and reply.
//! The filters they would serve leave most entries on the page.

use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, Select},
};
use shared_domain::{
    conversation::{Assignment, Conversation, Filter, Folder},
    keys::InboxKey,
};

use crate::{
    conversation::{conversations::Conversations, rows::ConversationRow},
    table::{
        error::StoreError,
        item::{Item, Key, from_item, string_attribute, text},
        keys,
        query::Page,
    },
};

/// Numbers of entries that the further queries for a page read at most.
const FURTHER_QUERIES: [u16; 3] = [100, 400, 1600];

/// [`Conversations::count`] counts up to this number.
pub const MAX_COUNT: u16 = 1000;

/// Which list to read.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    pub inbox: InboxKey<'a>,
    pub folder: Folder,
    pub filter: &'a Filter,
}

impl Conversations {
    /// Returns a page of a list. `after` is the `next` of the previous page. Errors with `Refused` if `after`
    /// is not a place in this folder.
    ///
    /// The indexes do not hold the end of a lock, so that a renewal costs 1 write unit. Each conversation of
    /// the page that may be locked is therefore read as well.
    pub async fn list(
        &self,
        listing: Listing<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        let source = Source::new(listing);
        let mut rows: Vec<ConversationRow> = Vec::new();
        let mut next = after.map(str::to_owned);
        for entries in [limit].into_iter().chain(FURTHER_QUERIES) {
            let start = next.as_deref().map(|place| source.start_key(listing, place)).transpose()?;
            let query = self.table.client.query().table_name(&self.table.name).set_exclusive_start_key(start);
            let queried = source.add_to(query, listing.folder).limit(i32::from(entries)).send().await?;
            rows.extend(serde_dynamo::from_items::<_, ConversationRow>(queried.items.unwrap_or_default())?);
            next =
                queried.last_evaluated_key.and_then(|key| Some(string_attribute(&key, "place")?.to_owned()));
            if next.is_none() || rows.len() >= usize::from(limit) {
                break;
            }
        }
        if rows.len() > usize::from(limit) {
            rows.truncate(usize::from(limit));
            next = rows.last().map(|row| row.place.clone());
        }
        let locked = rows.iter().filter(|row| row.lock_holder.is_some()).map(ConversationRow::key).collect();
        let mut items = rows.into_iter().map(ConversationRow::conversation).collect::<Result<Vec<_>, _>>()?;
        self.add_locks(locked, &mut items).await?;
        Ok(Page { items, next })
    }

    /// Returns the number of conversations of a list, at most [`MAX_COUNT`]: one query, and half a read unit
    /// for about eight of them. Counts only those among the first [`MAX_COUNT`] entries of the index that
    /// match the filter.
    pub async fn count(&self, listing: Listing<'_>) -> Result<u64, StoreError> {
        let query = self.table.client.query().table_name(&self.table.name).select(Select::Count);
        let query = Source::new(listing).add_to(query, listing.folder).limit(i32::from(MAX_COUNT));
        Ok(u64::try_from(query.send().await?.count).unwrap_or(0))
    }

    /// Reads the locks of those conversations of a page that have a holder: an index entry holds no times.
    async fn add_locks(&self, locked: Vec<Key>, page: &mut [Conversation]) -> Result<(), StoreError> {
        for item in self.table.batch_get(locked, false).await? {
            let row: ConversationRow = from_item(item)?;
            let lock = row.lock();
            if let Some(listed) = page.iter_mut().find(|listed| listed.id == row.sk) {
                listed.lock = lock;
            }
        }
        Ok(())
    }
}

/// The index that holds a list, and the filter expression for what the index does not decide.
struct Source {
    index: &'static str,
    /// The attribute that is the partition key of the index, with its value.
    partition: (&'static str, String),
    /// The parts of [`Filter::matches`] that the index does not decide.
    assigned: Option<Assignment>,
    read: Option<bool>,
}

impl Source {
    fn new(listing: Listing<'_>) -> Self {
        let Listing { inbox, folder, filter } = listing;
        let partition = keys::inbox_partition(inbox);
        let Filter { assigned, read } = filter.clone();
        match (assigned, read) {
            (Some(Assignment::User(user)), read) if !(folder == Folder::Archived && read == Some(false)) => {
                let partition = keys::assigned_in(inbox, &user);
                Self {
                    index: keys::INBOX_ASSIGNED,
                    partition: ("assignedIn", partition),
                    assigned: None,
                    read,
                }
            }
            (assigned, Some(false)) => {
                Self { index: keys::INBOX_UNREAD, partition: ("unreadIn", partition), assigned, read: None }
            }
            (assigned, read) => {
                Self { index: keys::INBOX_ACTIVITY, partition: ("pk", partition), assigned, read }
            }
        }
    }

    fn add_to(&self, query: QueryFluentBuilder, folder: Folder) -> QueryFluentBuilder {
        let (attribute, value) = &self.partition;
        let mut query = query
            .index_name(self.index)
            .key_condition_expression(format!("{attribute} = :partition AND begins_with(place, :folder)"))
            .expression_attribute_values(":partition", text(value))
            .expression_attribute_values(":folder", text(keys::folder(folder)))
            .scan_index_forward(false);
        let mut parts = Vec::new();
        match &self.assigned {
            Some(Assignment::User(user)) => {
                parts.push("contact.assigned.id = :user");
                query = query.expression_attribute_values(":user", text(user));
            }
            Some(Assignment::None) => parts.push("attribute_not_exists(contact.assigned)"),
            None => {}
        }
        if let Some(read) = self.read {
            parts.push("#read = :read");
            query = query
                .expression_attribute_names("#read", "read")
                .expression_attribute_values(":read", AttributeValue::Bool(read));
        }
        if parts.is_empty() { query } else { query.filter_expression(parts.join(" AND ")) }
    }

    /// Returns the index key of a place in the folder.
    fn start_key(&self, listing: Listing<'_>, place: &str) -> Result<Item, StoreError> {
        let not_in_list = || StoreError::Refused("not a place in this list".into());
        let (folder, _, conversation) = keys::parse_place(place).ok_or_else(not_in_list)?;
        if folder != listing.folder {
            return Err(not_in_list());
        }
        let mut key = keys::conversation(listing.inbox.conversation(&conversation)).into_item();
        key.insert("place".into(), text(place));
        key.insert(self.partition.0.into(), text(&self.partition.1));
        Ok(key)
    }
}
