//! Machine clients: which organization each one acts for.

use serde::{Deserialize, Serialize};
use shared_domain::ids::OrganizationId;

use crate::{
    table::{error::StoreError, item::text, keys, transaction::Transaction},
    team::{audit::AuditEvent, members::Members},
};

#[derive(Debug, Serialize, Deserialize)]
struct MachineRow {
    org: OrganizationId,
}

impl Members {
    /// Returns the organization that a machine client acts for.
    pub async fn machine(&self, client: &str) -> Result<Option<OrganizationId>, StoreError> {
        let row: Option<MachineRow> = self.table.get(keys::machine_client(client), false).await?;
        Ok(row.map(|row| row.org))
    }

    /// Makes a machine client act for an organization. `false` if it acts for another one, or if the
    /// organization does not exist.
    pub async fn add_machine(
        &self,
        client: &str,
        organization: &OrganizationId,
        event: &AuditEvent<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.table);
        transaction.require_exists(keys::organization(organization))?;
        transaction.put_if(
            keys::machine_client(client),
            &MachineRow { org: organization.clone() },
            |put| {
                put.condition_expression("attribute_not_exists(pk) OR org = :org")
                    .expression_attribute_values(":org", text(organization))
            },
        )?;
        event.write_for_organization(&mut transaction, organization)?;
        Ok(transaction.commit().await?.is_done())
    }

    /// Makes a machine client act for an organization, for tests.
    pub async fn put_machine(&self, client: &str, organization: &OrganizationId) -> Result<(), StoreError> {
        self.table.put(keys::machine_client(client), &MachineRow { org: organization.clone() }).await
    }
}
