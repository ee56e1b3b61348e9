//! Teams: made and named by the owner and by admins, read by their members.

use lambda_http::Request;
use shared_aws::team::AuditEvent;
use shared_domain::{
    ids::{Id, TeamId},
    registration::RegistrationStatus,
    settings,
    team::Team,
    time::Timestamp,
};
use shared_http::{
    access, caller,
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        problem::ProblemView,
        team::{AuditEntryView, TeamChange, TeamDetails, TeamView},
    },
};

use crate::{App, unknown_user};

/// List teams
///
/// The owner sees all of the organization's, everybody else their own.
#[utoipa::path(get, path = "/v1/teams", tag = "teams",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<TeamView>), (status = 403, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let home = app.members.home(&caller.organization, &caller.user).await?.ok_or_else(unknown_user)?;
    let limit = input::limit(request)?;
    let principal = caller.principal();
    let after = match input::query(request, "cursor") {
        Some(cursor) => Some(
            TeamId::parse(&app.cursors.open(&principal, LIST, cursor)?).map_err(|_| Problem::not_found())?,
        ),
        None => None,
    };
    let page = if home.user.owner {
        app.teams.page(&caller.organization, limit, after.as_ref()).await?
    } else {
        let own: Vec<TeamId> = home.teams.iter().map(|role| role.team.clone()).collect();
        shared_aws::team::TeamPage { teams: app.teams.several(&caller.organization, &own).await?, next: None }
    };
    let items = page.teams.iter().map(|team| TeamView::of(team, home.role(&team.id))).collect();
    let next_cursor = page.next.map(|next| app.cursors.seal(&principal, LIST, next.as_str()));
    reply::json(200, &Page { items, next_cursor })
}

const LIST: &str = "teams";

/// Create a team
///
/// By the organization's owner.
#[utoipa::path(post, path = "/v1/teams", tag = "teams", params(("Idempotency-Key" = Option<String>, Header)),
    request_body = TeamDetails,
    responses((status = 201, body = TeamView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 422, body = ProblemView)))]
pub(crate) async fn create(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let user = app.members.user(&caller.organization, &caller.user).await?.ok_or_else(unknown_user)?;
    if !user.owner {
        return Err(Problem::forbidden("owner_required", "Only the organization's owner creates teams."));
    }
    let wanted: TeamDetails = input::body(request)?;
    let name = settings::name("/name", &wanted.name)?;
    let attempt = Attempt {
        organization: &caller.organization,
        principal: caller.principal(),
        route: "teams".into(),
        key: idempotency::key(request)?,
    };
    if let Some(made) = attempt.recalled(&app.keys, now).await? {
        return made_before(app, &attempt, &made).await;
    }
    let team = Team {
        id: Id::new(now, entropy),
        name,
        registration: RegistrationStatus::NotStarted,
        messaging_service: None,
    };
    let deed =
        AuditEvent { actor: &caller.user, action: "team.create", target: team.id.as_str(), at: now, entropy };
    if app.teams.create(&caller.organization, &team, &deed, attempt.idempotency()).await? {
        return reply::json(201, &TeamView::of(&team, None));
    }
    match attempt.recalled(&app.keys, now).await? {
        Some(made) => made_before(app, &attempt, &made).await,
        None => Err(crate::changed()),
    }
}

async fn made_before(app: &App, attempt: &Attempt<'_>, made: &str) -> Outcome {
    let id = TeamId::parse(made).map_err(|_| Problem::not_found())?;
    let team = app.teams.get(attempt.organization, &id).await?.ok_or_else(Problem::not_found)?;
    reply::json(201, &TeamView::of(&team, None))
}

/// Read a team
///
/// For its members and the organization's owner.
#[utoipa::path(get, path = "/v1/teams/{teamId}", tag = "teams", params(("teamId" = String, Path)),
    responses((status = 200, body = TeamView), (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    reply::json(200, &TeamView::of(&access.standing.team, access.standing.role))
}

/// Edit a team
///
/// By its admins and the organization's owner.
#[utoipa::path(patch, path = "/v1/teams/{teamId}", tag = "teams", params(("teamId" = String, Path)),
    request_body = TeamChange,
    responses((status = 200, body = TeamView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn change(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let wanted: TeamChange = input::body(request)?;
    let mut team = access.standing.team.clone();
    if let Some(name) = wanted.name {
        team.name = settings::name("/name", &name)?;
        let actor = &access.standing.user.id;
        let deed = AuditEvent { actor, action: "team.edit", target: team.id.as_str(), at: now, entropy };
        if !app.teams.rename(&access.organization, &team.id, &team.name, &deed).await? {
            return Err(Problem::not_found());
        }
    }
    reply::json(200, &TeamView::of(&team, access.standing.role))
}

/// Audit trail
///
/// What admins did in the team, newest first; for those who manage it.
#[utoipa::path(get, path = "/v1/teams/{teamId}/audit", tag = "teams",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<AuditEntryView>), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView)))]
pub(crate) async fn audit(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let limit = input::limit(request)?;
    let scope = format!("audit {}", access.team());
    let cursor = input::query(request, "cursor");
    let after = cursor.map(|cursor| app.cursors.open(&access.principal, &scope, cursor)).transpose()?;
    let page = app.audit.page(&access.organization, access.team(), limit, after.as_deref()).await?;
    let items = page.entries.iter().map(AuditEntryView::of).collect();
    let next_cursor = page.next.map(|place| app.cursors.seal(&access.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
}
