//! The sending pause, which owners also set with the API.

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared_aws::sending::SendingPauses;
use shared_domain::{sending_pause::SendingPause, user::UserRef};

use crate::{Error, Operator};

/// What to do with sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Change {
    /// Messages are accepted and wait
    Pause,
    /// Waiting messages are sent
    Resume,
}

/// The organizations whose sending changes.
#[derive(Debug, Clone, Args)]
pub struct SendingChange {
    pub change: Change,
    /// ID of the organization. By default, all organizations
    #[arg(long)]
    pub organization: Option<String>,
}

/// The state of sending after the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendingView {
    pub organization_id: String,
    pub paused: bool,
}

/// Pauses or resumes sending. Ends any pause, also one that an owner or the carrier caused.
pub async fn change(operator: &Operator, change: &SendingChange) -> Result<Vec<SendingView>, Error> {
    let organizations = match &change.organization {
        Some(id) => vec![operator.organization(id).await?],
        None => operator.organizations.list().await?,
    };
    let pauses = SendingPauses::new(operator.table.clone());
    let mut changed = Vec::new();
    for organization in organizations {
        let id = &organization.id;
        let (action, paused) = match change.change {
            Change::Pause => {
                let by = UserRef { id: operator.actor.clone(), name: "Operator".into() };
                pauses.pause(id, &SendingPause::manual(by, operator.now)).await?;
                ("sending.pause", true)
            }
            Change::Resume => {
                pauses.resume(id, operator.now).await?;
                ("sending.resume", false)
            }
        };
        operator.organizations.record(id, &operator.event(action, id.as_str())).await?;
        changed.push(SendingView { organization_id: id.to_string(), paused });
    }
    Ok(changed)
}
