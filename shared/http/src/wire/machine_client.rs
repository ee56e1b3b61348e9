//! Machine clients.

use serde::{Deserialize, Serialize};
use shared_aws::team::Machine;
use utoipa::ToSchema;

/// A client that sends messages by API code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineClientView {
    /// ID of the client at the issuer of its tokens.
    pub client_id: String,
    /// Display name.
    pub name: String,
    /// Time when the client was added.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whether the API accepts tokens of the client. If not, your operator has to add its ID to the setting
    /// `MachineClientIds` first.
    pub accepted: bool,
}

impl MachineClientView {
    pub fn of(machine: &Machine, accepted: bool) -> Self {
        Self {
            client_id: machine.client.clone(),
            name: machine.name.clone(),
            created_at: machine.created_at.to_string(),
            accepted,
        }
    }
}

/// A machine client with its new secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedMachineClient {
    /// The client.
    #[serde(flatten)]
    pub client: MachineClientView,
    /// Secret of the client, in this response only. Absent if your issuer of tokens has it, and if the
    /// request is repeated.
    #[serde(rename = "clientSecret", skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Which of the two secrets of a machine client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplacedSecret {
    /// The one before the newest.
    Older,
    /// The newest.
    Newer,
}

/// A machine client to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMachineClient {
    /// 1 to 80 characters.
    pub name: String,
    /// ID of an existing client at your own issuer of tokens. The user pool of the stack chooses the ID
    /// itself.
    pub client_id: Option<String>,
}
