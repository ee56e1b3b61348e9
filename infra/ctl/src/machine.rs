//! Machine clients: integrations that send messages by API code.

use clap::Args;
use serde::Serialize;
use shared_aws::team::{AddMachineOutcome, Machine};
use shared_domain::{ids::OrganizationId, settings};

use crate::{Error, Operator, operator::Pool};

/// A machine client to create.
#[derive(Debug, Clone, Args)]
pub struct NewMachine {
    /// ID of the organization that the machine sends for
    #[arg(long)]
    pub organization: String,
    /// Name of the integration
    #[arg(long)]
    pub name: String,
    /// Client ID at your own issuer of tokens. Not for a stack with its own user pool
    #[arg(long)]
    pub client_id: Option<String>,
}

/// A machine client that acts for an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedMachine {
    pub organization_id: String,
    pub client_id: String,
    /// `None` if another issuer has the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    pub name: String,
    /// Whether the API accepts tokens of this client. API Gateway compares the client ID of a token with a
    /// list in the template: the client that the template creates, and those of the setting
    /// `MachineClientIds`.
    pub accepted: bool,
    /// What is left to do. `None` if the client is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Makes a machine client act for an organization. The first organization gets the client that the template
/// creates, and others get a new one. Once a new client is accepted, the command returns it again.
pub async fn create(operator: &Operator, new: &NewMachine) -> Result<CreatedMachine, Error> {
    let organization = operator.organization(&new.organization).await?;
    let name = settings::name("/name", &new.name).map_err(Error::of_argument("name"))?;
    let (client_id, client_secret, accepted) = match (&operator.pool, &new.client_id) {
        (None, Some(client)) => (client.clone(), None, true),
        (None, None) => {
            let detail = "This stack has your own issuer of tokens. Pass its client ID with --client-id.";
            return Err(Error::Conflict(detail.into()));
        }
        (Some(_), Some(_)) => {
            let detail = "The stack's user pool chooses client IDs. Leave out --client-id.";
            return Err(Error::Conflict(detail.into()));
        }
        (Some(pool), None) => {
            let known = accepted_client(operator, pool, &organization.id).await?;
            let machine = match known {
                Some(client) => pool.users.machine(client, operator.now).await?,
                None => pool.users.create_machine(&name, operator.now).await?,
            };
            (machine.client_id, Some(machine.client_secret), known.is_some())
        }
    };
    let event = operator.event("machine.create", &client_id);
    let machine = Machine { client: client_id.clone(), name: name.clone(), created_at: operator.now };
    let added = operator.members.add_machine(&machine, &organization.id, &event, None).await?;
    if added != AddMachineOutcome::Added {
        return Err(Error::Conflict(format!("The client {client_id} acts for another organization.")));
    }
    let detail = (!accepted).then(|| {
        format!(
            "Add {client_id} to the setting MachineClientIds and deploy. The API accepts its tokens then."
        )
    });
    Ok(CreatedMachine {
        organization_id: organization.id.to_string(),
        client_id,
        client_secret,
        name,
        accepted,
        detail,
    })
}

/// Returns the accepted client of an organization, or else the client of the template if it acts for none.
async fn accepted_client<'a>(
    operator: &Operator,
    pool: &'a Pool,
    organization: &OrganizationId,
) -> Result<Option<&'a str>, Error> {
    for client in &pool.more_machine_clients {
        if operator.members.machine(client).await?.as_ref() == Some(organization) {
            return Ok(Some(client));
        }
    }
    let owner = operator.members.organization_of_machine(&pool.machine_client).await?;
    let is_free = owner.is_none_or(|owner| owner == *organization);
    Ok(is_free.then_some(pool.machine_client.as_str()))
}
