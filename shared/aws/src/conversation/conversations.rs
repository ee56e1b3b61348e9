//! Conversations: one or several, folder and read state by hand. [`lists`] has the lists.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::StreamExt;
use shared_domain::{
    conversation::{Conversation, Folder},
    ids::{ConversationId, InboxId, MessageId, OrganizationId},
    keys::ConversationKey,
    time::Timestamp,
};

use crate::{
    conversation::{rows::ConversationRow, unread::Unread},
    table::{
        error::StoreError,
        item::{Item, text},
        keys,
        requests::Table,
    },
};

/// How many of many are changed at the same time.
const AT_A_TIME: usize = 8;

/// Conversations of inboxes.
#[derive(Debug, Clone)]
pub struct Conversations {
    pub(super) table: Table,
    unread: Unread,
}

/// What to change by hand; what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConversationUpdate {
    /// Where it is listed.
    pub folder: Option<Folder>,
    /// Read or unread.
    pub read: Option<bool>,
}

impl Conversations {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { unread: Unread::new(table.clone()), table }
    }

    /// One conversation with its lock: 1 read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, thread: ConversationKey<'_>) -> Result<Option<Conversation>, StoreError> {
        let key = keys::conversation(thread.organization, thread.inbox, thread.conversation);
        let row: Option<ConversationRow> = self.table.get(key, true).await?;
        Ok(row.map(ConversationRow::conversation).transpose()?)
    }

    /// Several conversations with their locks in one request, in no order; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn several(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
        conversations: &[ConversationId],
    ) -> Result<Vec<Conversation>, StoreError> {
        let keys = conversations.iter().map(|one| keys::conversation(organization, inbox, one)).collect();
        let rows: Vec<ConversationRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        Ok(rows.into_iter().map(ConversationRow::conversation).collect::<Result<_, _>>()?)
    }

    /// Moves or marks by hand: 1 write unit and those of each list that shows it (an entry that moves costs 2), and 1 for
    /// the inbox's counter where the conversation was not marked so before. `seen` is the conversation as the caller has
    /// it: a move keeps its time, so it holds only while nothing else moved it, and is tried anew otherwise. `None` when it
    /// is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change(
        &self,
        organization: &OrganizationId,
        seen: Conversation,
        change: ConversationUpdate,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        let inbox = seen.inbox.clone();
        let Some(settled) = self.settle(organization, seen, change).await? else { return Ok(None) };
        if settled.more_unread != 0 {
            self.unread.count(organization, &inbox, settled.more_unread, now).await?;
        }
        Ok(Some(settled.conversation))
    }

    /// The same for many of an inbox, some at a time, and one count for all. Gives those that are there, in no order.
    ///
    /// # Errors
    /// [`StoreError`], after all were tried; asking again changes the rest.
    pub async fn change_many(
        &self,
        organization: &OrganizationId,
        inbox: &InboxId,
        conversations: &[ConversationId],
        change: ConversationUpdate,
        now: Timestamp,
    ) -> Result<Vec<Conversation>, StoreError> {
        let found = self.several(organization, inbox, conversations).await?;
        let changes = found.into_iter().map(|seen| self.settle(organization, seen, change));
        let done: Vec<_> = futures_util::stream::iter(changes).buffer_unordered(AT_A_TIME).collect().await;
        let more_unread: i64 = done.iter().flatten().flatten().map(|settled| settled.more_unread).sum();
        if more_unread != 0 {
            self.unread.count(organization, inbox, more_unread, now).await?;
        }
        let settled = done.into_iter().filter_map(Result::transpose);
        settled.map(|settled| Ok(settled?.conversation)).collect()
    }

    /// Tries a change until nothing moves in between, and counts nothing.
    async fn settle(
        &self,
        organization: &OrganizationId,
        mut seen: Conversation,
        change: ConversationUpdate,
    ) -> Result<Option<Settled>, StoreError> {
        let (inbox, id) = (seen.inbox.clone(), seen.id.clone());
        let thread = ConversationKey { organization, inbox: &inbox, conversation: &id };
        for _ in 0..4 {
            match self.try_change(thread, &seen, change).await? {
                Tried::Done(before) => return Ok(Some(Settled::of(*before, change))),
                Tried::Moved(moved) => seen = *moved,
                Tried::Absent => return Ok(None),
            }
        }
        Err(StoreError::Unavailable("the conversation kept moving".into()))
    }

    async fn try_change(
        &self,
        thread: ConversationKey<'_>,
        seen: &Conversation,
        change: ConversationUpdate,
    ) -> Result<Tried, StoreError> {
        let (mut set, mut remove) = (Vec::new(), "");
        let mut condition = "attribute_exists(pk)";
        let mut values = Item::new();
        if let Some(folder) = change.folder {
            let place = |folder| text(keys::place(folder, seen.last_activity_at, &seen.id));
            set.push("place = :place");
            condition = "place = :seen";
            values.extend([(":place".into(), place(folder)), (":seen".into(), place(seen.folder))]);
        }
        if let Some(read) = change.read {
            set.push("#read = :read");
            values.insert(":read".into(), AttributeValue::Bool(read));
            if read {
                remove = " REMOVE unreadIn";
            } else {
                set.push("unreadIn = pk");
            }
        }
        if set.is_empty() {
            let found = self.get(thread).await?;
            return Ok(found.map_or(Tried::Absent, |found| Tried::Done(Box::new(found))));
        }
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(
                keys::conversation(thread.organization, thread.inbox, thread.conversation).into_item(),
            ))
            .update_expression(format!("SET {}{remove}", set.join(", ")))
            .condition_expression(condition)
            .set_expression_attribute_names(
                change.read.map(|_| [("#read".to_owned(), "read".to_owned())].into()),
            )
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match updated {
            Ok(updated) => Ok(Tried::Done(conversation(updated.attributes.unwrap_or_default())?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                    Some(item) => Ok(Tried::Moved(conversation(item.clone())?)),
                    None => Ok(Tried::Absent),
                },
                _ => Err(error.into()),
            },
        }
    }

    /// Says in the thread whether our newest text (`message`) failed, or arrived after all: 1 write unit and 1 for each list.
    /// Nothing happens when a newer text of ours stands there. What arrived never fails again, so that of two reports at once,
    /// and of a request that was stuck on its way, none takes the thread back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_delivery(
        &self,
        thread: ConversationKey<'_>,
        message: &MessageId,
        failed: bool,
    ) -> Result<(), StoreError> {
        let key = keys::conversation(thread.organization, thread.inbox, thread.conversation);
        let update = self.table.client.update_item().table_name(&self.table.name);
        let mut request =
            update.set_key(Some(key.into_item())).expression_attribute_values(":message", text(message));
        request = if failed {
            request
                .update_expression("SET deliveryFailed = :failed")
                .condition_expression(
                    "lastOutbound = :message AND (attribute_not_exists(arrived) OR arrived <> :message)",
                )
                .expression_attribute_values(":failed", AttributeValue::Bool(true))
        } else {
            request
                .update_expression("SET arrived = :message REMOVE deliveryFailed")
                .condition_expression("lastOutbound = :message")
        };
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}

/// A change that is done.
struct Settled {
    /// As it is now.
    conversation: Conversation,
    /// What it adds to the inbox's counter.
    more_unread: i64,
}

impl Settled {
    fn of(before: Conversation, change: ConversationUpdate) -> Self {
        let (read, folder) = (change.read.unwrap_or(before.read), change.folder.unwrap_or(before.folder));
        let more_unread = i64::from(before.read) - i64::from(read);
        Self { conversation: Conversation { read, folder, ..before }, more_unread }
    }
}

/// How a change by hand went.
enum Tried {
    /// The conversation as it was before.
    Done(Box<Conversation>),
    /// The conversation as it is now.
    Moved(Box<Conversation>),
    Absent,
}

fn conversation(item: Item) -> Result<Box<Conversation>, StoreError> {
    Ok(Box::new(serde_dynamo::from_item::<_, ConversationRow>(item)?.conversation()?))
}
