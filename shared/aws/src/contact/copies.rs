//! The copies of contacts on conversations: lists show them without a read, and the transaction that accepts
//! a message checks the status of the number in them. A conversation's id is derived from inbox and number,
//! so the copies are found through the inboxes of the team, without an index.
//!
//! Every workflow that writes a contact or the status of a number updates the copies afterwards, and repeats
//! the update after a failure. A copy has the versions of what it was made from, and an older copy never
//! replaces a newer one. If a conversation begins at the same time, the later of the two writes sees the
//! earlier one: the update reads conversations after its change, and [`Contacts::sync_if_changed`] is called
//! after a conversation begins.

use aws_sdk_dynamodb::types::AttributeValue;
use shared_domain::{contact::Contact, ids::ConversationId, keys::TeamKey, phone::PhoneNumber};

use crate::{
    contact::{
        contacts::{Contacts, NumberItems, ShownContact},
        rows::{ContactPointer, ContactRow},
    },
    conversation::rows::ConversationRow,
    inbox::inboxes::Inboxes,
    opt_out::numbers::status_keys,
    table::{
        error::StoreError,
        item::{Item, attribute, from_item, number, string_attribute, text},
        keys::{self, Key},
    },
};

/// Maximum number of attempts while other requests change the contact or the status of the number.
const MAX_ATTEMPTS: usize = 8;
/// The copy is as recent as the one to be written, or older.
const IS_NOT_NEWER: &str = "attribute_exists(pk) \
     AND (attribute_not_exists(contact.v) OR contact.v <= :shown) \
     AND (attribute_not_exists(contact.nv) OR contact.nv <= :status)";

impl Contacts {
    /// Copies the contact that is shown for a number, and the status of the number, to every conversation
    /// with the number in the team's inboxes. Returns how many there are. After an error some copies may be
    /// written; repeating the call writes them all. If a conversation shows a contact that was removed, the
    /// number gets a provisional contact.
    ///
    /// Costs 1 read unit for each inbox, 3 for the number, 1 for the contact and half of one for the list of
    /// inboxes; and 2 write units for each conversation whose copy changes (itself, and the list that shows
    /// it), 1 or 2 more for the assigned and unread lists that show it.
    pub async fn sync_conversations(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<usize, StoreError> {
        let inboxes = Inboxes::new(self.table.clone()).of_team(team).await?;
        let conversations: Vec<Key> = inboxes
            .iter()
            .map(|inbox| keys::conversation(inbox.key().conversation(&ConversationId::of(&inbox.id, number))))
            .collect();
        for _ in 0..MAX_ATTEMPTS {
            if let Some(written) = self.try_sync(team, number, &conversations).await? {
                return Ok(written);
            }
        }
        Err(StoreError::Unavailable("the contact kept changing".into()))
    }

    /// Updates the copies if the contact that is shown for the number, or the status of the number, has
    /// changed since `shown` was read. 3 read units if not.
    pub async fn sync_if_changed(&self, team: TeamKey<'_>, shown: &ShownContact) -> Result<(), StoreError> {
        let number = &shown.contact.number;
        if self.number_items(team, number, true).await?.version() != shown.version {
            self.sync_conversations(team, number).await?;
        }
        Ok(())
    }

    /// Returns the number of copies, or `None` if the contact or the status of the number changed in the
    /// meantime.
    async fn try_sync(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        conversations: &[Key],
    ) -> Result<Option<usize>, StoreError> {
        let of_number = status_keys(team, number).into_iter().chain([keys::contact_number(team, number)]);
        let keys = conversations.iter().cloned().chain(of_number).collect();
        let (mut rows, mut items): (Vec<ConversationRow>, _) = (Vec::new(), NumberItems::default());
        for item in self.table.batch_get(keys, true).await? {
            if conversations.iter().any(|key| string_attribute(&item, "sk") == Some(key.sk.as_str())) {
                rows.push(from_item(item)?);
            } else {
                items.add(item)?;
            }
        }
        let Some(newest) = rows.iter().map(|row| row.contact.shown_version).max() else {
            return Ok(Some(0));
        };
        if newest > items.version().shown {
            self.raise_version(team, number, items.pointer.as_ref(), newest + 1).await?;
            return Ok(None);
        }
        let copy = self.shown_or_provisional(team, number, &items).await?.copy();
        for row in &rows {
            if row.contact == copy {
                continue;
            }
            let mut values = Item::from([
                (":contact".into(), attribute(&copy)?),
                (":shown".into(), AttributeValue::N(copy.shown_version.to_string())),
                (":status".into(), AttributeValue::N(copy.number_version.to_string())),
            ]);
            let mut expression = "SET contact = :contact REMOVE assignedIn";
            if let Some(user) = &copy.contact.assigned {
                expression = "SET contact = :contact, assignedIn = :assigned";
                values.insert(":assigned".into(), text(format!("{}#{}", row.pk, user.id)));
            }
            let updated = self.table.update_if(row.key(), |update| {
                update
                    .update_expression(expression)
                    .condition_expression(IS_NOT_NEWER)
                    .set_expression_attribute_values(Some(values))
            });
            if !updated.await?.is_done() {
                return Ok(None);
            }
        }
        Ok(Some(rows.len()))
    }

    /// Makes the version of a pointer at least that of the copies. The version starts again if the last
    /// contact with a number is removed, and the pointer with it. Does nothing if the pointer changed.
    async fn raise_version(
        &self,
        team: TeamKey<'_>,
        of: &PhoneNumber,
        pointer: Option<&ContactPointer>,
        version: u64,
    ) -> Result<(), StoreError> {
        let key = keys::contact_number(team, of);
        let Some(pointer) = pointer else {
            let provisional = Contact::provisional(team.team, of);
            let pointer = ContactPointer { version, ..ContactPointer::to(&provisional) };
            return self.table.put_new(key, &pointer).await.map(drop);
        };
        let raised = self.table.update_if(key, |update| {
            update
                .update_expression("SET version = :version")
                .condition_expression("version = :before")
                .expression_attribute_values(":version", number(version))
                .expression_attribute_values(":before", number(pointer.version))
        });
        raised.await.map(drop)
    }

    /// Returns the contact that is shown for a number, read consistently. Creates a provisional contact if it
    /// does not exist.
    async fn shown_or_provisional(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        items: &NumberItems,
    ) -> Result<ShownContact, StoreError> {
        let key = keys::contact(team, &items.shown_id(team, number));
        let row: Option<ContactRow> = self.table.get(key, true).await?;
        match row.filter(|row| row.number == *number) {
            Some(row) => Ok(items.shown(row)),
            None => self.create_provisional(team, number, items, None).await,
        }
    }
}
