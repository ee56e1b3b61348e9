//! Legal holds of teams: nothing of a team under a hold is erased.

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared_app::team_edit::{EditTeamOutcome, TeamEdits};
use shared_domain::{ids::TeamId, keys::TeamKey, team::TeamEdit};

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
    let hold = match request.change {
        HoldChange::Begin => true,
        HoldChange::End => false,
    };
    let edit = TeamEdit { hold: Some(hold), ..TeamEdit::default() };
    let event = operator.event("team.edit", team.as_str());
    match TeamEdits::new(&operator.table).apply(key, &edit, &event).await? {
        EditTeamOutcome::Edited { changed, .. } => Ok(HoldView { team_id: team.to_string(), hold, changed }),
        EditTeamOutcome::NoTeam => {
            Err(Error::Conflict(format!("The organization {organization} has no team {team}.")))
        }
        EditTeamOutcome::Conflict => {
            Err(Error::Conflict("The team was changed at the same time. Run the command again.".into()))
        }
    }
}
