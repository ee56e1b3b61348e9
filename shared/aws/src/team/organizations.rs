//! Organizations, which only the operator creates. Their names are unique in the stack.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared_domain::{
    ids::{OrganizationId, UserId},
    opt_out::SharedOptOutScope,
    time::Timestamp,
    user::User,
};

use crate::{
    table::{
        error::StoreError, item::text, keys, query::KeyRange, requests::Table, transaction::Transaction,
    },
    team::{audit::AuditEvent, rows::UserRow},
};

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    pub id: OrganizationId,
    pub name: String,
    /// The owner that the organization names: the first one, or a successor.
    pub owner: UserId,
    pub created_at: Timestamp,
    #[serde(default)]
    pub opt_out_scope: SharedOptOutScope,
}

/// The outcome of changing an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOrganizationOutcome {
    Changed,
    /// Another organization has this name.
    NameTaken,
    /// The organization was changed since it was read.
    Conflict,
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

    /// Returns whom a STOP to a shared inbox of the organization binds: half a read unit. A change of the
    /// last second may be missing.
    pub async fn shared_opt_out_scope(
        &self,
        organization: &OrganizationId,
    ) -> Result<SharedOptOutScope, StoreError> {
        let row: Option<Organization> = self.table.get(keys::organization(organization), false).await?;
        Ok(row.map(|row| row.opt_out_scope).unwrap_or_default())
    }

    /// Replaces the name and the settings of an organization. `before` is the organization as it was read.
    pub async fn change(
        &self,
        before: &Organization,
        after: &Organization,
        event: &AuditEvent<'_>,
    ) -> Result<ChangeOrganizationOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.put_if(keys::organization(&after.id), after, |put| {
            put.condition_expression(
                "#name = :name AND #owner = :owner AND (attribute_not_exists(optOutScope) OR optOutScope = :scope)",
            )
            .expression_attribute_names("#name", "name")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&before.owner))
            .expression_attribute_values(":name", text(&before.name))
            .expression_attribute_values(":scope", text(before.opt_out_scope.as_str()))
        })?;
        event.write_for_organization(&mut transaction, &after.id)?;
        let (old, new) = (keys::organization_name(&before.name), keys::organization_name(&after.name));
        let mut name = None;
        if old != new {
            name = Some(transaction.put_new(new, &NameRow { org: after.id.clone() })?);
            transaction.delete(old)?;
        }
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            ChangeOrganizationOutcome::Changed
        } else if name.is_some_and(|place| committed.refused_at(place)) {
            ChangeOrganizationOutcome::NameTaken
        } else {
            ChangeOrganizationOutcome::Conflict
        })
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

    /// Ends the ownership of a user. `false` if nobody else is known to own the organization: it names this
    /// user as its owner, and `successor` is not another owner, who is named instead. Of two owners who end
    /// each other's ownership at the same time, one stays.
    pub async fn end_ownership(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        successor: Option<&UserId>,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        match successor {
            None => transaction.require(keys::organization(organization), |check| {
                check
                    .condition_expression("attribute_exists(pk) AND #owner <> :user")
                    .expression_attribute_names("#owner", "owner")
                    .expression_attribute_values(":user", text(user))
            })?,
            Some(successor) => {
                transaction.require(keys::user(organization, successor), |check| {
                    check
                        .condition_expression("#owner = :yes")
                        .expression_attribute_names("#owner", "owner")
                        .expression_attribute_values(":yes", AttributeValue::Bool(true))
                })?;
                transaction.update(keys::organization(organization), |update| {
                    update
                        .update_expression("SET #owner = :successor")
                        .condition_expression("attribute_exists(pk)")
                        .expression_attribute_names("#owner", "owner")
                        .expression_attribute_values(":successor", text(successor))
                })?
            }
        };
        transaction.update(keys::user(organization, user), |update| {
            update
                .update_expression("SET #owner = :no")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":no", AttributeValue::Bool(false))
        })?;
        event.write_for_organization(&mut transaction, organization)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Removes a user who is no owner and belongs to no team. `false` if the user is an owner.
    pub async fn remove_user(
        &self,
        organization: &OrganizationId,
        user: &UserId,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.delete_if(keys::user(organization, user), |delete| {
            delete
                .condition_expression("attribute_not_exists(pk) OR #owner = :no")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":no", AttributeValue::Bool(false))
        })?;
        event.write_for_organization(&mut transaction, organization)?;
        Ok(transaction.commit().await?.is_done())
    }
}
