//! Conversations: lists by folder, one conversation, folder and read state by hand.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue},
};
use shared_domain::{
    conversation::{Conversation, Folder},
    ids::{ConversationId, InboxId, MessageId, OrganisationId},
    time::Timestamp,
};

use crate::{
    items::{ConversationRow, parse_id},
    keys::{self, Key},
    locks::Thread,
    table::{Item, StoreError, Table, text},
    unread::Unread,
};

/// Conversations of inboxes.
#[derive(Debug, Clone)]
pub struct Conversations {
    table: Table,
    unread: Unread,
}

/// A page of a folder, newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// At most as many as asked for.
    pub conversations: Vec<Conversation>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
}

/// What to change by hand; what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
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
    pub async fn get(&self, thread: Thread<'_>) -> Result<Option<Conversation>, StoreError> {
        let key = keys::conversation(thread.organisation, thread.inbox, thread.conversation);
        let row: Option<ConversationRow> = self.table.get(key, true).await?;
        Ok(row.map(ConversationRow::conversation).transpose()?)
    }

    /// Several conversations with their locks in one request, in no order; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn several(
        &self,
        organisation: &OrganisationId,
        inbox: &InboxId,
        conversations: &[ConversationId],
    ) -> Result<Vec<Conversation>, StoreError> {
        let keys = conversations.iter().map(|one| keys::conversation(organisation, inbox, one)).collect();
        let rows: Vec<ConversationRow> = serde_dynamo::from_items(self.table.batch_get(keys, false).await?)?;
        Ok(rows.into_iter().map(ConversationRow::conversation).collect::<Result<_, _>>()?)
    }

    /// A page of a folder: one query, and a read of each conversation of the page that somebody may hold, for the lock's
    /// end, which the index leaves out so that renewals cost one unit. `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        organisation: &OrganisationId,
        inbox: &InboxId,
        folder: Folder,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let partition = keys::folder_partition(organisation, inbox, folder);
        let start = after.map(|place| start_key(organisation, inbox, &partition, place)).transpose()?;
        let queried = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(keys::INBOX_ACTIVITY)
            .key_condition_expression("gsi1pk = :folder")
            .expression_attribute_values(":folder", text(partition))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next =
            queried.last_evaluated_key.as_ref().and_then(|key| key.get("gsi1sk")?.as_s().ok().cloned());
        let rows: Vec<ConversationRow> = serde_dynamo::from_items(queried.items.unwrap_or_default())?;
        let held = rows.iter().filter(|row| row.lock_holder.is_some()).map(ConversationRow::key).collect();
        let mut conversations =
            rows.into_iter().map(ConversationRow::conversation).collect::<Result<Vec<_>, _>>()?;
        self.add_locks(held, &mut conversations).await?;
        Ok(Page { conversations, next })
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

    /// Moves or marks by hand: 1 write unit and the index's (an entry that moves costs 2), and 1 for the inbox's counter
    /// where the conversation was not marked so before. `None` when it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change(
        &self,
        thread: Thread<'_>,
        change: Change,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        let mut set = Vec::new();
        let mut remove = "";
        let mut values = Item::new();
        if let Some(folder) = change.folder {
            set.push("gsi1pk = :folder");
            let partition = keys::folder_partition(thread.organisation, thread.inbox, folder);
            values.insert(":folder".into(), text(partition));
        }
        if let Some(read) = change.read {
            set.push("#read = :read");
            values.insert(":read".into(), AttributeValue::Bool(read));
            if read {
                remove = " REMOVE gsi2pk, gsi2sk";
            } else {
                set.push("gsi2pk = :inbox, gsi2sk = sk");
                values
                    .insert(":inbox".into(), text(keys::inbox_partition(thread.organisation, thread.inbox)));
            }
        }
        if set.is_empty() {
            return self.get(thread).await;
        }
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(
                keys::conversation(thread.organisation, thread.inbox, thread.conversation).into_item(),
            ))
            .update_expression(format!("SET {}{remove}", set.join(", ")))
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_names(
                change.read.map(|_| [("#read".to_owned(), "read".to_owned())].into()),
            )
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match updated {
            Ok(updated) => {
                let mut row: ConversationRow =
                    serde_dynamo::from_item(updated.attributes.unwrap_or_default())?;
                let was_read = row.read;
                row.read = change.read.unwrap_or(was_read);
                if let Some(folder) = change.folder {
                    row.gsi1pk = keys::folder_partition(thread.organisation, thread.inbox, folder);
                }
                if row.read != was_read {
                    let by = if row.read { -1 } else { 1 };
                    self.unread.count(thread.organisation, thread.inbox, by, now).await?;
                }
                Ok(Some(row.conversation()?))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Says in the thread whether our newest text (`message`) failed: 1 write unit and 1 for the index. Nothing happens
    /// when a newer text of ours stands there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_delivery(
        &self,
        thread: Thread<'_>,
        message: &MessageId,
        failed: bool,
    ) -> Result<(), StoreError> {
        let expression = if failed { "SET deliveryFailed = :failed" } else { "REMOVE deliveryFailed" };
        let mut request = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(
                keys::conversation(thread.organisation, thread.inbox, thread.conversation).into_item(),
            ))
            .update_expression(expression)
            .condition_expression("lastOutbound = :message")
            .expression_attribute_values(":message", text(message));
        if failed {
            request = request.expression_attribute_values(":failed", AttributeValue::Bool(true));
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}

/// The index key that a page ended at, from its place in the folder.
fn start_key(
    organisation: &OrganisationId,
    inbox: &InboxId,
    partition: &str,
    place: &str,
) -> Result<Item, StoreError> {
    let conversation = place.split('#').nth(1).unwrap_or_default();
    let conversation: ConversationId = parse_id(conversation)?;
    let mut key = keys::conversation(organisation, inbox, &conversation).into_item();
    key.insert("gsi1pk".into(), text(partition));
    key.insert("gsi1sk".into(), text(place));
    Ok(key)
}
