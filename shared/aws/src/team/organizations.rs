//! Organizations, which only the operator creates. Their names are unique in the stack.

use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, UserId},
    time::Timestamp,
    user::User,
};

use crate::{
    table::{error::StoreError, keys, query::KeyRange, requests::Table, transaction::Transaction},
    team::{audit::AuditEvent, rows::UserRow},
};

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    /// The owner that the organization was created with.
    pub owner: UserId,
    pub created_at: Timestamp,
}

/// Points from a name to its organization.
#[derive(Debug, Serialize, Deserialize)]
struct NameRow {
    org: OrganizationId,
}

/// The outcome of creating an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOrganizationOutcome {
    Created,
    /// An organization has this name.
    NameTaken(Organization),
}

/// The organizations of the stack.
#[derive(Debug, Clone)]
pub struct Organizations {
    table: Table,
}

impl Organizations {
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// Creates an organization with its first owner, unless an organization has the name.
    pub async fn create(
        &self,
        organization: &Organization,
        owner: &User,
        event: &AuditEvent<'_>,
    ) -> Result<CreateOrganizationOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let name = NameRow { org: organization.id.clone() };
        transaction.put_new(keys::organization_name(&organization.name), &name)?;
        transaction.put_new(keys::organization(&organization.id), organization)?;
        transaction.put_new(keys::user(&organization.id, &owner.id), &UserRow::of(owner))?;
        event.write_for_organization(&mut transaction, &organization.id)?;
        if transaction.commit().await?.is_done() {
            return Ok(CreateOrganizationOutcome::Created);
        }
        match self.find(&organization.name).await? {
            Some(other) => Ok(CreateOrganizationOutcome::NameTaken(other)),
            None => Err(StoreError::Unavailable("the organization changed".into())),
        }
    }

    /// Finds an organization by name, ignoring case.
    pub async fn find(&self, name: &str) -> Result<Option<Organization>, StoreError> {
        match self.table.get::<NameRow>(keys::organization_name(name), true).await? {
            Some(row) => self.get(&row.org).await,
            None => Ok(None),
        }
    }

    pub async fn get(&self, organization: &OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.table.get(keys::organization(organization), true).await
    }

    /// Returns all organizations in the order of their creation.
    pub async fn list(&self) -> Result<Vec<Organization>, StoreError> {
        self.table.all(&KeyRange::all(keys::ORGANIZATIONS)).await
    }

    /// Writes an event to the organization's own audit trail.
    pub async fn record(
        &self,
        organization: &OrganizationId,
        event: &AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.table);
        event.write_for_organization(&mut transaction, organization)?;
        transaction.commit().await.map(drop)
    }

    /// Adds a user. `false` if the organization has a user with this ID.
    pub async fn add_user(
        &self,
        organization: &OrganizationId,
        user: &User,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.require_exists(keys::organization(organization))?;
        transaction.put_new(keys::user(organization, &user.id), &UserRow::of(user))?;
        event.write_for_organization(&mut transaction, organization)?;
        Ok(transaction.commit().await?.is_done())
    }
}
