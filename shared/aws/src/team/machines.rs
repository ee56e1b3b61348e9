//! Machine clients: which organization each one acts for.
//!
//! Every request of a machine reads the client's item, so a removal ends its access at once. The item of a
//! removed client stays, because its secret may still be known: no other organization can get the client.

use serde::{Deserialize, Serialize};
use shared_domain::{ids::OrganizationId, time::Timestamp};

use crate::{
    table::{
        error::StoreError,
        idempotency::Idempotency,
        item::{attribute, text},
        keys,
        query::{KeyRange, Order, Page},
        transaction::Transaction,
    },
    team::{audit::AuditEvent, members::Members},
};

#[derive(Debug, Serialize, Deserialize)]
struct MachineRow {
    org: OrganizationId,
    #[serde(default)]
    removed: bool,
}

/// A machine client in the list of its organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// ID of the client at the issuer of its tokens.
    pub client: String,
    pub name: String,
    pub created_at: Timestamp,
}

/// The outcome of adding a machine client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddMachineOutcome {
    Added,
    /// Another request used the idempotency key in the meantime.
    KeyTaken,
    /// The client acts or acted for another organization, or the organization does not exist.
    Refused,
}

impl Members {
    /// Returns the organization that a machine client acts for.
    pub async fn machine(&self, client: &str) -> Result<Option<OrganizationId>, StoreError> {
        let row: Option<MachineRow> = self.table.get(keys::machine_client(client), false).await?;
        Ok(row.filter(|row| !row.removed).map(|row| row.org))
    }

    /// Returns the organization that a machine client acts for, or acted for until it was removed.
    pub async fn organization_of_machine(&self, client: &str) -> Result<Option<OrganizationId>, StoreError> {
        let row: Option<MachineRow> = self.table.get(keys::machine_client(client), true).await?;
        Ok(row.map(|row| row.org))
    }

    /// Returns a page of the machine clients of an organization, by client ID.
    pub async fn machines(
        &self,
        organization: &OrganizationId,
        limit: u16,
        after: Option<&str>,
    ) -> Result<Page<Machine>, StoreError> {
        let range = KeyRange::all(keys::machines_partition(organization));
        self.table.page(range, Order::Ascending, limit, after).await
    }

    /// Returns a machine client of an organization.
    pub async fn machine_of(
        &self,
        organization: &OrganizationId,
        client: &str,
    ) -> Result<Option<Machine>, StoreError> {
        self.table.get(keys::machine(organization, client), true).await
    }

    /// Makes a machine client act for an organization. Adding it again changes its name.
    pub async fn add_machine(
        &self,
        machine: &Machine,
        organization: &OrganizationId,
        event: &AuditEvent<'_>,
        key: Option<Idempotency<'_>>,
    ) -> Result<AddMachineOutcome, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.require_exists(keys::organization(organization))?;
        let row = MachineRow { org: organization.clone(), removed: false };
        transaction.put_if(keys::machine_client(&machine.client), &row, |put| {
            put.condition_expression("attribute_not_exists(pk) OR org = :org")
                .expression_attribute_values(":org", text(organization))
        })?;
        let created_at = attribute(&machine.created_at)?;
        transaction.update(keys::machine(organization, &machine.client), |update| {
            update
                .update_expression(
                    "SET #client = :client, #name = :name, createdAt = if_not_exists(createdAt, :createdAt)",
                )
                .expression_attribute_names("#client", "client")
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":client", text(&machine.client))
                .expression_attribute_values(":name", text(&machine.name))
                .expression_attribute_values(":createdAt", created_at)
        })?;
        event.write_for_organization(&mut transaction, organization)?;
        let used_key = match key {
            Some(key) => {
                Some(key.write(&mut transaction, organization, &machine.client, machine.created_at)?)
            }
            None => None,
        };
        let committed = transaction.commit().await?;
        Ok(if committed.is_done() {
            AddMachineOutcome::Added
        } else if used_key.is_some_and(|place| committed.refused_at(place)) {
            AddMachineOutcome::KeyTaken
        } else {
            AddMachineOutcome::Refused
        })
    }

    /// Ends the access of a machine client. `false` if it does not act for this organization.
    pub async fn remove_machine(
        &self,
        client: &str,
        organization: &OrganizationId,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        let row = MachineRow { org: organization.clone(), removed: true };
        transaction.put_if(keys::machine_client(client), &row, |put| {
            put.condition_expression("org = :org").expression_attribute_values(":org", text(organization))
        })?;
        transaction.delete(keys::machine(organization, client))?;
        event.write_for_organization(&mut transaction, organization)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Makes a machine client act for an organization, for tests.
    pub async fn put_machine(&self, client: &str, organization: &OrganizationId) -> Result<(), StoreError> {
        let row = MachineRow { org: organization.clone(), removed: false };
        self.table.put(keys::machine_client(client), &row).await
    }
}
