//! Machine clients: which organization each one acts for.

use serde::{Deserialize, Serialize};
use shared_domain::ids::OrganizationId;

use crate::{
    table::{error::StoreError, keys},
    team::members::Members,
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

    /// Makes a machine client act for an organization.
    pub async fn put_machine(&self, client: &str, organization: &OrganizationId) -> Result<(), StoreError> {
        self.table.put(keys::machine_client(client), &MachineRow { org: organization.clone() }).await
    }
}
