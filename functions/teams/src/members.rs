//! Members of a team. Only the organization's owner makes and removes admins; admins add and remove members.
//! A removed member loses access and all locks at once. With the stack's own user pool, a new user gets an
//! invitation, and a user who leaves the last team can no longer sign in.

use axum::{
    extract::{FromRequestParts, State},
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_aws::{
    clients::{AddUserOutcome, NewDirectoryUser},
    team::{AuditEvent, UserProfile},
};
use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::{self, OrganizationId, UserId},
    keys::TeamKey,
    membership::{self, Role, TeamMember, TeamRole},
    settings,
    time::Timestamp,
    user::{User, UserRef},
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
    json::Json,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    wire::{
        Page,
        team::{MemberDetails, TeamMemberView},
    },
};

use crate::{App, changed};

/// List members
///
/// For the team's members. Team admins and the organization's owner also see e-mail addresses.
#[utoipa::path(get, path = "/v1/teams/{teamId}/members", tag = "teams", operation_id = "listTeamMembers",
    params(("teamId" = String, Path)),
    responses((status = 200, body = Page<TeamMemberView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    access: TeamAccess,
) -> Result<Json<Page<TeamMemberView>>, Problem> {
    let members = app.team_members.list(access.team_key()).await?;
    let manages = access.caller.manages();
    Ok(Json(Page::complete(members.iter().map(|member| TeamMemberView::of(member, manages)))))
}

/// Read a member
///
/// For the team's members. Team admins and the organization's owner also see the e-mail address.
#[utoipa::path(get, path = "/v1/teams/{teamId}/members/{userId}",
    tag = "teams", operation_id = "getTeamMember",
    params(("teamId" = String, Path), ("userId" = String, Path)),
    responses((status = 200, body = TeamMemberView)))]
pub(crate) async fn read(
    State(app): State<App>,
    access: TeamAccess,
    PathId(user): PathId<ids::kind::User>,
) -> Result<Json<TeamMemberView>, Problem> {
    let member = app.team_members.get(access.team_key(), &user).await?;
    let member = member.ok_or_else(Problem::not_found)?;
    Ok(Json(TeamMemberView::of(&member, access.caller.manages())))
}

/// Add or change a member
///
/// For team admins and the organization's owner; only the owner can grant or revoke the role `admin`. A user
/// who is new to the team needs a name and an e-mail address; the owner can omit those of a user of another
/// team. A user who is new to the organization gets an invitation if the stack has its own user pool.
/// Idempotent.
#[utoipa::path(put, path = "/v1/teams/{teamId}/members/{userId}",
    tag = "teams", operation_id = "putTeamMember",
    params(("teamId" = String, Path), ("userId" = String, Path)),
    request_body = MemberDetails,
    responses((status = 200, body = TeamMemberView)),
    extensions(("x-errors" = json!(["admin_required", "owner_required", "email_taken", "invalid_fields"]))))]
pub(crate) async fn put(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    NewUserId(id): NewUserId,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(details): Json<MemberDetails>,
) -> Result<Json<TeamMemberView>, Problem> {
    let role = Role::from(details.role);
    for _ in 0..3 {
        let profile = app.members.profile(&access.organization, &id).await?;
        let before = profile.as_ref().and_then(|profile| profile.role(access.team()));
        for appointed in [Some(role), before].into_iter().flatten() {
            may_appoint(&access, appointed)?;
        }
        let user = user_with(&access, &id, &details, profile.as_ref())?;
        let can_sign_in = can_sign_in(&app, &access.organization, &user, now).await?;
        let (actor, target) = (&access.caller.user.id, user.id.as_str());
        let event = AuditEvent { actor, action: "member.put", target, at: now, entropy };
        let (organization, team) = (&access.organization, access.team());
        let current = profile.as_ref().and_then(|profile| profile.team_role(team));
        let can_broadcast = details.can_broadcast.or(current.map(|role| role.can_broadcast));
        let can_broadcast = can_broadcast.unwrap_or_default();
        let granted = TeamRole { team: team.clone(), role, can_broadcast };
        let key = TeamKey { organization, team };
        if app.team_members.put(key, &user, &granted, profile.as_ref(), &event).await? {
            let invited = !can_sign_in && invite(&app, organization, &user, profile.as_ref(), now).await?;
            let User { id, name, email, .. } = user;
            let member = TeamMember { user: UserRef { id, name }, email, role, can_broadcast };
            return Ok(Json(TeamMemberView {
                invited: app.directory.is_some().then_some(invited),
                ..TeamMemberView::of(&member, true)
            }));
        }
    }
    Err(changed())
}

/// Returns whether the user can sign in with the e-mail address, which is always so with a foreign issuer of
/// tokens. Errors if the address belongs to another user.
async fn can_sign_in(
    app: &App,
    organization: &OrganizationId,
    user: &User,
    now: Timestamp,
) -> Result<bool, Problem> {
    let Some(directory) = &app.directory else { return Ok(true) };
    match directory.find(&user.email, now).await? {
        None => Ok(false),
        Some(known) if known.is(organization, &user.id) => Ok(true),
        Some(_) => Err(email_taken()),
    }
}

/// Lets the user sign in: with the new address if it was changed, otherwise with an invitation. Returns
/// whether an invitation was sent.
async fn invite(
    app: &App,
    organization: &OrganizationId,
    user: &User,
    before: Option<&UserProfile>,
    now: Timestamp,
) -> Result<bool, Problem> {
    let Some(directory) = &app.directory else { return Ok(false) };
    if let Some(before) = before.filter(|before| before.user.email != user.email)
        && directory.change_email(&before.user.email, &user.email, now).await?
    {
        return Ok(false);
    }
    let User { id, name, email, .. } = user;
    match directory.add(&NewDirectoryUser { organization, id, name, email, invite: true }, now).await? {
        AddUserOutcome::Added => Ok(true),
        AddUserOutcome::EmailTaken(known) if known.is(organization, id) => Ok(false),
        AddUserOutcome::EmailTaken(_) => Err(email_taken()),
    }
}

fn email_taken() -> Problem {
    Problem::new(409, "email_taken", "This e-mail address belongs to another user. Enter another address.")
}

/// The ID of a user who may not exist yet. A malformed ID is a `422`, not a `404`, because the route can
/// create the user.
pub(crate) struct NewUserId(UserId);

impl FromRequestParts<App> for NewUserId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let id = PathId::<ids::kind::User>::from_request_parts(parts, app).await;
        let expected = "1 to 64 letters, digits, or any of - _ . @";
        id.map(|PathId(id)| Self(id)).map_err(|_| FieldError::new("?userId", expected).into())
    }
}

fn may_appoint(access: &TeamAccess, role: Role) -> Result<(), Problem> {
    if membership::may_assign_role(access.caller.user.owner, access.caller.role, role) {
        Ok(())
    } else {
        Err(Problem::forbidden("owner_required", "Only the organization's owner can add and remove admins."))
    }
}

/// The user with the name and e-mail address of the request. A user whom the caller may see keeps the values
/// that are absent. Another user does not, because the response would show them to anyone who guesses an ID.
fn user_with(
    access: &TeamAccess,
    id: &UserId,
    details: &MemberDetails,
    profile: Option<&UserProfile>,
) -> Result<User, Problem> {
    let known = profile.map(|profile| &profile.user);
    let may_see = |profile: &&UserProfile| access.caller.user.owner || profile.role(access.team()).is_some();
    let shown = profile.filter(may_see).map(|profile| &profile.user);
    let mut errors = FieldErrors::default();
    let mut field = |pointer: &str,
                     given: Option<&String>,
                     current: Option<&String>,
                     parse: fn(&str, &str) -> Result<String, FieldError>| {
        let value = match (given, current) {
            (Some(given), _) => parse(pointer, given),
            (None, Some(current)) => Ok(current.clone()),
            (None, None) => Err(FieldError::new(pointer, "a value, because the user is new to the team")),
        };
        errors.check(value).unwrap_or_default()
    };
    let name = field("/name", details.name.as_ref(), shown.map(|user| &user.name), settings::name);
    let email = field("/email", details.email.as_ref(), shown.map(|user| &user.email), settings::email);
    errors.finish()?;
    let user = User { id: id.clone(), name, email, owner: known.is_some_and(|user| user.owner) };
    match profile {
        Some(profile) if (&profile.user.name, &profile.user.email) != (&user.name, &user.email) => {
            may_rename(access, profile).map(|()| user)
        }
        _ => Ok(user),
    }
}

/// A user's name and e-mail address show in all their teams. The owner can change them, and an admin if the
/// user belongs to the admin's team only.
fn may_rename(access: &TeamAccess, profile: &UserProfile) -> Result<(), Problem> {
    let in_this_team_only =
        !profile.user.owner && profile.teams.iter().all(|role| role.team == *access.team());
    if access.caller.user.owner || in_this_team_only {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "owner_required",
            "This user belongs to other teams too. Only the organization's owner can change their name and e-mail.",
        ))
    }
}

/// Remove a member
///
/// For team admins and the organization's owner; only the owner can remove admins. Ends the membership in the
/// team and in all of its inboxes, and releases the locks that the user holds there. A user who leaves the
/// last team can no longer sign in to the stack's own user pool. A user who is added again gets their
/// personal inbox of the team back. Idempotent.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/members/{userId}",
    tag = "teams", operation_id = "removeTeamMember",
    params(("teamId" = String, Path), ("userId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required", "owner_required"]))))]
pub(crate) async fn remove(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    PathId(user): PathId<ids::kind::User>,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    let Some(profile) = app.members.profile(&access.organization, &user).await? else { return Ok(NoContent) };
    let role = profile.role(access.team());
    if let Some(role) = role {
        may_appoint(&access, role)?;
    }
    // First, so that a removal that stops halfway still knows that this was the last team.
    let is_last_team = !profile.user.owner && profile.teams.iter().all(|role| role.team == *access.team());
    if let Some(directory) = app.directory.as_ref().filter(|_| role.is_some() && is_last_team) {
        directory.remove(&profile.user.email, now).await?;
    }
    let (actor, target) = (&access.caller.user.id, user.as_str());
    let event = AuditEvent { actor, action: "member.remove", target, at: now, entropy };
    let by = access.caller.person();
    let released = app.memberships.end(access.team_key(), &profile, &by, &event).await?;
    tracing::info!(event = "member_removed", team = %access.team(), released, "member removed");
    Ok(NoContent)
}
