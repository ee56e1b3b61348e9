//! Members of a shared inbox. Admins of its team add them once the team's registration is complete, and
//! remove them at any time.

use axum::{
    extract::{FromRequestParts, State},
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_aws::team::{AddMemberOutcome, AuditEvent};
use shared_domain::{
    ids::{self, UserId},
    inbox::InboxKind,
    membership::Membership,
    time::Timestamp,
};
use shared_http::{
    access::{InboxAccess, InboxAdmin},
    json::Json,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    wire::{Page, inbox::InboxMemberView},
};

use crate::{App, draft::registration_incomplete};

/// List an inbox's members
///
/// For its members, the admins of its team and the organization's owner.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/members",
    tag = "inboxes", operation_id = "listInboxMembers",
    params(("inboxId" = String, Path)),
    responses((status = 200, body = Page<InboxMemberView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    access: InboxAccess,
) -> Result<Json<Page<InboxMemberView>>, Problem> {
    let members = app.members.list(access.inbox.key()).await?;
    Ok(Json(Page::complete(members.iter().map(|member| InboxMemberView::of(&member.user)))))
}

/// Add a member to an inbox
///
/// For admins of its team and the organization's owner. The user must belong to the team, and the team's
/// registration must be complete. Idempotent.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/members/{userId}",
    tag = "inboxes", operation_id = "addInboxMember",
    params(("inboxId" = String, Path), ("userId" = String, Path)),
    responses((status = 200, body = InboxMemberView)),
    extensions(("x-errors" = json!(["admin_required", "inbox_retired", "personal_inbox",
        "registration_incomplete"]))))]
pub(crate) async fn add(
    State(app): State<App>,
    SharedInboxAdmin(access): SharedInboxAdmin,
    PathId(user): PathId<ids::kind::User>,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<InboxMemberView>, Problem> {
    let registration = access.caller.team.registration;
    if !registration.is_complete() {
        return Err(registration_incomplete(Some(registration)));
    }
    let inbox = &access.inbox;
    let team_member = app.team_members.get(inbox.team_key(), &user).await?;
    let team_member = team_member.ok_or_else(Problem::not_found)?;
    let member = Membership {
        inbox: inbox.id.clone(),
        kind: inbox.kind,
        team: inbox.team.clone(),
        user: team_member.user,
    };
    let event = audit_event(&access, "inbox_member.add", &user, now, entropy);
    match app.members.add(&inbox.organization, &member, &event).await? {
        AddMemberOutcome::Done => Ok(Json(InboxMemberView::of(&member.user))),
        AddMemberOutcome::NotInTeam => Err(Problem::not_found()),
        AddMemberOutcome::RegistrationIncomplete => Err(registration_incomplete(None)),
        AddMemberOutcome::InboxNotActive => {
            Err(Problem::new(409, "inbox_retired", "This inbox is retired. Members cannot be added to it."))
        }
    }
}

/// Remove a member from an inbox
///
/// For admins of its team and the organization's owner. Ends the user's access and releases the locks they
/// hold in the inbox. Idempotent.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}/members/{userId}",
    tag = "inboxes", operation_id = "removeInboxMember",
    params(("inboxId" = String, Path), ("userId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required", "personal_inbox"]))))]
pub(crate) async fn remove(
    State(app): State<App>,
    SharedInboxAdmin(access): SharedInboxAdmin,
    PathId(user): PathId<ids::kind::User>,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    let inbox = &access.inbox;
    if app.members.membership(inbox.key(), &user).await?.is_some() {
        let event = audit_event(&access, "inbox_member.remove", &user, now, entropy);
        app.members.remove(inbox.team_key(), inbox.key(), &user, &event).await?;
    }
    // Even if the membership has already ended: that removal may have stopped before it released the locks.
    let by = access.caller.person();
    app.locks.break_all_of(&inbox.organization, &user, std::slice::from_ref(&inbox.id), &by).await?;
    Ok(NoContent)
}

/// As [`InboxAdmin`], for a shared inbox. `409` for a personal one.
pub(crate) struct SharedInboxAdmin(InboxAccess);

impl FromRequestParts<App> for SharedInboxAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let InboxAdmin(access) = InboxAdmin::from_request_parts(parts, app).await?;
        match access.inbox.kind {
            InboxKind::Shared => Ok(Self(access)),
            InboxKind::Personal => Err(Problem::new(
                409,
                "personal_inbox",
                "A personal inbox belongs to one user and has no members.",
            )),
        }
    }
}

fn audit_event<'a>(
    access: &'a InboxAccess,
    action: &'static str,
    user: &'a UserId,
    at: Timestamp,
    entropy: u64,
) -> AuditEvent<'a> {
    AuditEvent { actor: &access.caller.user.id, action, target: user.as_str(), at, entropy }
}
