//! Registrations of teams. Admins submit a campaign with the API; the operator confirms one that was
//! registered outside the product.

use clap::Args;
use serde::Serialize;
use shared_aws::{
    registration::{Registrations, Transition},
    team::{TeamMembers, Teams},
};
use shared_domain::{
    ids::TeamId,
    keys::TeamKey,
    registration::{RegistrationStatus, StepSource, TimelineStep},
};

use crate::{Error, Operator};

/// A team whose campaign is approved outside the product.
#[derive(Debug, Clone, Args)]
pub struct Confirmation {
    /// ID of the organization
    #[arg(long)]
    pub organization: String,
    /// ID of the team
    #[arg(long)]
    pub team: String,
    /// Segments per second that the campaign allows each number. By default, that of a number without a
    /// campaign
    #[arg(long)]
    pub segments_per_second: Option<u32>,
}

/// The registration of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmedRegistration {
    pub team_id: String,
    pub status: &'static str,
    /// Whether this command changed the status.
    pub changed: bool,
}

/// Completes the registration of a team whose numbers belong to a campaign that was registered outside the
/// product. The product sends without a messaging service then, and does not ask the carrier about the
/// campaign. Refused if the team has no shared inbox, or if it submitted a campaign with the API.
pub async fn confirm(
    operator: &Operator,
    confirmation: &Confirmation,
) -> Result<ConfirmedRegistration, Error> {
    let organization = operator.organization(&confirmation.organization).await?.id;
    let id = TeamId::parse(&confirmation.team)
        .map_err(|error| Error::Invalid { argument: "team", expected: error.to_string() })?;
    let key = TeamKey { organization: &organization, team: &id };
    let (teams, registrations) =
        (Teams::new(operator.table.clone()), Registrations::new(operator.table.clone()));
    let team = teams.get(key).await?;
    let team =
        team.ok_or_else(|| Error::Conflict(format!("The organization {organization} has no team {id}.")))?;
    let registration = registrations.get(key).await?;
    if registration.is_submitted() {
        return Err(Error::Conflict("The team submitted a campaign. The carrier decides about it.".into()));
    }
    if let Some(rate) = confirmation.segments_per_second {
        teams.set_segments_per_second(key, rate.max(1)).await?;
    }
    let status = RegistrationStatus::Approved;
    let changed = match team.registration {
        RegistrationStatus::Approved => false,
        RegistrationStatus::Pending => {
            let step = TimelineStep {
                id: format!("confirmed-{:08x}", operator.entropy & 0xffff_ffff),
                status,
                at: operator.now,
                source: StepSource::User,
                codes: Vec::new(),
                detail: Some("The campaign was registered outside the product.".into()),
                by: Some(operator.actor.clone()),
            };
            let admins = TeamMembers::new(operator.table.clone()).admins(key).await?;
            let transition = Transition {
                to: status,
                as_of: operator.now,
                reasons: &[],
                step: &step,
                admins: admins.into_iter().map(|admin| admin.user.id).collect(),
            };
            if !registrations.transition(key, &registration, transition).await? {
                return Err(Error::Conflict(
                    "The registration was changed at the same time. Run the command again.".into(),
                ));
            }
            true
        }
        _ => {
            let detail = "The registration of the team has not started. Create its first shared inbox.";
            return Err(Error::Conflict(detail.into()));
        }
    };
    if changed {
        let event = operator.event("registration.confirm", id.as_str());
        operator.organizations.record(&organization, &event).await?;
    }
    Ok(ConfirmedRegistration { team_id: id.to_string(), status: status.as_str(), changed })
}
