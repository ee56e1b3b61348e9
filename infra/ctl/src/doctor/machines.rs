//! Machine clients: API Gateway accepts only those that the deployment lists, and the table knows those that
//! owners and operators added.

use std::collections::BTreeSet;

use shared_domain::ids::OrganizationId;

use crate::{Error, Operator, doctor::Finding, operator::Pool};

const MACHINES_PER_PAGE: u16 = 100;

/// Compares the machine clients of the table with those that the API accepts. With a foreign issuer, its
/// audience decides, so there is nothing to compare.
pub(super) async fn check(operator: &Operator) -> Result<Vec<Finding>, Error> {
    let Some(pool) = &operator.pool else { return Ok(Vec::new()) };
    let (mut findings, mut known) = (Vec::new(), BTreeSet::new());
    for organization in operator.organizations.list().await? {
        for client in clients(operator, &organization.id).await? {
            if !is_accepted(pool, &client) {
                let detail = format!(
                    "The API refuses the tokens of the machine client {client} of the organization {}. Add its ID \
                     to MachineClientIds in the settings and deploy.",
                    organization.id
                );
                findings.push(Finding::warn("machine_client", detail));
            }
            known.insert(client);
        }
    }
    for client in pool.more_machine_clients.iter().filter(|client| !known.contains(*client)) {
        let detail = format!(
            "The machine client {client} belongs to no organization. Remove its ID from MachineClientIds in the \
             settings."
        );
        findings.push(Finding::warn("machine_client", detail));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("machine_client", "The API accepts all machine clients."));
    }
    Ok(findings)
}

fn is_accepted(pool: &Pool, client: &str) -> bool {
    pool.machine_client == client || pool.more_machine_clients.iter().any(|accepted| accepted == client)
}

async fn clients(operator: &Operator, organization: &OrganizationId) -> Result<Vec<String>, Error> {
    let (mut clients, mut after) = (Vec::new(), None);
    loop {
        let page = operator.members.machines(organization, MACHINES_PER_PAGE, after.as_deref()).await?;
        clients.extend(page.items.into_iter().map(|machine| machine.client));
        after = page.next;
        if after.is_none() {
            return Ok(clients);
        }
    }
}
