//! Machine clients: integrations that send messages by API code.

use clap::Args;
use serde::Serialize;
use shared_domain::settings;

use crate::{Error, Operator};

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
    /// Whether the API accepts tokens of this client: the authorizer of the template accepts the client that
    /// the template creates, and none that was added to the pool later.
    pub accepted: bool,
}

/// Makes a machine client act for an organization. The first organization gets the client that the template
/// creates, and others get a new one.
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
            let owner = operator.members.machine(&pool.machine_client).await?;
            let is_free = owner.is_none_or(|owner| owner == organization.id);
            let machine = if is_free {
                pool.users.machine(&pool.machine_client, operator.now).await?
            } else {
                pool.users.create_machine(&name, operator.now).await?
            };
            (machine.client_id, Some(machine.client_secret), is_free)
        }
    };
    let event = operator.event("machine.create", &client_id);
    if !operator.members.add_machine(&client_id, &organization.id, &event).await? {
        return Err(Error::Conflict(format!("The client {client_id} acts for another organization.")));
    }
    Ok(CreatedMachine {
        organization_id: organization.id.to_string(),
        client_id,
        client_secret,
        name,
        accepted,
    })
}
