//! The first step of the creation wizard: which teams one may choose, a team where there is no choice, an API code.

use lambda_http::Request;
use shared_domain::{ids::TeamId, membership::Role, registration::notice, settings, team::Team};
use shared_http::{
    caller, input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        inbox::{InboxWizard, WizardTeam},
        problem::ProblemView,
    },
};

use crate::{App, draft::free_api_code, numbers::manages_any};

/// More teams than fit a menu are found by other means.
const TEAMS: u16 = 100;

/// Begin the creation wizard
///
/// For admins alone. Gives the teams to choose from (already chosen where there is only one), whether members can be
/// chosen yet, what to say before confirming, and a free API code made of `name`. Each further step is checked by
/// `POST /v1/teams/{teamId}/inboxes?dryRun=true`.
#[utoipa::path(get, path = "/v1/inbox-wizard", tag = "inboxes",
    params(("name" = Option<String>, Query, description = "The name that was entered")),
    responses((status = 200, body = InboxWizard), (status = 403, body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn wizard(app: &App, entropy: u64, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let home = app.members.home(&caller.organization, &caller.user).await?;
    let home = home
        .filter(manages_any)
        .ok_or_else(|| Problem::forbidden("admin_required", "Only admins of a team create inboxes."))?;
    let name = input::query(request, "name").map(|text| settings::name("?name", text)).transpose()?;
    let teams = if home.user.owner {
        app.teams.page(&caller.organization, TEAMS, None).await?.teams
    } else {
        let own = home.teams.iter().filter(|role| role.role == Role::Admin);
        let own: Vec<TeamId> = own.map(|role| role.team.clone()).collect();
        app.teams.several(&caller.organization, &own).await?
    };
    let api_code = match name {
        Some(name) => Some(free_api_code(app, &caller.organization, &name, entropy).await?),
        None => None,
    };
    let only = match teams.as_slice() {
        [team] => Some(team.id.to_string()),
        _ => None,
    };
    reply::json(200, &InboxWizard { teams: teams.iter().map(offered).collect(), team_id: only, api_code })
}

fn offered(team: &Team) -> WizardTeam {
    WizardTeam {
        team_id: team.id.to_string(),
        name: team.name.clone(),
        members_offered: team.registration.is_complete(),
        registration_status: team.registration.as_str(),
        notice: notice(team.registration, false),
    }
}
