//! Members of a team. Admins are made by the organization's owner, members by admins as well. Who is removed has no
//! access from that instant, and holds no lock.

use lambda_http::Request;
use shared_aws::team::{AuditEvent, UserProfile};
use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::{InboxId, UserId},
    membership::{self, Role, TeamMember},
    settings,
    time::Timestamp,
    user::{User, UserRef},
};
use shared_http::{
    access::{self, TeamAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        problem::ProblemView,
        team::{MemberDetails, TeamMemberView},
    },
};

use crate::{App, changed};

/// List members
///
/// For the team's members; addresses are shown to those who manage it.
#[utoipa::path(get, path = "/v1/teams/{teamId}/members", tag = "teams", params(("teamId" = String, Path)),
    responses((status = 200, body = Page<TeamMemberView>), (status = 404, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let members = app.team_members.list(&access.organization, access.team()).await?;
    let manages = access.standing.manages();
    let items = members.iter().map(|member| TeamMemberView::of(member, manages)).collect();
    reply::json(200, &Page { items, next_cursor: None })
}

/// Read a member
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/members/{userId}", tag = "teams",
    params(("teamId" = String, Path), ("userId" = String, Path)),
    responses((status = 200, body = TeamMemberView), (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let user: UserId = input::path_id(request, "userId")?;
    let member = app.team_members.get(&access.organization, access.team(), &user).await?;
    let member = member.ok_or_else(Problem::not_found)?;
    reply::json(200, &TeamMemberView::of(&member, access.standing.manages()))
}

/// Add or change a member
///
/// By those who manage the team; the role of an admin is given and taken by the organization's owner. Who is new in the
/// organization needs a name and an address. Idempotent by the user.
#[utoipa::path(put, path = "/v1/teams/{teamId}/members/{userId}", tag = "teams",
    params(("teamId" = String, Path), ("userId" = String, Path)), request_body = MemberDetails,
    responses((status = 200, body = TeamMemberView), (status = 400, body = ProblemView),
        (status = 403, body = ProblemView), (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn put(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let user = user_to_be(request)?;
    let wanted: MemberDetails = input::body(request)?;
    let role = Role::from(wanted.role);
    for _ in 0..3 {
        let home = app.members.home(&access.organization, &user).await?;
        let before = home.as_ref().and_then(|home| home.role(access.team()));
        for appointed in [Some(role), before].into_iter().flatten() {
            may_appoint(&access, appointed)?;
        }
        let user = user_of(&access, &user, &wanted, home.as_ref())?;
        let actor = &access.standing.user.id;
        let deed = AuditEvent { actor, action: "member.put", target: user.id.as_str(), at: now, entropy };
        let put =
            app.team_members.put(&access.organization, access.team(), &user, role, home.as_ref(), &deed);
        if put.await? {
            let person = UserRef { id: user.id, name: user.name };
            let member = TeamMember { user: person, email: user.email, role };
            return reply::json(200, &TeamMemberView::of(&member, true));
        }
    }
    Err(changed())
}

/// An id that is none can be nobody's: it is the request that is wrong, since a user is made here.
fn user_to_be(request: &Request) -> Result<UserId, Problem> {
    input::path_id(request, "userId")
        .map_err(|_| FieldError::new("?userId", "1 to 64 letters, digits, or any of - _ . @").into())
}

fn may_appoint(access: &TeamAccess, role: Role) -> Result<(), Problem> {
    if membership::may_appoint(access.standing.user.owner, access.standing.role, role) {
        Ok(())
    } else {
        Err(Problem::forbidden("owner_required", "Only the organization's owner makes and removes admins."))
    }
}

/// The user with the name and address that were wished for; who is in the organization already keeps what is absent.
fn user_of(
    access: &TeamAccess,
    id: &UserId,
    wanted: &MemberDetails,
    home: Option<&UserProfile>,
) -> Result<User, Problem> {
    let known = home.map(|home| &home.user);
    let mut errors = FieldErrors::default();
    let mut field = |pointer: &str,
                     given: Option<&String>,
                     stored: Option<&String>,
                     parse: fn(&str, &str) -> Result<String, FieldError>| {
        let value = match (given, stored) {
            (Some(given), _) => parse(pointer, given),
            (None, Some(stored)) => Ok(stored.clone()),
            (None, None) => {
                Err(FieldError::new(pointer, "required for a user who is new in the organization"))
            }
        };
        errors.check(value).unwrap_or_default()
    };
    let name = field("/name", wanted.name.as_ref(), known.map(|user| &user.name), settings::name);
    let email = field("/email", wanted.email.as_ref(), known.map(|user| &user.email), settings::email);
    errors.finish()?;
    let user = User { id: id.clone(), name, email, owner: known.is_some_and(|user| user.owner) };
    match home {
        Some(home) if (&home.user.name, &home.user.email) != (&user.name, &user.email) => {
            may_rename(access, home).map(|()| user)
        }
        _ => Ok(user),
    }
}

/// Somebody's name and address show in all their teams: the owner changes them, and an admin of all of these teams.
fn may_rename(access: &TeamAccess, home: &UserProfile) -> Result<(), Problem> {
    let own_alone = !home.user.owner && home.teams.iter().all(|role| role.team == *access.team());
    if access.standing.user.owner || own_alone {
        Ok(())
    } else {
        Err(Problem::forbidden(
            "owner_required",
            "This user belongs to other teams as well; the organization's owner changes name and address.",
        ))
    }
}

/// Remove a member
///
/// Ends the membership, every membership of the team's inboxes, and every lock held there; also when it is ended already.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/members/{userId}", tag = "teams",
    params(("teamId" = String, Path), ("userId" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemView), (status = 404, body = ProblemView)))]
pub(crate) async fn remove(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let user: UserId = input::path_id(request, "userId")?;
    let Some(home) = app.members.home(&access.organization, &user).await? else {
        return reply::no_content();
    };
    let role = home.role(access.team());
    if let Some(role) = role {
        may_appoint(&access, role)?;
    }
    if role.is_some() || home.inboxes.iter().any(|membership| membership.team == *access.team()) {
        let actor = &access.standing.user.id;
        let deed = AuditEvent { actor, action: "member.remove", target: user.as_str(), at: now, entropy };
        app.team_members.remove(&access.organization, access.team(), &home, &deed).await?;
    }
    // In all of the team's inboxes: when a removal broke off, no membership is left to tell which they were.
    let inboxes = app.inboxes.of_team(&access.organization, access.team()).await?;
    let inboxes: Vec<InboxId> = inboxes.into_iter().map(|inbox| inbox.id).collect();
    let by = access.standing.person();
    let released = app.locks.break_all_of(&access.organization, &user, &inboxes, &by).await?;
    tracing::info!(team = %access.team(), released, "member removed");
    reply::no_content()
}
