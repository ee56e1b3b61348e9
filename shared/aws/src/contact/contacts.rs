//! Contacts of a team: by id, and by number.

use shared_domain::{
    contact::Contact,
    ids::{ContactId, OrganizationId, TeamId},
    inbox::Inbox,
    message::Message,
    notice::{Notification, NotificationKind},
    phone::PhoneNumber,
};

use crate::{
    contact::rows::{ContactRow, NumberRow},
    notification::rows::NotificationRow,
    table::{error::StoreError, items::parse_id, keys, requests::Table, transaction::Transaction},
    team::teams::Teams,
};

/// Contacts of teams.
#[derive(Debug, Clone)]
pub struct Contacts {
    table: Table,
}

impl Contacts {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// One contact: half a read unit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        let row: Option<ContactRow> =
            self.table.get(keys::contact(organization, team, contact), false).await?;
        Ok(row.map(ContactRow::contact).transpose()?)
    }

    /// The contact of a number; one that nobody entered has an id made of the number, and needs no pointer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_number(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<Option<Contact>, StoreError> {
        let pointer: Option<NumberRow> =
            self.table.get(keys::contact_number(organization, team, number), false).await?;
        let id = match pointer {
            Some(pointer) => parse_id(&pointer.contact)?,
            None => ContactId::provisional(team, number),
        };
        let contact = self.get(organization, team, &id).await?;
        Ok(contact.filter(|contact| contact.number == *number))
    }

    /// The contact of a number, made provisional when nobody knows it: 1 write unit when made. Idempotent by the id,
    /// which is made of team and number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_number_or_provisional(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<Contact, StoreError> {
        if let Some(known) = self.by_number(organization, team, number).await? {
            return Ok(known);
        }
        self.provisional(organization, team, number, None).await
    }

    /// The contact of a number that texted in, made provisional when nobody knows it: 1 write unit when made, 4 with the
    /// notice where the team wants one. Contact and notice are one transaction, so there is one notice for each contact
    /// made this way, wherever a host dies: before it, and the text that comes again makes both; after it, and the contact
    /// is known. The notice bears the text's id, and who was told is kept under that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_text(&self, inbox: &Inbox, text: &Message) -> Result<Contact, StoreError> {
        let (organization, team, number) = (&inbox.organization, &inbox.team, &text.contact_number);
        if let Some(known) = self.by_number(organization, team, number).await? {
            return Ok(known);
        }
        let contact = ContactId::provisional(team, number);
        let subject = NotificationKind::UnknownContact { contact, inbox: inbox.id.clone() };
        let wanted = Teams::new(self.table.clone()).wants(organization, team, &subject).await?;
        let notice = Notification {
            id: format!("unknown-contact-{}", text.id),
            organization: organization.clone(),
            team: team.clone(),
            subject,
            at: text.created_at,
            admins: Vec::new(),
        };
        self.provisional(organization, team, number, wanted.then_some(&notice)).await
    }

    /// Makes a contact, and leaves a notice with it; nothing of both when somebody else has made it meanwhile.
    async fn provisional(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        number: &PhoneNumber,
        notice: Option<&Notification>,
    ) -> Result<Contact, StoreError> {
        let contact = Contact::provisional(team, number);
        let key = keys::contact(organization, team, &contact.id);
        if let Some(notice) = notice {
            let mut transaction = Transaction::new(&self.table);
            transaction.put_new(key, &ContactRow::of(&contact))?;
            transaction.put(keys::notice(&notice.id), &NotificationRow::of(notice))?;
            return transaction.commit().await.map(|_| contact);
        }
        self.table.put_new(key, &ContactRow::of(&contact)).await.map(|()| contact)
    }

    /// Points a number that no contact has at the stranger whom it would be, so that it is known as one that was met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<(), StoreError> {
        let pointer = NumberRow { contact: ContactId::provisional(team, number).to_string() };
        self.table.put_new(keys::contact_number(organization, team, number), &pointer).await
    }

    /// Writes a contact and points its number at it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &Contact,
    ) -> Result<(), StoreError> {
        self.table.put(keys::contact(organization, team, &contact.id), &ContactRow::of(contact)).await?;
        let pointer = NumberRow { contact: contact.id.to_string() };
        self.table.put(keys::contact_number(organization, team, &contact.number), &pointer).await
    }
}
