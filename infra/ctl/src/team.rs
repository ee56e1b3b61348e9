//! Legal holds of teams: nothing of a team under a hold is erased.

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared_aws::team::Teams;
use shared_domain::{ids::TeamId, keys::TeamKey};

use crate::{Error, Operator};

/// What to do with the hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HoldChange {
    /// Erasures of contacts that the team knows are refused
    Begin,
    /// Erasures are possible again
    End,
}

/// A hold to begin or to end.
#[derive(Debug, Clone, Args)]
pub struct Hold {
    pub change: HoldChange,
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// ID of the team
    #[arg(long)]
    pub team: String,
}

/// The hold after the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    pub team_id: String,
    pub hold: bool,
    /// Whether the command changed it.
    pub changed: bool,
}

/// Begins or ends a legal hold of a team, and writes to its audit trail if that is a change.
pub async fn hold(operator: &Operator, request: &Hold) -> Result<HoldView, Error> {
    let organization = operator.organization(&request.organization).await?.id;
    let team = TeamId::parse(&request.team)
        .map_err(|error| Error::Invalid { argument: "team", expected: error.to_string() })?;
    let key = TeamKey { organization: &organization, team: &team };
    let teams = Teams::new(operator.table.clone());
    if teams.get(key).await?.is_none() {
        return Err(Error::Conflict(format!("The organization {organization} has no team {team}.")));
    }
    let (hold, action) = match request.change {
        HoldChange::Begin => (true, "team.hold_begin"),
        HoldChange::End => (false, "team.hold_end"),
    };
    let changed = teams.set_hold(key, hold, &operator.event(action, team.as_str())).await?;
    Ok(HoldView { team_id: team.to_string(), hold, changed })
}
