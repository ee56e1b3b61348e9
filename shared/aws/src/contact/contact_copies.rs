//! The copies of a contact on its conversations: lists show them without a read, and the transaction that accepts a text
//! judges by their flags. A conversation's id is made of inbox and number, so the copies of a contact are found by the
//! inboxes of its team, without an index.
//!
//! Whoever writes a contact calls this afterwards, and again when it failed: writing a copy twice is once.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, OrganizationId, TeamId},
};

use crate::{
    contact::rows::ContactRow,
    conversation::rows::ConversationRow,
    inbox::inboxes::Inboxes,
    table::{
        error::StoreError,
        item::{Item, attribute, text},
        keys::{self, Key},
        requests::Table,
    },
};

/// Copies of contacts.
#[derive(Debug, Clone)]
pub struct ContactCopies {
    table: Table,
    inboxes: Inboxes,
}

impl ContactCopies {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { inboxes: Inboxes::new(table.clone()), table }
    }

    /// Writes a contact to every conversation of its number in the team's inboxes: 1.5 read units for each inbox and one
    /// for their list, and 2 write units for each conversation there is (itself, and the list that shows it), 1 or 2 more
    /// where it is or was assigned or is unread, for those lists. Gives how many there are.
    ///
    /// # Errors
    /// [`StoreError`]; some copies may be written then, and asking again writes them all.
    pub async fn sync_copies(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &Contact,
    ) -> Result<usize, StoreError> {
        let inboxes = self.inboxes.of_team(organization, team).await?;
        let conversations = inboxes.iter().map(|inbox| {
            keys::conversation(organization, &inbox.id, &ConversationId::of(&inbox.id, &contact.number))
        });
        let found = self.table.batch_get(conversations.collect(), true).await?;
        let mut written = 0;
        for item in found {
            let row: ConversationRow = serde_dynamo::from_item(item)?;
            let mut values = Item::from([(":contact".into(), attribute(&ContactRow::of(contact))?)]);
            let mut expression = "SET contact = :contact REMOVE assignedIn";
            if let Some(user) = &contact.assigned {
                expression = "SET contact = :contact, assignedIn = :assigned";
                values.insert(":assigned".into(), text(format!("{}#{}", row.pk, user.id)));
            }
            written += usize::from(self.write(row.key(), expression, values).await?);
        }
        Ok(written)
    }

    async fn write(&self, key: Key, expression: &str, values: Item) -> Result<bool, StoreError> {
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .update_expression(expression)
            .condition_expression("attribute_exists(pk)")
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}
