//! The copies of a contact on its conversations: lists show them without a read, and the transaction that
//! accepts a message checks their flags. A conversation's id is derived from inbox and number, so the copies
//! are found through the inboxes of the team, without an index.
//!
//! Every workflow that writes a contact updates the copies afterwards, and repeats the update after a
//! failure. The update is idempotent.

use shared_domain::{contact::Contact, ids::ConversationId, keys::TeamKey};

use crate::{
    contact::{contacts::Contacts, rows::ContactRow},
    conversation::rows::ConversationRow,
    inbox::inboxes::Inboxes,
    table::{
        error::StoreError,
        item::{Item, attribute, from_item, text},
        keys,
        requests::EXISTS,
    },
};

impl Contacts {
    /// Copies a contact to every conversation with its number in the team's inboxes, and returns how many
    /// there are. After an error some copies may be written; repeating the call writes them all.
    ///
    /// Costs 1.5 read units for each inbox and one for their list, and 2 write units for each conversation
    /// (itself, and the list that shows it), 1 or 2 more for the assigned and unread lists that show it.
    pub async fn sync_copies(&self, team: TeamKey<'_>, contact: &Contact) -> Result<usize, StoreError> {
        let inboxes = Inboxes::new(self.table.clone()).of_team(team).await?;
        let conversations = inboxes.iter().map(|inbox| {
            let conversation = ConversationId::of(&inbox.id, &contact.number);
            keys::conversation(inbox.key().conversation(&conversation))
        });
        let found = self.table.batch_get(conversations.collect(), true).await?;
        let mut written = 0;
        for item in found {
            let row: ConversationRow = from_item(item)?;
            let mut values = Item::from([(":contact".into(), attribute(&ContactRow::of(contact))?)]);
            let mut expression = "SET contact = :contact REMOVE assignedIn";
            if let Some(user) = &contact.assigned {
                expression = "SET contact = :contact, assignedIn = :assigned";
                values.insert(":assigned".into(), text(format!("{}#{}", row.pk, user.id)));
            }
            let updated = self.table.update_if(row.key(), |update| {
                update
                    .update_expression(expression)
                    .condition_expression(EXISTS)
                    .set_expression_attribute_values(Some(values))
            });
            written += usize::from(updated.await?.is_done());
        }
        Ok(written)
    }
}
