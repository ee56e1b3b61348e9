//! Teams: created by the organization's owner, renamed by their admins, read by their members.

use axum::{extract::State, http::StatusCode};
use shared_app::team_edit::EditTeamOutcome;
use shared_aws::{table, team::AuditEvent};
use shared_domain::{
    field::FieldErrors,
    ids::{Id, TeamId},
    keys::TeamKey,
    registration::RegistrationStatus,
    retention::RetentionDays,
    settings,
    team::{Team, TeamEdit},
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
    idempotency::Attempt,
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, Now},
    wire::{
        Page,
        team::{AuditEntryView, TeamChange, TeamDetails, TeamView},
    },
};

use crate::{
    App, KnownUser, changed,
    owner::{Owner, owner_required},
};

/// List teams
///
/// The organization's owner sees all teams, other users the teams they belong to.
#[utoipa::path(get, path = "/v1/teams", tag = "teams", operation_id = "listTeams",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<TeamView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    KnownUser { caller, profile }: KnownUser,
    page: PageRequest,
) -> Result<Json<Page<TeamView>>, Problem> {
    let page = page.of(&caller.principal(), "teams").await?;
    let found = if profile.user.owner {
        app.teams.page(&caller.organization, page.limit, page.after()).await?
    } else {
        let own: Vec<TeamId> = profile.teams.iter().map(|role| role.team.clone()).collect();
        table::Page { items: app.teams.get_many(&caller.organization, &own).await?, next: None }
    };
    let items = found.items.iter().map(|team| TeamView::of(team, profile.role(&team.id)));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Create a team
///
/// For the organization's owner.
#[utoipa::path(post, path = "/v1/teams", tag = "teams", operation_id = "createTeam",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = TeamDetails,
    responses((status = 201, body = TeamView)),
    extensions(("x-errors" = json!(["owner_required", "invalid_fields"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<TeamDetails>,
) -> Result<(StatusCode, Json<TeamView>), Problem> {
    let name = settings::name("/name", &body.name)?;
    let attempt = Attempt {
        organization: &caller.organization,
        principal: caller.principal(),
        route: "teams".into(),
        key,
    };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, &attempt, &id).await;
    }
    let team = Team {
        id: Id::new(now, entropy),
        name,
        registration: RegistrationStatus::NotStarted,
        messaging_service: None,
        segments_per_second: None,
        hold: false,
        retention: None,
    };
    let (actor, target) = (&caller.user, team.id.as_str());
    let event = AuditEvent { actor, action: "team.create", target, at: now, entropy };
    if app.teams.create(&caller.organization, &team, &event, attempt.idempotency()).await? {
        return Ok((StatusCode::CREATED, Json(TeamView::of(&team, None))));
    }
    match attempt.recalled(&app.keys, now).await? {
        Some(id) => created_before(&app, &attempt, &id).await,
        None => Err(changed()),
    }
}

async fn created_before(
    app: &App,
    attempt: &Attempt<'_>,
    id: &str,
) -> Result<(StatusCode, Json<TeamView>), Problem> {
    let id = TeamId::parse(id).map_err(|_| Problem::not_found())?;
    let team = app
        .teams
        .get(TeamKey { organization: attempt.organization, team: &id })
        .await?
        .ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(TeamView::of(&team, None))))
}

/// Read a team
///
/// For its members and the organization's owner.
#[utoipa::path(get, path = "/v1/teams/{teamId}", tag = "teams", operation_id = "getTeam",
    params(("teamId" = String, Path)),
    responses((status = 200, body = TeamView)))]
pub(crate) async fn read(access: TeamAccess) -> Json<TeamView> {
    Json(TeamView::of(&access.caller.team, access.caller.role))
}

/// Edit a team
///
/// For its admins and the organization's owner. Only the owner may set `hold` and `retentionDays`.
#[utoipa::path(patch, path = "/v1/teams/{teamId}", tag = "teams", operation_id = "updateTeam",
    params(("teamId" = String, Path)),
    request_body = TeamChange,
    responses((status = 200, body = TeamView)),
    extensions(("x-errors" = json!(["admin_required", "owner_required", "invalid_fields"]))))]
pub(crate) async fn update(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(change): Json<TeamChange>,
) -> Result<Json<TeamView>, Problem> {
    if (change.hold.is_some() || change.retention_days.is_some()) && !access.caller.user.owner {
        return Err(owner_required());
    }
    let edit = team_edit(change)?;
    let (actor, target) = (&access.caller.user.id, access.team().as_str());
    let event = AuditEvent { actor, action: "team.edit", target, at: now, entropy };
    match app.team_edits.apply(access.team_key(), &edit, &event).await? {
        EditTeamOutcome::Edited { team, .. } => Ok(Json(TeamView::of(&team, access.caller.role))),
        EditTeamOutcome::NoTeam => Err(Problem::not_found()),
        EditTeamOutcome::Conflict => Err(changed()),
    }
}

fn team_edit(change: TeamChange) -> Result<TeamEdit, Problem> {
    let mut errors = FieldErrors::default();
    let name = change.name.and_then(|name| errors.check(settings::name("/name", &name)));
    let retention = change
        .retention_days
        .map(|days| days.and_then(|days| errors.check(RetentionDays::parse("/retentionDays", days))));
    errors.finish()?;
    Ok(TeamEdit { name, hold: change.hold, retention })
}

/// List the audit trail
///
/// What the team's admins did, newest first. For team admins and the organization's owner.
#[utoipa::path(get, path = "/v1/teams/{teamId}/audit", tag = "teams", operation_id = "listAuditEntries",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<AuditEntryView>)),
    extensions(("x-errors" = json!(["admin_required"]))))]
pub(crate) async fn audit(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    page: PageRequest,
) -> Result<Json<Page<AuditEntryView>>, Problem> {
    let page = page.of(&access.principal, format!("audit {}", access.team())).await?;
    let found = app.audit.page(access.team_key(), page.limit, page.after()).await?;
    Ok(Json(page.response(found.items.iter().map(AuditEntryView::of), found.next.as_deref())))
}
