//! Contacts of a team: by id, and by number.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use shared_domain::{
    contact::Contact,
    ids::{ContactId, OrganisationId, TeamId},
    phone::PhoneNumber,
};

use crate::{
    items::{ContactRow, NumberRow, parse_id},
    keys,
    table::{StoreError, Table, row},
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
        organisation: &OrganisationId,
        team: &TeamId,
        contact: &ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        let row: Option<ContactRow> =
            self.table.get(keys::contact(organisation, team, contact), false).await?;
        Ok(row.map(ContactRow::contact).transpose()?)
    }

    /// The contact of a number; one that nobody entered has an id made of the number, and needs no pointer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_number(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<Option<Contact>, StoreError> {
        let pointer: Option<NumberRow> =
            self.table.get(keys::contact_number(organisation, team, number), false).await?;
        let id = match pointer {
            Some(pointer) => parse_id(&pointer.contact)?,
            None => ContactId::provisional(team, number),
        };
        let contact = self.get(organisation, team, &id).await?;
        Ok(contact.filter(|contact| contact.number == *number))
    }

    /// The contact of a number, made provisional when nobody knows it: 1 write unit when made. Idempotent by the id,
    /// which is made of team and number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn by_number_or_provisional(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<Contact, StoreError> {
        if let Some(known) = self.by_number(organisation, team, number).await? {
            return Ok(known);
        }
        let contact = Contact::provisional(team, number);
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row(keys::contact(organisation, team, &contact.id), &ContactRow::of(&contact))?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(contact),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(contact),
                _ => Err(error.into()),
            },
        }
    }

    /// Points a number that no contact has at the stranger whom it would be, so that it is known as one that was met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        number: &PhoneNumber,
    ) -> Result<(), StoreError> {
        let pointer = NumberRow { contact: ContactId::provisional(team, number).to_string() };
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row(keys::contact_number(organisation, team, number), &pointer)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// Writes a contact and points its number at it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        organisation: &OrganisationId,
        team: &TeamId,
        contact: &Contact,
    ) -> Result<(), StoreError> {
        self.table.put(keys::contact(organisation, team, &contact.id), &ContactRow::of(contact)).await?;
        let pointer = NumberRow { contact: contact.id.to_string() };
        self.table.put(keys::contact_number(organisation, team, &contact.number), &pointer).await
    }
}
