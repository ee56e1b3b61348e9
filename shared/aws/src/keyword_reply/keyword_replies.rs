//! The keyword replies of inboxes. A second item per keyword points at its reply, so that a keyword belongs
//! to one reply, and an inbound message finds its reply by key.

use aws_sdk_dynamodb::types::Select;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::KeywordReplyId,
    inbox::Inbox,
    keys::InboxKey,
    keyword_reply::{KeywordReply, WrittenKeywordReply},
    time::Timestamp,
};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::number,
        keys,
        query::{KeyRange, Order, Page},
        requests::Table,
        transaction::Transaction,
        versioned::Versioned,
    },
    team::audit::AuditEvent,
};

/// A keyword reply of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedKeywordReply {
    pub id: KeywordReplyId,
    pub reply: KeywordReply,
    /// The reply applies to messages from this time on.
    pub saved_at: Timestamp,
}

/// The outcome of writing a keyword reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeywordReplyWrite {
    Done,
    /// Another reply of the inbox has this keyword.
    KeywordTaken(String),
    /// The reply was changed or removed since it was read.
    Changed,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplyRow {
    id: KeywordReplyId,
    #[serde(flatten)]
    written: WrittenKeywordReply,
    saved_at: Timestamp,
    version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeywordRow {
    reply: KeywordReplyId,
}

/// The keyword replies of inboxes.
#[derive(Debug, Clone)]
pub struct KeywordReplies {
    table: Table,
}

impl KeywordReplies {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a keyword reply, read consistently. Costs 1 read unit for a reply of up to 4 kB.
    pub async fn get(
        &self,
        inbox: InboxKey<'_>,
        reply: &KeywordReplyId,
    ) -> Result<Option<Versioned<SavedKeywordReply>>, StoreError> {
        let row: Option<ReplyRow> = self.table.get(keys::keyword_reply(inbox, reply), true).await?;
        Ok(row.map(ReplyRow::saved))
    }

    /// Returns the reply of an inbox to a [keyword](shared_domain::keyword_reply::keyword_in). Costs half a
    /// read unit if there is none, else half a unit more.
    pub async fn find(
        &self,
        inbox: InboxKey<'_>,
        keyword: &str,
    ) -> Result<Option<SavedKeywordReply>, StoreError> {
        let pointer: Option<KeywordRow> = self.table.get(keys::keyword(inbox, keyword), false).await?;
        let Some(KeywordRow { reply }) = pointer else { return Ok(None) };
        let row: Option<ReplyRow> = self.table.get(keys::keyword_reply(inbox, &reply), false).await?;
        let saved = row.map(|row| row.saved().value);
        // The two reads are not one snapshot: the reply may have another keyword by now.
        Ok(saved.filter(|saved| saved.reply.keywords().iter().any(|own| own == keyword)))
    }

    /// Returns a page of the keyword replies of an inbox in the order of their creation.
    pub async fn page(
        &self,
        inbox: InboxKey<'_>,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Versioned<SavedKeywordReply>>, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::KEYWORD_REPLIES);
        Ok(self.table.page(range, Order::Ascending, limit, after).await?.map(ReplyRow::saved))
    }

    /// Counts the keyword replies of an inbox, read consistently.
    pub async fn count(&self, inbox: InboxKey<'_>) -> Result<usize, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::KEYWORD_REPLIES);
        let query = self.table.query(&range).consistent_read(true).select(Select::Count);
        let mut pages = query.into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.try_next().await? {
            count += usize::try_from(page.count).unwrap_or_default();
        }
        Ok(count)
    }

    /// Writes a keyword reply. `before` is the reply as the caller read it, `None` for a new one.
    ///
    /// Costs 2 write units for the reply, 2 for each keyword that is added or removed, and 2 for the audit
    /// event; 2 more with an idempotency key.
    pub async fn write(
        &self,
        inbox: &Inbox,
        before: Option<&Versioned<SavedKeywordReply>>,
        after: &SavedKeywordReply,
        event: &AuditEvent<'_>,
        key: Option<(Idempotency<'_>, Timestamp)>,
    ) -> Result<KeywordReplyWrite, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let version = before.map_or(0, |before| before.version);
        let row = ReplyRow {
            id: after.id.clone(),
            written: after.reply.written(),
            saved_at: after.saved_at,
            version: version + 1,
        };
        let item_key = keys::keyword_reply(inbox.key(), &after.id);
        if before.is_some() {
            transaction.put_if(item_key, &row, |put| {
                put.condition_expression("version = :version")
                    .expression_attribute_values(":version", number(version))
            })?;
        } else {
            transaction.put_new(item_key, &row)?;
        }
        let old = before.map(|before| before.value.reply.keywords()).unwrap_or_default();
        let new = after.reply.keywords();
        let mut added = Vec::new();
        for keyword in new.iter().filter(|keyword| !old.contains(keyword)) {
            let pointer = KeywordRow { reply: after.id.clone() };
            added.push((transaction.put_new(keys::keyword(inbox.key(), keyword), &pointer)?, keyword));
        }
        for keyword in old.iter().filter(|keyword| !new.contains(keyword)) {
            transaction.delete(keys::keyword(inbox.key(), keyword))?;
        }
        event.write(&mut transaction, inbox.team_key())?;
        let used_key = match key {
            Some((key, now)) => {
                Some(key.write(&mut transaction, &inbox.organization, after.id.as_str(), now)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        let taken = added.into_iter().find(|(place, _)| committed.refused_at(*place));
        Ok(if committed.is_done() {
            KeywordReplyWrite::Done
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            KeywordReplyWrite::KeyTaken
        } else if let Some((_, keyword)) = taken {
            KeywordReplyWrite::KeywordTaken(keyword.clone())
        } else {
            KeywordReplyWrite::Changed
        })
    }

    /// Removes a keyword reply with its keywords. `false` if it was changed since it was read.
    pub async fn remove(
        &self,
        inbox: &Inbox,
        reply: &Versioned<SavedKeywordReply>,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::keyword_reply(inbox.key(), &reply.value.id), |delete| {
            delete
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(reply.version))
        })?;
        for keyword in reply.value.reply.keywords() {
            transaction.delete(keys::keyword(inbox.key(), keyword))?;
        }
        event.write(&mut transaction, inbox.team_key())?;
        Ok(transaction.commit().await?.is_done())
    }
}

impl ReplyRow {
    fn saved(self) -> Versioned<SavedKeywordReply> {
        let Self { id, written, saved_at, version } = self;
        Versioned { value: SavedKeywordReply { id, reply: KeywordReply::stored(written), saved_at }, version }
    }
}
