//! Conversations: reading them, and moving or marking them by hand.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use futures_util::StreamExt;
use shared_domain::{
    conversation::{Conversation, Folder},
    ids::{ConversationId, MessageId, OrganizationId},
    keys::{ConversationKey, InboxKey},
    time::Timestamp,
};

use crate::{
    conversation::{rows::ConversationRow, unread::Unread},
    table::{
        error::StoreError,
        item::{Item, by_key, from_item, text},
        keys,
        query::{KeyRange, Order, Page},
        requests::{Conditional, EXISTS, Table},
        transaction::Transaction,
    },
    team::retentions::{self, Erasure, ExpiringTeam},
};

/// Concurrent changes of [`Conversations::change_many`].
const MAX_CONCURRENT_CHANGES: usize = 8;
/// Attempts of a change while other writes move the conversation.
const CHANGE_ATTEMPTS: usize = 4;

/// The conversations of inboxes.
#[derive(Debug, Clone)]
pub struct Conversations {
    pub(super) table: Table,
    unread: Unread,
}

/// A change by a user. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConversationUpdate {
    pub folder: Option<Folder>,
    pub read: Option<bool>,
}

impl Conversations {
    pub fn new(table: Table) -> Self {
        Self { unread: Unread::new(table.clone()), table }
    }

    /// Returns a conversation with its lock. Costs 1 read unit.
    pub async fn get(&self, key: ConversationKey<'_>) -> Result<Option<Conversation>, StoreError> {
        let row: Option<ConversationRow> = self.table.get(keys::conversation(key), true).await?;
        row.map(ConversationRow::conversation).transpose()
    }

    /// Returns conversations with their locks, in no order, in one request. Omits those that do not exist.
    pub async fn get_many(
        &self,
        inbox: InboxKey<'_>,
        conversations: &[ConversationId],
    ) -> Result<Vec<Conversation>, StoreError> {
        let keys = conversations.iter().map(|id| keys::conversation(inbox.conversation(id))).collect();
        let rows: Vec<ConversationRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        rows.into_iter().map(ConversationRow::conversation).collect()
    }

    /// Returns a page of the conversations of an inbox, in the order of their ids. Half a read unit for about
    /// eight of them. `after` is the id of a conversation.
    pub async fn page(
        &self,
        inbox: InboxKey<'_>,
        limit: u16,
        after: Option<&ConversationId>,
    ) -> Result<Page<Conversation>, StoreError> {
        let range = KeyRange::prefix(keys::inbox_partition(inbox), keys::CONVERSATIONS);
        let after = after.map(ConversationId::as_str);
        let page = self.table.page(range, Order::Ascending, limit, after).await?;
        page.try_map(ConversationRow::conversation)
    }

    /// Removes the text of the newest message, and whether it failed, because the message has expired.
    /// [`Erasure::Changed`] if the conversation has a newer message. Costs 4 write units, and 1 for each
    /// list.
    pub async fn expire_preview(
        &self,
        lease: &ExpiringTeam,
        key: ConversationKey<'_>,
        newest: &MessageId,
    ) -> Result<Erasure, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let required = retentions::require(&mut transaction, lease)?;
        transaction.update(keys::conversation(key), |update| {
            update
                .update_expression(
                    "SET lastMessage.#text = :none, lastMessage.erased = :erased REMOVE lastMessage.media, deliveryFailed",
                )
                .condition_expression("lastMessage.id = :newest")
                .expression_attribute_names("#text", "text")
                .expression_attribute_values(":none", text(""))
                .expression_attribute_values(":erased", AttributeValue::Bool(true))
                .expression_attribute_values(":newest", text(newest))
        })?;
        Ok(retentions::outcome(&transaction.commit().await?, required))
    }

    /// Deletes a conversation with its lock, and the claims of automatic replies to its contact. Returns
    /// whether it existed.
    pub async fn erase(&self, key: ConversationKey<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let inbox = key.inbox_key();
        let replies =
            KeyRange::prefix(keys::inbox_partition(inbox), keys::automatic_replies(key.conversation));
        for reply in by_key(self.table.all_items(&replies).await?).into_keys() {
            self.table.delete(reply).await?;
        }
        let deleted = self.table.delete_if(keys::conversation(key), |delete| {
            delete.condition_expression(EXISTS).return_values(ReturnValue::AllOld)
        });
        let Conditional::Done(before) = deleted.await? else { return Ok(false) };
        if before.contains_key("unreadIn") {
            self.unread.add(inbox, -1, now).await?;
        }
        Ok(true)
    }

    /// Moves or marks a conversation. `None` if it does not exist.
    ///
    /// `seen` is the conversation as the caller read it. A move keeps the time of the last activity, so it is
    /// retried if another write moved the conversation in between.
    ///
    /// Costs 1 write unit, 1 or 2 for each list that shows the conversation (2 if its entry moves), and 1 for
    /// the inbox's counter if the read state changes.
    pub async fn change(
        &self,
        organization: &OrganizationId,
        seen: Conversation,
        change: ConversationUpdate,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        let inbox = seen.inbox.clone();
        let inbox = InboxKey { organization, inbox: &inbox };
        let Some(changed) = self.change_uncounted(inbox, seen, change).await? else { return Ok(None) };
        if changed.unread_delta != 0 {
            self.unread.add(inbox, changed.unread_delta, now).await?;
        }
        Ok(Some(changed.conversation))
    }

    /// Moves or marks many conversations of an inbox and updates its counter once. Returns those that exist,
    /// in no order.
    ///
    /// Errors after every change was tried; repeating the call makes the changes that failed.
    pub async fn change_many(
        &self,
        inbox: InboxKey<'_>,
        conversations: &[ConversationId],
        change: ConversationUpdate,
        now: Timestamp,
    ) -> Result<Vec<Conversation>, StoreError> {
        let found = self.get_many(inbox, conversations).await?;
        let changes = found.into_iter().map(|seen| self.change_uncounted(inbox, seen, change));
        let results: Vec<_> =
            futures_util::stream::iter(changes).buffer_unordered(MAX_CONCURRENT_CHANGES).collect().await;
        let delta: i64 = results.iter().flatten().flatten().map(|changed| changed.unread_delta).sum();
        if delta != 0 {
            self.unread.add(inbox, delta, now).await?;
        }
        results.into_iter().filter_map(Result::transpose).map(|changed| Ok(changed?.conversation)).collect()
    }

    /// Makes a change without updating the inbox's counter.
    async fn change_uncounted(
        &self,
        inbox: InboxKey<'_>,
        mut seen: Conversation,
        change: ConversationUpdate,
    ) -> Result<Option<Changed>, StoreError> {
        let id = seen.id.clone();
        let key = inbox.conversation(&id);
        for _ in 0..CHANGE_ATTEMPTS {
            match self.try_change(key, &seen, change).await? {
                Attempt::Done(before) => return Ok(Some(Changed::new(*before, change))),
                Attempt::Moved(moved) => seen = *moved,
                Attempt::Absent => return Ok(None),
            }
        }
        Err(StoreError::Unavailable("the conversation kept moving".into()))
    }

    async fn try_change(
        &self,
        key: ConversationKey<'_>,
        seen: &Conversation,
        change: ConversationUpdate,
    ) -> Result<Attempt, StoreError> {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let mut condition = EXISTS;
        let mut values = Item::new();
        if let Some(folder) = change.folder {
            let place = |folder| text(keys::place(folder, seen.last_activity_at, &seen.id));
            set.push("place = :place");
            condition = "place = :seen";
            if folder == Folder::Archived {
                remove.push("waitingSince"); // it needs no answer
            }
            values.extend([(":place".into(), place(folder)), (":seen".into(), place(seen.folder))]);
        }
        if let Some(read) = change.read {
            set.push("#read = :read");
            values.insert(":read".into(), AttributeValue::Bool(read));
            if read {
                remove.push("unreadIn");
            } else {
                set.push("unreadIn = pk");
            }
        }
        if set.is_empty() {
            let found = self.get(key).await?;
            return Ok(found.map_or(Attempt::Absent, |found| Attempt::Done(Box::new(found))));
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression = format!("{expression} REMOVE {}", remove.join(", "));
        }
        let names = change.read.map(|_| [("#read".to_owned(), "read".to_owned())].into());
        let updated = self.table.update_if(keys::conversation(key), |update| {
            update
                .update_expression(expression)
                .condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(Some(values))
                .return_values(ReturnValue::AllOld)
        });
        Ok(match updated.await? {
            Conditional::Done(before) => Attempt::Done(conversation(before)?),
            Conditional::Failed(Some(current)) => Attempt::Moved(conversation(current)?),
            Conditional::Failed(None) => Attempt::Absent,
        })
    }

    /// Stores for the lists whether the newest outbound message (`message`) failed or was delivered. Costs 1
    /// write unit, and 1 for each list.
    ///
    /// Does nothing if the conversation has a newer outbound message. A delivered message does not become
    /// failed again, so reports may arrive in any order.
    pub async fn mark_delivery(
        &self,
        key: ConversationKey<'_>,
        message: &MessageId,
        failed: bool,
    ) -> Result<(), StoreError> {
        let updated = self.table.update_if(keys::conversation(key), |update| {
            let update = update.expression_attribute_values(":message", text(message));
            if failed {
                update
                    .update_expression("SET deliveryFailed = :failed")
                    .condition_expression(
                        "lastOutbound = :message AND (attribute_not_exists(arrived) OR arrived <> :message)",
                    )
                    .expression_attribute_values(":failed", AttributeValue::Bool(true))
            } else {
                update
                    .update_expression("SET arrived = :message REMOVE deliveryFailed")
                    .condition_expression("lastOutbound = :message")
            }
        });
        updated.await.map(drop)
    }
}

struct Changed {
    conversation: Conversation,
    /// The difference that it makes to the inbox's counter.
    unread_delta: i64,
}

impl Changed {
    fn new(before: Conversation, change: ConversationUpdate) -> Self {
        let (read, folder) = (change.read.unwrap_or(before.read), change.folder.unwrap_or(before.folder));
        let unread_delta = i64::from(before.read) - i64::from(read);
        let waiting_since = before.waiting_since.filter(|_| change.folder != Some(Folder::Archived));
        Self { conversation: Conversation { read, folder, waiting_since, ..before }, unread_delta }
    }
}

enum Attempt {
    /// The change was made. Holds the conversation before it.
    Done(Box<Conversation>),
    /// Another write moved the conversation. Holds it as it is now.
    Moved(Box<Conversation>),
    Absent,
}

fn conversation(item: Item) -> Result<Box<Conversation>, StoreError> {
    Ok(Box::new(from_item::<ConversationRow>(item)?.conversation()?))
}
