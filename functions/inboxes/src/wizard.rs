//! The first step of the creation wizard: the teams to choose from, and a free API code.

use axum::extract::State;
use shared_domain::{ids::TeamId, membership::Role, settings, team::Team};
use shared_http::{
    json::Json,
    problem::Problem,
    request::{Entropy, Query},
    wire::inbox::{InboxWizard, WizardTeam},
};

use crate::{App, draft::free_api_code, numbers::AnyTeamAdmin};

/// The owner of more teams than this finds the others with `GET /v1/teams`.
const MAX_TEAMS: u16 = 100;

/// Start the creation wizard
///
/// For team admins and the organization's owner. Returns the teams to choose from (already selected if there
/// is only one), whether members can be selected yet, the notice to show before confirming, and a free API
/// code derived from `name`. Check each further step with `POST /v1/teams/{teamId}/inboxes?dryRun=true`.
#[utoipa::path(get, path = "/v1/inbox-wizard", tag = "inboxes", operation_id = "getInboxWizard",
    params(("name" = Option<String>, Query, description = "The name that the user entered")),
    responses((status = 200, body = InboxWizard)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields"]))))]
pub(crate) async fn start(
    State(app): State<App>,
    AnyTeamAdmin { caller, profile }: AnyTeamAdmin,
    query: Query,
    Entropy(entropy): Entropy,
) -> Result<Json<InboxWizard>, Problem> {
    let name = query.get("name").map(|text| settings::name("?name", text)).transpose()?;
    let teams = if profile.user.owner {
        app.teams.page(&caller.organization, MAX_TEAMS, None).await?.items
    } else {
        let own = profile.teams.iter().filter(|role| role.role == Role::Admin);
        let own: Vec<TeamId> = own.map(|role| role.team.clone()).collect();
        app.teams.get_many(&caller.organization, &own).await?
    };
    let api_code = match name {
        Some(name) => Some(free_api_code(&app, &caller.organization, &name, entropy).await?),
        None => None,
    };
    let only = match teams.as_slice() {
        [team] => Some(team.id.to_string()),
        _ => None,
    };
    Ok(Json(InboxWizard { teams: teams.iter().map(wizard_team).collect(), team_id: only, api_code }))
}

fn wizard_team(team: &Team) -> WizardTeam {
    WizardTeam {
        team_id: team.id.to_string(),
        name: team.name.clone(),
        members_offered: team.registration.is_complete(),
        registration_status: team.registration.as_str(),
        notice: team.registration.notice(false),
    }
}
