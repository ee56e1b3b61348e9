//! Contacts by id and by number, as messages need them. [`Contacts`] is the one store of contacts; the other
//! files of this folder add entries with custom fields, batches for imports, copies on conversations, and
//! numbers that contacts give up.

use shared_domain::{
    contact::Contact,
    ids::ContactId,
    inbox::Inbox,
    keys::TeamKey,
    message::Message,
    notification::{Notification, NotificationKind},
    phone::PhoneNumber,
};

use crate::{
    contact::rows::{ContactPointer, ContactRow},
    notification::rows::NotificationRow,
    table::{error::StoreError, keys, requests::Table, transaction::Transaction},
    team::teams::Teams,
};

/// The contacts of teams.
#[derive(Debug, Clone)]
pub struct Contacts {
    pub(super) table: Table,
}

impl Contacts {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns a contact. Costs half a read unit. [`Contacts::get_entry`] reads consistently and includes
    /// custom fields.
    pub async fn get(&self, team: TeamKey<'_>, contact: &ContactId) -> Result<Option<Contact>, StoreError> {
        let row: Option<ContactRow> = self.table.get(keys::contact(team, contact), false).await?;
        Ok(row.map(ContactRow::contact))
    }

    /// Returns the contact that is shown for a number. The id of a provisional contact is derived from its
    /// number, so it is found without a pointer.
    pub async fn by_number(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Option<Contact>, StoreError> {
        let pointer: Option<ContactPointer> =
            self.table.get(keys::contact_number(team, number), false).await?;
        let id = pointer.map_or_else(|| ContactId::provisional(team.team, number), |pointer| pointer.contact);
        let contact = self.get(team, &id).await?;
        Ok(contact.filter(|contact| contact.number == *number))
    }

    /// Returns the contact that is shown for a number. Creates a provisional contact if there is none: 1
    /// write unit. Idempotent, because the id is derived from team and number.
    pub async fn by_number_or_provisional(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
    ) -> Result<Contact, StoreError> {
        match self.by_number(team, number).await? {
            Some(known) => Ok(known),
            None => self.create_provisional(team, number, None).await,
        }
    }

    /// Returns the contact of an inbound message. Creates a provisional contact if the number is unknown: 1
    /// write unit, or 4 with the notification that the team may want.
    ///
    /// Contact and notification are one transaction, so each new contact causes one notification: if the
    /// process stops before it, a redelivery creates both; if it stops after it, the contact is known. The
    /// notification has an id derived from the message, under which its recipients are claimed.
    pub async fn of_inbound(&self, inbox: &Inbox, message: &Message) -> Result<Contact, StoreError> {
        let (team, number) = (inbox.team_key(), &message.contact_number);
        if let Some(known) = self.by_number(team, number).await? {
            return Ok(known);
        }
        let contact = ContactId::provisional(team.team, number);
        let subject = NotificationKind::UnknownContact { contact, inbox: inbox.id.clone() };
        let wanted = Teams::new(self.table.clone()).wants_notification(team, &subject).await?;
        let notification = Notification {
            id: format!("unknown-contact-{}", message.id),
            organization: inbox.organization.clone(),
            team: inbox.team.clone(),
            subject,
            at: message.created_at,
            admins: Vec::new(),
        };
        self.create_provisional(team, number, wanted.then_some(&notification)).await
    }

    /// Creates a contact with a notification. Writes neither if another request created the contact in the
    /// meantime.
    async fn create_provisional(
        &self,
        team: TeamKey<'_>,
        number: &PhoneNumber,
        notification: Option<&Notification>,
    ) -> Result<Contact, StoreError> {
        let contact = Contact::provisional(team.team, number);
        let key = keys::contact(team, &contact.id);
        if let Some(notification) = notification {
            let mut transaction = Transaction::new(&self.table);
            transaction.put_new(key, &ContactRow::of(&contact))?;
            transaction.put(keys::notification(&notification.id), &NotificationRow::of(notification))?;
            return transaction.commit().await.map(|_| contact);
        }
        self.table.put_new(key, &ContactRow::of(&contact)).await.map(|_| contact)
    }

    /// Writes a contact and points its number at it, for seeds and tests.
    pub async fn put(&self, team: TeamKey<'_>, contact: &Contact) -> Result<(), StoreError> {
        self.table.put(keys::contact(team, &contact.id), &ContactRow::of(contact)).await?;
        let pointer = ContactPointer { contact: contact.id.clone() };
        self.table.put(keys::contact_number(team, &contact.number), &pointer).await
    }
}
